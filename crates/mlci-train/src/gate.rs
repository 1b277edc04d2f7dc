use mlci_core::Verdict;
use serde::{Deserialize, Serialize};

use crate::{
    Evaluation, Interval, Leak, Metric, Metrics, Scored, SliceColumn, SliceReport, comparison, number::short, slices,
};

/// What a model has to fulfil before it may be published.
#[derive(Debug, Clone, PartialEq)]
pub struct GateOptions {
    /// Bounds on metrics.
    pub limits: Vec<Limit>,
    /// The metric that challenger and champion are compared by. Default [`Metric::Rmse`], and of classes
    /// [`Metric::LogLoss`].
    pub compare: Option<Metric>,
    /// By how much of the champion's value the challenger may be worse. Default 0.02. (R² can be near zero, where a
    /// share of it says little: compare by an error instead.)
    pub margin: f64,
    /// How sure the comparison has to be, between 0 and 1. Default 0.95.
    pub confidence: f64,
    /// With fewer held-out rows than this, nothing is decided. Default 30.
    pub min_rows: usize,
    /// How many bootstrap resamples the comparison takes, at most 100,000. Default 1,000.
    pub resamples: usize,
    /// What decides the resamples. Default 0.
    pub seed: u64,
    /// Whether a feature that knows the target is a reason to refuse the model. Default false: it is said only.
    pub leakage_fails: bool,
}

/// What the gate decides on.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The model that wants to be published.
    pub challenger: &'a Evaluation,
    /// The one that is, on the same rows.
    pub champion: Option<&'a Evaluation>,
    /// The rows in groups, see [`slices`](crate::slices()).
    pub slices: &'a [SliceColumn],
    /// Features that know the target, see [`Leak`].
    pub leaks: &'a [Leak],
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            limits: Vec::new(),
            compare: None,
            margin: 0.02,
            confidence: 0.95,
            min_rows: 30,
            resamples: 1000,
            seed: 0,
            leakage_fails: false,
        }
    }
}

impl GateOptions {
    /// The metric that such models are compared by.
    pub(crate) fn compare(&self, challenger: &Evaluation) -> Metric {
        let default = if challenger.metrics.is_classification() { Metric::LogLoss } else { Metric::Rmse };
        self.compare.unwrap_or(default)
    }
}

/// A bound on a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The metric.
    pub metric: Metric,
    /// The smallest value allowed.
    #[serde(default)]
    pub min: Option<f64>,
    /// The largest value allowed.
    #[serde(default)]
    pub max: Option<f64>,
}

/// What the gate found. It can be read without knowing the options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// [`Verdict::all`] of the checks that apply.
    pub verdict: Verdict,
    /// Every check, those that do not apply included.
    pub checks: Vec<GateCheck>,
    /// The champion beside the challenger, where they could be compared.
    pub comparison: Option<Comparison>,
    /// The metric that models are compared by, group by group of the rows.
    #[serde(default)]
    pub slices: Vec<SliceReport>,
}

/// One check of the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateCheck {
    /// `rmse_max`, `r2_min` and so on for limits, `beats_mean`, `champion`, `slice`, `leakage`.
    pub name: String,
    /// Its outcome; `None` if it does not apply.
    pub verdict: Option<Verdict>,
    /// What was compared with what, with the numbers.
    pub explanation: String,
    /// The number that was checked.
    pub value: Option<f64>,
    /// What it was checked against.
    pub bound: Option<f64>,
    /// The interval of confidence of the value.
    pub interval: Option<Interval>,
}

/// The challenger compared with the champion on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The metric.
    pub metric: Metric,
    /// The champion's value.
    pub champion: f64,
    /// The challenger's value.
    pub challenger: f64,
    /// How much worse the challenger is, in units of the metric; negative if it is better.
    pub difference: f64,
    /// The lower end of the difference's interval of confidence.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How much worse it may be, in units of the metric.
    pub margin: f64,
    /// How many resamples were taken.
    pub resamples: usize,
    /// How many rows were compared.
    pub rows: usize,
}

/// Decides whether a challenger may be published.
///
/// - Every limit is checked, against the metric's value.
/// - `beats_mean`: the RMSE, of classes the log loss, is below that of always saying [`Evaluation::baseline`], which
///   [`train`](crate::train()) and [`adopt`](crate::adopt()) state as the mean of the training target. This
///   check is always made, so that a first model without limits can pass, and one that has learnt nothing cannot.
/// - `champion` applies once there is one: the challenger passes if it is not worse by more than the margin. The
///   interval of the difference comes from a paired bootstrap of the rows. All of it at or below the margin is a pass,
///   all above a failure; one that straddles the margin is no data.
///
/// Too few rows, a metric that is undefined and options that make no sense are no data, which never passes.
///
/// Paired bootstrap, percentile interval: Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, §8.3, §13.3.
#[must_use]
pub fn gate(options: &GateOptions, challenger: &Evaluation, champion: Option<&Evaluation>) -> GateReport {
    gate_with(options, &Evidence { challenger, champion, slices: &[], leaks: &[] })
}

/// As [`gate`], with two more checks:
/// - `slice`, where there is a champion and rows are grouped: fails if the challenger is worse than the champion by more
///   than the margin in a group of rows, with confidence. With `m` groups judged, the confidence of each is
///   `1 - (1 - confidence) / m` (Bonferroni), so that one in twenty models that are no worse anywhere fails at 0.95,
///   however many groups there are. Groups of fewer than `min_rows` rows are shown and not judged. Where that takes more
///   than 100,000 resamples (1,250 groups at 0.95), none is judged: no data.
/// - `leakage`, where features know the target: fails if that is asked for.
#[must_use]
pub fn gate_with(options: &GateOptions, evidence: &Evidence<'_>) -> GateReport {
    let Evidence { challenger, champion, slices, leaks } = *evidence;
    let mut checks = Vec::new();
    for limit in &options.limits {
        checks.extend(limit_checks(*limit, challenger));
    }
    checks.push(beats_mean(challenger));
    let (check, comparison) = match champion {
        Some(champion) => comparison::check(options, challenger, champion),
        None => (GateCheck::unnumbered("champion", None, "not applicable: no champion yet".to_owned()), None),
    };
    checks.push(check);
    let (check, slices) = slices::check(options, challenger, champion, slices);
    checks.extend(check);
    let rows = challenger.truth.len();
    if rows < options.min_rows {
        for check in checks.iter_mut().filter(|check| check.verdict.is_some()) {
            check.verdict = Some(Verdict::NoData);
            check.explanation = format!(
                "{rows} held-out rows are too few to decide (at least {}); {}",
                options.min_rows, check.explanation
            );
        }
    }
    checks.extend(leakage(options, leaks));
    let verdict = Verdict::all(checks.iter().filter_map(|check| check.verdict));
    GateReport { verdict, checks, comparison, slices }
}

fn leakage(options: &GateOptions, leaks: &[Leak]) -> Option<GateCheck> {
    let said: Vec<String> = leaks.iter().map(ToString::to_string).collect();
    let explanation = match said.is_empty() {
        true => "no feature alone predicts the target suspiciously well".to_owned(),
        false => said.join("; "),
    };
    let verdict = match (options.leakage_fails, leaks.is_empty()) {
        (true, true) => Some(Verdict::Pass),
        (true, false) => Some(Verdict::Fail),
        (false, true) => return None,
        (false, false) => None,
    };
    Some(GateCheck::unnumbered("leakage", verdict, explanation))
}

impl GateCheck {
    pub(crate) fn unnumbered(name: &str, verdict: Option<Verdict>, explanation: String) -> Self {
        Self { name: name.to_owned(), verdict, explanation, value: None, bound: None, interval: None }
    }
}

fn limit_checks(limit: Limit, evaluation: &Evaluation) -> Vec<GateCheck> {
    let metric = limit.metric;
    let bounds = [("min", limit.min), ("max", limit.max)];
    if bounds.iter().all(|(_, bound)| bound.is_none()) {
        let explanation = format!("the limit on {metric} states neither min nor max");
        return vec![GateCheck::unnumbered(metric.as_str(), Some(Verdict::NoData), explanation)];
    }
    let interval = evaluation.intervals.get(&metric).copied();
    let bounds = bounds.into_iter().filter_map(|(end, bound)| Some((end, bound?)));
    bounds
        .map(|(end, bound)| {
            let value = evaluation.metrics.get(metric);
            let (words, holds) = match end {
                "min" => ("at least", value.map(|value| value >= bound)),
                _ => ("at most", value.map(|value| value <= bound)),
            };
            // A comparison with NaN would read as "does not hold".
            let verdict = match holds.filter(|_| !bound.is_nan()) {
                Some(true) => Verdict::Pass,
                Some(false) => Verdict::Fail,
                None => Verdict::NoData,
            };
            let is = value.map_or_else(|| "is undefined".to_owned(), |value| format!("is {}", short(value)));
            let explanation = format!(
                "{metric} {is}{}, has to be {words} {}",
                interval.map_or_else(String::new, between),
                short(bound)
            );
            GateCheck {
                name: format!("{metric}_{end}"),
                verdict: Some(verdict),
                explanation,
                value,
                bound: Some(bound).filter(|bound| bound.is_finite()),
                interval,
            }
        })
        .collect()
}

fn between(interval: Interval) -> String {
    format!(" (95 % between {} and {})", short(interval.low), short(interval.high))
}

fn beats_mean(evaluation: &Evaluation) -> GateCheck {
    let (metric, what) = match evaluation.metrics.is_classification() {
        true => (Metric::LogLoss, "share"),
        false => (Metric::Rmse, "mean"),
    };
    let constant = vec![evaluation.baseline; evaluation.truth.len()];
    let scored = Scored { truth: &evaluation.truth, prediction: &constant };
    let baseline = match evaluation.metrics.classification {
        Some(classes) => Metrics::of_classes(scored, classes.threshold),
        None => Metrics::of(scored),
    };
    let value = evaluation.metrics.get(metric);
    let interval = evaluation.intervals.get(&metric).copied();
    let (Some(baseline), Some(value)) = (baseline.ok().and_then(|metrics| metrics.get(metric)), value) else {
        let explanation = format!("the {metric}, or that of always saying the training {what}, is undefined");
        return GateCheck::unnumbered("beats_mean", Some(Verdict::NoData), explanation);
    };
    GateCheck {
        name: "beats_mean".to_owned(),
        verdict: Some(if value < baseline { Verdict::Pass } else { Verdict::Fail }),
        explanation: format!(
            "{metric} is {}{}, has to be below {}, that of always saying the training {what} {}",
            short(value),
            interval.map_or_else(String::new, between),
            short(baseline),
            short(evaluation.baseline)
        ),
        value: Some(value),
        bound: Some(baseline),
        interval,
    }
}

#[cfg(test)]
mod classes_tests;
#[cfg(test)]
mod tests;
