//! How a model does on groups of the rows.

mod group;

use mlci_core::Verdict;
use serde::{Deserialize, Serialize};

pub use self::group::{Group, SliceColumn, SliceError, slices};
use crate::{
    Evaluation, GateCheck, GateOptions, Interval, Metrics, Scored,
    bootstrap::{percentiles, resample},
    comparison::between,
    evaluate::weighed,
    number::short,
};

/// The metric that models are compared by, for each group of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceReport {
    /// The column.
    pub column: String,
    /// The metric.
    pub metric: crate::Metric,
    /// The groups.
    pub groups: Vec<GroupReport>,
}

/// How the models do on one group of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    /// What the rows have in common.
    pub name: String,
    /// How many there are.
    pub rows: usize,
    /// The challenger's value; `None` where it is undefined on these rows.
    pub value: Option<f64>,
    /// Its 95 % percentile interval over bootstrap resamples of these rows.
    pub interval: Option<Interval>,
    /// The champion's value.
    pub champion: Option<f64>,
    /// How much worse the challenger is, in units of the metric, with the interval of confidence that is judged.
    pub worse_by: Option<(f64, Interval)>,
    /// Whether it is worse by more than the margin, with confidence; `None` where that was not judged.
    pub fails: Option<bool>,
    /// Why it was not judged.
    pub why: Option<String>,
}

/// The rows of one group.
struct Part {
    truth: Vec<f64>,
    new: Vec<f64>,
    old: Option<Vec<f64>>,
}

impl Part {
    fn of(rows: &[usize], challenger: &Evaluation, champion: Option<&Evaluation>) -> Self {
        let of = |values: &[f64]| rows.iter().filter_map(|row| values.get(*row).copied()).collect();
        Self {
            truth: of(&challenger.truth),
            new: of(&challenger.prediction),
            old: champion.map(|champion| of(&champion.prediction)),
        }
    }
}

pub(crate) fn check(
    options: &GateOptions,
    challenger: &Evaluation,
    champion: Option<&Evaluation>,
    slices: &[SliceColumn],
) -> (Option<GateCheck>, Vec<SliceReport>) {
    if slices.is_empty() {
        return (None, Vec::new());
    }
    let metric = options.compare(challenger);
    let comparable = champion.filter(|champion| {
        challenger.truth == champion.truth
            && challenger.metrics.is_classification() == champion.metrics.is_classification()
    });
    let sizes = slices.iter().flat_map(|slice| &slice.groups).map(|group| group.rows.len());
    let judged = sizes.filter(|rows| *rows >= options.min_rows).count();
    // Bonferroni; with as many resamples as the ends of so wide an interval need.
    let tail = (1.0 - options.confidence) / judged.max(1) as f64;
    let needed = (4.0 / tail).ceil();
    let strict = GateOptions {
        confidence: 1.0 - tail,
        resamples: if needed.is_finite() { options.resamples.max(needed as usize) } else { options.resamples },
        ..options.clone()
    };
    let group = |group: &Group| {
        let part = Part::of(&group.rows, challenger, comparable);
        report(&strict, challenger, comparable, group, &part)
    };
    let reports: Vec<SliceReport> = slices
        .iter()
        .map(|slice| SliceReport {
            column: slice.column.clone(),
            metric,
            groups: slice.groups.iter().map(group).collect(),
        })
        .collect();
    (Some(verdict(champion, &reports)), reports)
}

fn report(
    options: &GateOptions,
    challenger: &Evaluation,
    champion: Option<&Evaluation>,
    group: &Group,
    part: &Part,
) -> GroupReport {
    let metric = options.compare(challenger);
    let rows = part.truth.len();
    let mut report = GroupReport {
        name: group.name.clone(),
        rows,
        value: None,
        interval: None,
        champion: None,
        worse_by: None,
        fails: None,
        why: None,
    };
    let threshold = challenger.metrics.classification.map(|classes| classes.threshold);
    let scored = |prediction| Scored { truth: &part.truth, prediction };
    let value = |prediction, half_width: Option<f64>| {
        let metrics = match (threshold, half_width) {
            (Some(threshold), _) => Metrics::of_classes(scored(prediction), threshold),
            (None, Some(half_width)) => Metrics::within(scored(prediction), half_width),
            (None, None) => Metrics::of(scored(prediction)),
        };
        metrics.ok()?.get(metric)
    };
    report.value = value(&part.new, challenger.half_width);
    let Ok(new) = weighed(scored(&part.new), threshold, challenger.half_width) else { return report };
    let mut values = Vec::new();
    resample(rows, 1000, options.seed, |counts| values.push(new.metric(metric, counts).unwrap_or(f64::NAN)));
    report.interval = percentiles(values, 0.95);
    let (Some(old), Some(champion)) = (&part.old, champion) else { return report };
    report.champion = value(old, champion.half_width);
    if rows < options.min_rows {
        report.why = Some(format!("{rows} rows are too few to judge (at least {})", options.min_rows));
        return report;
    }
    let (Some(values), Ok(old)) =
        (report.value.zip(report.champion), weighed(scored(old), threshold, champion.half_width))
    else {
        report.why = Some(format!("{metric} is undefined on these rows"));
        return report;
    };
    match between(options, metric, values, (&new, &old), rows) {
        Ok(comparison) => {
            let interval = Interval { low: comparison.low, high: comparison.high };
            report.worse_by = Some((comparison.difference, interval));
            report.fails = Some(comparison.low > comparison.margin);
        }
        Err(why) => report.why = Some(why),
    }
    report
}

fn verdict(champion: Option<&Evaluation>, reports: &[SliceReport]) -> GateCheck {
    const NAME: &str = "slice";
    let groups = || reports.iter().flat_map(|report| report.groups.iter().map(move |group| (report, group)));
    if champion.is_none() {
        return GateCheck::unnumbered(NAME, None, "not applicable: no champion yet".to_owned());
    }
    let judged = groups().filter(|(_, group)| group.fails.is_some()).count();
    let left = groups().count() - judged;
    let left = if left == 0 { String::new() } else { format!("; {left} not judged, for too few rows or others") };
    if judged == 0 {
        return GateCheck::unnumbered(NAME, None, format!("not applicable: no group of rows can be judged{left}"));
    }
    let worse: Vec<String> = groups()
        .filter(|(_, group)| group.fails == Some(true))
        .filter_map(|(report, group)| {
            let (worse_by, interval) = group.worse_by?;
            Some(format!(
                "`{}` {}: {} is {} beside the champion's {} on {} rows, worse by {} (between {} and {})",
                report.column,
                group.name,
                report.metric,
                short(group.value?),
                short(group.champion?),
                group.rows,
                short(worse_by),
                short(interval.low),
                short(interval.high),
            ))
        })
        .collect();
    if worse.is_empty() {
        let explanation =
            format!("in none of {judged} groups of rows is it certain to be worse than the margin allows{left}");
        return GateCheck::unnumbered(NAME, Some(Verdict::Pass), explanation);
    }
    let explanation =
        format!("worse than the margin allows in {} of {judged} groups: {}{left}", worse.len(), worse.join("; "));
    GateCheck::unnumbered(NAME, Some(Verdict::Fail), explanation)
}
