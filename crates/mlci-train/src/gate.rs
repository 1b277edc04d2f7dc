use mlci_core::Verdict;
use serde::{Deserialize, Serialize};

use crate::{Evaluation, Interval, Metric, Metrics, Scored, comparison, number::short};

/// What a model has to fulfil before it may be published.
#[derive(Debug, Clone, PartialEq)]
pub struct GateOptions {
    /// Bounds on metrics.
    pub limits: Vec<Limit>,
    /// The metric that challenger and champion are compared by. Default [`Metric::Rmse`].
    pub compare: Metric,
    /// By how much of the champion's value the challenger may be worse. Default 0.02. (R² can be near zero, where a
    /// share of it says little: compare by an error instead.)
    pub margin: f64,
    /// How sure the comparison has to be, between 0 and 1. Default 0.95.
    pub confidence: f64,
    /// With fewer held-out rows than this, nothing is decided. Default 30.
    pub min_rows: usize,
    /// How many bootstrap resamples the comparison takes. Default 1,000.
    pub resamples: usize,
    /// What decides the resamples. Default 0.
    pub seed: u64,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            limits: Vec::new(),
            compare: Metric::Rmse,
            margin: 0.02,
            confidence: 0.95,
            min_rows: 30,
            resamples: 1000,
            seed: 0,
        }
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
}

/// One check of the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateCheck {
    /// `rmse_max`, `r2_min` and so on for limits, `beats_mean`, `champion`.
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
/// - `beats_mean`: the RMSE is below that of always saying [`Evaluation::baseline`]. This check is always made, so that
///   a first model without limits can pass, and one that has learnt nothing cannot.
/// - `champion` applies once there is one: the challenger passes if it is not worse by more than the margin. The
///   interval of the difference comes from a paired bootstrap of the rows. All of it at or below the margin is a pass,
///   all above a failure; one that straddles the margin is no data.
///
/// Too few rows, a metric that is undefined and options that make no sense are no data, which never passes.
///
/// Paired bootstrap, percentile interval: Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, §8.3, §13.3.
#[must_use]
pub fn gate(options: &GateOptions, challenger: &Evaluation, champion: Option<&Evaluation>) -> GateReport {
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
    GateReport { verdict: Verdict::all(checks.iter().filter_map(|check| check.verdict)), checks, comparison }
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
    let metric = Metric::Rmse;
    let constant = vec![evaluation.baseline; evaluation.truth.len()];
    let baseline = Metrics::of(Scored { truth: &evaluation.truth, prediction: &constant });
    let value = evaluation.metrics.get(metric);
    let interval = evaluation.intervals.get(&metric).copied();
    let (Ok(baseline), Some(value)) = (baseline.map(|metrics| metrics.rmse), value) else {
        let explanation = "the rmse, or that of always saying the training mean, is undefined".to_owned();
        return GateCheck::unnumbered("beats_mean", Some(Verdict::NoData), explanation);
    };
    GateCheck {
        name: "beats_mean".to_owned(),
        verdict: Some(if value < baseline { Verdict::Pass } else { Verdict::Fail }),
        explanation: format!(
            "rmse is {}{}, has to be below {}, that of always saying the training mean {}",
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
mod tests;
