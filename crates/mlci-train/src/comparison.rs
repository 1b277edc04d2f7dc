use mlci_core::Verdict;

use crate::{
    Comparison, Evaluation, GateCheck, GateOptions, Interval, Metric,
    bootstrap::{percentiles, resample},
    metrics::Weighed,
    number::short,
};

const NAME: &str = "champion";

/// More than this would take hours, and memory for each.
pub(crate) const MOST_RESAMPLES: usize = 100_000;

/// Compares challenger and champion, row by row the same rows.
pub(crate) fn check(
    options: &GateOptions,
    challenger: &Evaluation,
    champion: &Evaluation,
) -> (GateCheck, Option<Comparison>) {
    match compare(options, challenger, champion) {
        Ok(comparison) => (judge(options, &comparison), Some(comparison)),
        Err(why) => (GateCheck::unnumbered(NAME, Some(Verdict::NoData), why), None),
    }
}

fn compare(options: &GateOptions, challenger: &Evaluation, champion: &Evaluation) -> Result<Comparison, String> {
    let metric = options.compare(challenger);
    comparable(challenger, champion)?;
    if metric.is_of_classes() != challenger.metrics.is_classification() || metric == Metric::Coverage {
        return Err(format!("{metric} does not say which of such models is better: choose another `[gate] compare`"));
    }
    if !(options.margin >= 0.0 && options.margin.is_finite()) {
        return Err(format!("the margin {} is not a share of at least 0", options.margin));
    }
    let weighed = |evaluation| Evaluation::weighed(evaluation).map_err(|error| error.to_string());
    let (new, old) = (weighed(challenger)?, weighed(champion)?);
    let value = |evaluation: &Evaluation| {
        evaluation.metrics.get(metric).ok_or_else(|| format!("{metric} is undefined on these rows"))
    };
    let values = (value(challenger)?, value(champion)?);
    between(options, metric, values, (&new, &old), challenger.truth.len())
}

/// Refuses a champion whose predictions cannot stand beside the challenger's, row by row.
pub(crate) fn comparable(challenger: &Evaluation, champion: &Evaluation) -> Result<(), String> {
    let is_classes = challenger.metrics.is_classification();
    if is_classes != champion.metrics.is_classification() {
        return Err(
            "one of challenger and champion tells classes apart and the other predicts a number, which cannot \
            be compared: give the project another name, or start from another alias (`[gate] champion`)"
                .to_owned(),
        );
    }
    let is_same_rows = challenger.lines == champion.lines && challenger.truth.len() == champion.truth.len();
    let mut truths = challenger.truth.iter().zip(&champion.truth);
    if is_same_rows && is_classes && !challenger.truth.is_empty() && truths.all(|(new, old)| *new == 1.0 - old) {
        return Err("the champion gives the probability of the other class: evaluate both for the same one \
                    (`EvaluateOptions::positive`)"
            .to_owned());
    }
    if is_same_rows && challenger.truth == champion.truth {
        Ok(())
    } else {
        Err("challenger and champion were not evaluated on the same rows".to_owned())
    }
}

/// Compares two models on rows that are prepared for resamples.
pub(crate) fn between(
    options: &GateOptions,
    metric: Metric,
    (challenger, champion): (f64, f64),
    (new, old): (&Weighed<'_>, &Weighed<'_>),
    rows: usize,
) -> Result<Comparison, String> {
    if options.resamples > MOST_RESAMPLES {
        return Err(format!(
            "{} resamples are more than the {MOST_RESAMPLES} that are taken at most",
            options.resamples
        ));
    }
    let mut differences = Vec::with_capacity(options.resamples);
    resample(rows, options.resamples, options.seed, |counts| {
        let pair = new.metric(metric, counts).zip(old.metric(metric, counts));
        differences.push(pair.map_or(f64::NAN, |(new, old)| worse_by(metric, new, old)));
    });
    let Interval { low, high } = percentiles(differences, options.confidence).ok_or_else(|| {
        format!(
            "{} resamples give no interval of confidence {}: too few, or {metric} is undefined in some",
            options.resamples, options.confidence
        )
    })?;
    Ok(Comparison {
        metric,
        champion,
        challenger,
        difference: worse_by(metric, challenger, champion),
        low,
        high,
        margin: options.margin * champion.abs(),
        resamples: options.resamples,
        rows,
    })
}

fn worse_by(metric: Metric, challenger: f64, champion: f64) -> f64 {
    if metric.lower_is_better() { challenger - champion } else { champion - challenger }
}

fn judge(options: &GateOptions, comparison: &Comparison) -> GateCheck {
    let Comparison { metric, champion, challenger, difference, low, high, margin, rows, .. } = *comparison;
    let (verdict, meaning) = if high <= margin {
        (Verdict::Pass, "not worse than the margin allows")
    } else if low > margin {
        (Verdict::Fail, "worse than the margin allows")
    } else {
        (Verdict::NoData, "the interval straddles the margin: more held-out rows are needed to decide")
    };
    GateCheck {
        name: NAME.to_owned(),
        verdict: Some(verdict),
        explanation: format!(
            "{metric} is {} beside the champion's {} on {rows} rows: worse by {} ({} % between {} and {}), allowed {} \
             ({} % of the champion's); {meaning}",
            short(challenger),
            short(champion),
            short(difference),
            short(options.confidence * 100.0),
            short(low),
            short(high),
            short(margin),
            short(options.margin * 100.0),
        ),
        value: Some(difference),
        bound: Some(margin),
        interval: Some(Interval { low, high }),
    }
}
