//! What both formats say in the same words.

use mlci_core::Verdict;
use mlci_model::{Kind, Profile};
use mlci_train::{Choice, ColumnReport, CrossValidation, GateReport, Metric, Spread};

use super::{
    Classes, MetricRow, Report,
    text::{self, clip, count, counted, number},
};
use crate::{
    error::Outcome,
    event::{EnvironmentStatus, StageStatus},
};

/// How a state is to be seen. Each has its own shape, so that colour is never the only sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Warn,
    Plain,
}

impl Tone {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Plain => "none",
        }
    }

    /// The shape as a character that every terminal and browser has.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Warn => "!",
            Self::Plain => "–",
        }
    }
}

/// A state as a word and a tone.
pub(super) type Mark = (Tone, &'static str);

/// How a command ended. It was refused by the gate where that has not passed, else by an environment.
pub(super) fn outcome(report: &Report) -> Mark {
    match report.outcome {
        Outcome::Refused if report.gate.as_ref().is_some_and(|gate| gate.verdict.is_pass()) => (Tone::Bad, "Refused"),
        Outcome::Pass => (Tone::Good, "Passed"),
        Outcome::Fail => (Tone::Bad, "Failed"),
        Outcome::Invalid => (Tone::Bad, "Invalid configuration"),
        Outcome::Refused => (Tone::Bad, "Refused by the gate"),
        Outcome::RolledBack => (Tone::Bad, "Deployment failed and rolled back"),
        Outcome::Waiting => (Tone::Warn, "Waiting for approval"),
    }
}

pub(super) const fn stage(status: StageStatus) -> Mark {
    let tone = match status {
        StageStatus::Done => Tone::Good,
        StageStatus::Cached | StageStatus::Skipped | StageStatus::Planned => Tone::Plain,
        StageStatus::Failed => Tone::Bad,
    };
    (tone, status.as_str())
}

pub(super) const fn environment(status: EnvironmentStatus) -> Mark {
    let tone = match status {
        EnvironmentStatus::Verified => Tone::Good,
        EnvironmentStatus::Waiting | EnvironmentStatus::Down | EnvironmentStatus::Drifted => Tone::Warn,
        EnvironmentStatus::Rejected | EnvironmentStatus::Refused | EnvironmentStatus::Failed => Tone::Bad,
        EnvironmentStatus::Empty | EnvironmentStatus::Ephemeral => Tone::Plain,
    };
    (tone, status.as_str())
}

/// `None` is a check that does not apply.
pub(super) const fn verdict(verdict: Option<Verdict>) -> Mark {
    match verdict {
        Some(Verdict::Pass) => (Tone::Good, "pass"),
        Some(Verdict::Fail) => (Tone::Bad, "fail"),
        Some(Verdict::NoData) => (Tone::Warn, "no data"),
        None => (Tone::Plain, "not applicable"),
    }
}

/// What the short name of a metric stands for.
pub(super) fn meaning(name: &str) -> Option<&'static str> {
    Metric::ALL.into_iter().find(|metric| metric.as_str() == name).map(Metric::meaning)
}

/// The difference to the champion, and whether that is better. Whether it is more than chance is the gate's to say.
pub(super) fn change(metric: &MetricRow) -> Option<(String, &'static str)> {
    let (champion, _) = metric.champion?;
    let difference = metric.value - champion;
    let word = if !difference.is_finite() {
        return None;
    } else if difference == 0.0 {
        "equal"
    } else if (difference < 0.0) == metric.lower_is_better {
        "better"
    } else {
        "worse"
    };
    Some((text::signed(difference), word))
}

/// The limits on a metric, as the gate checked them.
pub(super) fn bounds(report: &Report, metric: &str) -> Vec<f64> {
    let checks = report.gate.iter().flat_map(|gate| &gate.checks);
    let ours = checks.filter(|check| check.name.strip_prefix(metric).is_some_and(|end| matches!(end, "_min" | "_max")));
    ours.filter_map(|check| check.bound).collect()
}

/// A check of the gate, in words.
pub(super) struct Check<'a> {
    pub(super) name: &'a str,
    pub(super) mark: Mark,
    pub(super) value: String,
    pub(super) bound: String,
    pub(super) interval: String,
    pub(super) note: &'a str,
}

pub(super) fn checks(gate: &GateReport) -> Vec<Check<'_>> {
    let checks = gate.checks.iter().map(|check| {
        let relation = match check.name.as_str() {
            "beats_mean" => "below",
            name if name.ends_with("_min") => "at least",
            // That of the comparison is by how much the challenger is worse.
            _ => "at most",
        };
        Check {
            name: &check.name,
            mark: verdict(check.verdict),
            value: check.value.map(number).unwrap_or_default(),
            bound: check.bound.map(|bound| format!("{relation} {}", text::setting(bound))).unwrap_or_default(),
            interval: check.interval.map(|range| text::interval((range.low, range.high))).unwrap_or_default(),
            note: &check.explanation,
        }
    });
    checks.collect()
}

/// The checks that stand in the way, each with its numbers.
pub(super) fn reasons(report: &Report) -> Vec<(Tone, String)> {
    let checks = report.gate.iter().flat_map(|gate| &gate.checks);
    let against = checks.filter(|check| matches!(check.verdict, Some(Verdict::Fail | Verdict::NoData)));
    let reasons = against.map(|check| {
        let tone = verdict(check.verdict).0;
        let word = if tone == Tone::Bad { "fails" } else { "has no data" };
        let name = text::clip(&check.name, text::NAME);
        (tone, format!("`{name}` {word}: {}", check.explanation))
    });
    reasons.take(10).collect()
}

/// How many folds there were.
pub(super) fn folds(validation: &CrossValidation) -> String {
    let skipped = validation.skipped.len() as u64;
    let mut text = format!(
        "{}: fitted to the training rows outside a fold and measured inside it.",
        counted(validation.folds.len() as u64, "fold")
    );
    if skipped > 0 {
        text += &format!(" {} could not be evaluated.", counted(skipped, "more fold"));
    }
    text
}

/// The values of one metric, fold by fold.
pub(super) fn fold_values(validation: &CrossValidation, metric: Metric) -> String {
    let values =
        validation.folds.iter().take(20).map(|fold| fold.get(metric).map_or_else(|| "undefined".into(), number));
    values.collect::<Vec<_>>().join(", ")
}

/// How hyper-parameters were chosen.
pub(super) fn choice(choice: &Choice) -> String {
    let mut text = format!(
        "Of {} the best mean {} over the folds: {}.",
        counted(choice.candidates.len() as u64, "candidate"),
        choice.metric,
        choice.chosen
    );
    if choice.at_edge {
        text += " The penalty is the largest or smallest tried: one beyond it may be better.";
    }
    text
}

/// The candidates: what they are, mean and standard deviation of the metric, and whether each was taken or why it could
/// not be.
pub(super) fn candidates(choice: &Choice) -> Vec<[String; 4]> {
    let candidates = choice.candidates.iter().map(|candidate| {
        let note = match (&candidate.score, candidate.skipped.first()) {
            (None, Some(why)) => why.clone(),
            _ if candidate.parameters == choice.chosen => "chosen".into(),
            _ => String::new(),
        };
        let of = |part: fn(&Spread) -> f64| candidate.score.as_ref().map_or_else(|| "none".into(), |s| number(part(s)));
        [candidate.parameters.to_string(), of(|score| score.mean), of(|score| score.standard_deviation), note]
    });
    candidates.collect()
}

/// What is true, what was said and how many rows.
pub(super) fn confusion(classes: &Classes) -> [[String; 3]; 2] {
    let confusion = &classes.confusion;
    let [zero, one] = &classes.names;
    [
        [zero.clone(), count(confusion.true_negatives), count(confusion.false_positives)],
        [one.clone(), count(confusion.false_negatives), count(confusion.true_positives)],
    ]
}

/// The bins of probabilities: from, rows, mean probability, share of class 1.
pub(super) fn calibration(classes: &Classes) -> Vec<[String; 4]> {
    let bins = classes.calibration.iter();
    bins.map(|bin| [text::setting(bin.from), count(bin.rows), number(bin.predicted), number(bin.observed)]).collect()
}

/// The groups of rows of all columns: column and group, state, rows, this model's value with its interval, the champion's,
/// by how much it is worse, and why it was not judged.
pub(super) fn groups(gate: &GateReport) -> Vec<(String, Mark, [String; 5])> {
    let groups = gate.slices.iter().flat_map(|slice| slice.groups.iter().map(move |group| (slice, group)));
    let groups = groups.map(|(slice, group)| {
        let mark = match group.fails {
            Some(true) => (Tone::Bad, "worse"),
            Some(false) => (Tone::Good, "not worse"),
            None => (Tone::Plain, "not judged"),
        };
        let ranged = |value: f64, range: Option<(f64, f64)>| match range {
            Some(range) => format!("{} ({})", number(value), text::interval(range)),
            None => number(value),
        };
        let value = group.value.map_or_else(
            || "undefined".into(),
            |value| ranged(value, group.interval.map(|range| (range.low, range.high))),
        );
        let worse = group.worse_by.map(|(worse_by, range)| ranged(worse_by, Some((range.low, range.high))));
        let champion = group.champion.map_or_else(|| "none".into(), number);
        let name = format!("{}: {}", slice.column, group.name);
        (
            name,
            mark,
            [
                count(group.rows as u64),
                value,
                champion,
                worse.unwrap_or_default(),
                group.why.clone().unwrap_or_default(),
            ],
        )
    });
    groups.collect()
}

/// What the groups were measured by.
pub(super) fn grouped(gate: &GateReport) -> Option<String> {
    let metric = gate.slices.first()?.metric;
    Some(format!(
        "{metric} of each group of held-out rows, with its 95 % bootstrap interval. A group is worse if that is certain \
         beyond the margin, at a confidence that all groups share (Bonferroni)."
    ))
}

/// A metric of the history: its name, unit, and which way is better.
pub(super) type Tracked<'a> = (&'a str, Option<&'a str>, &'static str);

/// What is to be thought of a training command's own metrics.
pub(super) const REPORTED: &str = "What it says of itself, on rows of its own choice: nothing is decided by it.";

/// The metrics to follow over the runs: this run's in their order, then those that only earlier runs have.
pub(super) fn history_metrics(report: &Report) -> Vec<Tracked<'_>> {
    let known = report.metrics.iter().map(|metric| {
        let note = if metric.lower_is_better { "Lower is better" } else { "Higher is better" };
        (metric.name.as_str(), metric.unit.as_deref(), note)
    });
    let mut tracked: Vec<Tracked<'_>> =
        known.filter(|(name, ..)| report.history.iter().any(|run| run.metrics.contains_key(*name))).collect();
    let mut others: Vec<&str> = report.history.iter().flat_map(|run| run.metrics.keys()).map(String::as_str).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|name| tracked.iter().all(|(known, ..)| known != name));
    tracked.extend(others.into_iter().map(|name| (name, None, "")));
    tracked
}

/// The bins of a profile with their outer edges.
pub(super) fn bins(profile: &Profile) -> (Vec<f64>, &[u64]) {
    let edges = [profile.min].into_iter().chain(profile.edges.iter().copied()).chain([profile.max]);
    (edges.collect(), &profile.counts)
}

/// When each stage began and ended, as shares of the whole. Stages run one after the other.
pub(super) fn timeline(report: &Report) -> Vec<(f64, f64)> {
    let length = |seconds: f64| if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    let total = report.stages.iter().map(|stage| length(stage.seconds)).sum::<f64>().max(length(report.seconds));
    let mut start = 0.0;
    let spans = report.stages.iter().map(|stage| {
        let span = (start, start + length(stage.seconds));
        start = span.1;
        if total > 0.0 { (span.0 / total, span.1 / total) } else { (0.0, 0.0) }
    });
    spans.collect()
}

/// How many rows the data has, and what became of them.
pub(super) fn rows(data: &mlci_train::DataReport) -> String {
    let mut text = format!("{} read, {} kept", counted(data.rows_read, "row"), count(data.rows_kept));
    for (reason, dropped) in &data.dropped {
        text += &format!(", {} left out ({reason})", count(*dropped));
    }
    text
}

/// What a column's mean and range are numbers of; not of a category, whose values are positions of levels.
pub(super) fn measured(column: &ColumnReport) -> Option<&Profile> {
    column.profile.as_ref().filter(|_| column.kind != Some(Kind::Category))
}

/// The least and the greatest value, as people write them.
pub(super) fn range(column: &ColumnReport) -> Option<(String, String)> {
    let profile = measured(column)?;
    let shown = |value: f64| match column.kind {
        Some(Kind::Date) => mlci_model::date_text(value).unwrap_or_else(|| number(value)),
        _ => number(value),
    };
    Some((shown(profile.min), shown(profile.max)))
}

/// What else was found in a column: its levels, what was filled in, and what all its values keep to.
pub(super) fn findings(column: &ColumnReport) -> Vec<String> {
    const SHOWN: usize = 8;
    const LONGEST: usize = 40;
    let mut levels: Vec<String> = column
        .levels
        .iter()
        .take(SHOWN)
        .map(|level| format!("{} {}", clip(&level.level, LONGEST), count(level.count)))
        .collect();
    if column.levels.len() > SHOWN {
        levels.push("…".to_owned());
    }
    let levels = (!levels.is_empty()).then(|| levels.join(", "));
    let filled = (column.filled > 0).then(|| format!("{} filled in", count(column.filled)));
    let unseen = (column.unseen > 0).then(|| format!("{} counted as the base level", count(column.unseen)));
    let checks = (!column.checks.is_empty()).then(|| format!("checked: {}", clip(&column.checks.join(", "), 200)));
    levels.into_iter().chain(filled).chain(unseen).chain(checks).collect()
}
