//! From answers to verdicts.

use mlci_core::Verdict;

use super::{
    Analysis, Answers, Asked, Check, Judged, Judgement, Look, OwnCheck, Sample, proportion, questions::Question,
};

/// The standard normal deviate of a one-sided 95 %.
const LAST: f64 = 1.644_853_626_951_472_2;

/// What is beyond doubt before the end (see the module), and the fewest that it takes: the same client may send the same
/// request a few times.
const EARLY: f64 = 0.0005;
const DEVIATES: f64 = 3.29;
const FEWEST: f64 = 5.0;

/// The share of requests that may be beyond a 99th percentile.
const BEYOND: f64 = 0.01;

/// Requests, and those among them that were failed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Counted {
    requests: f64,
    errors: f64,
}

/// What a check has found, and how large its sample was.
struct Found(Verdict, String);

fn no_data(why: impl Into<String>) -> Found {
    Found(Verdict::NoData, why.into())
}

pub(super) fn all(analysis: &Analysis, questions: &[Question<'_>], answers: &Answers, look: Look) -> Judgement {
    let mut judgement = Judgement { verdict: Verdict::NoData, checks: Vec::new() };
    let mut sample = String::new();
    // What all other checks are subject to.
    let mut few = None;
    for question in questions {
        let (name, limit, found) = match question {
            Question::Nobody(why) => ("pods".to_owned(), "at least one of each".to_owned(), no_data(*why)),
            Question::Requests(canary, stable) => {
                let counted = counted(answers, canary).and_then(|one| Ok((one, self::counted(answers, stable)?)));
                let (wanted, least) = (analysis.checks.contains(&Check::Errors), f64::from(analysis.min_requests));
                if let Ok((canary, stable)) = &counted {
                    sample = format!("canary {} requests, stable {}", canary.requests, stable.requests);
                    let both = canary.requests >= least && stable.requests >= least;
                    few = (!both).then(|| format!("too few requests: {sample}; each has to have {least}"));
                }
                let found = match &counted {
                    Err(why) => no_data(why.as_str()),
                    Ok((canary, stable)) => errors(analysis, *canary, *stable, look),
                };
                if counted.is_err() {
                    few = Some("the requests are not known".to_owned());
                } else if !wanted {
                    continue;
                }
                let limit =
                    format!("at most {} more of its requests failed than of the stable pods'", analysis.error_ratio);
                (Check::Errors.to_string(), limit, found)
            }
            Question::Latency(percentile, buckets) => {
                let limit = format!("a 99th percentile of at most {} times the stable pods'", analysis.latency_ratio);
                let found = latency(analysis, answers, percentile, buckets, look);
                (Check::Latency.to_string(), limit, found)
            }
            Question::Drift(index, rows) => {
                let limit = format!("an index of at most {}", analysis.drift_psi);
                (Check::Drift.to_string(), limit, drift(analysis, answers, index, rows, look))
            }
            Question::Own(own, query) => (own.name.clone(), limits(own), by_own(own, answers, query, look)),
        };
        let found = match (&few, found, look) {
            // What has failed beyond all doubt needs no further requests.
            (_, Found(Verdict::Fail, said), Look::Early) => Found(Verdict::Fail, said),
            (Some(few), Found(_, said), Look::Last) => no_data(format!("{few} ({said})")),
            (_, found, _) => found,
        };
        let asked = question.expressions().map(|query| Asked::of(query, answers.get(query))).collect();
        judgement.checks.push(Judged {
            check: name,
            verdict: found.0,
            said: found.1,
            limit,
            sample: sample.clone(),
            asked,
        });
    }
    judgement.verdict = Verdict::all(judgement.checks.iter().map(|judged| judged.verdict));
    judgement
}

/// The interval of what is measured, against the most that it may be.
fn within((low, high): (f64, f64), limit: f64) -> Verdict {
    if low > limit {
        Verdict::Fail
    } else if high <= limit {
        Verdict::Pass
    } else {
        Verdict::NoData
    }
}

/// Whether so many of all are beyond doubt more than a share allows.
fn early(bad: f64, all: f64, share: f64) -> Verdict {
    let sure = bad >= FEWEST && proportion::tail(bad, all, share) < EARLY;
    if sure { Verdict::Fail } else { Verdict::NoData }
}

fn errors(analysis: &Analysis, canary: Counted, stable: Counted, look: Look) -> Found {
    let pair = |counted: Counted| (counted.errors, counted.requests);
    let (low, high) = proportion::difference(pair(canary), pair(stable), LAST);
    let said = format!(
        "the canary failed {} of {}, the stable pods {} of {}: a difference from {low:.4} to {high:.4}",
        canary.errors, canary.requests, stable.errors, stable.requests
    );
    let verdict = match look {
        Look::Last => within((low, high), analysis.error_ratio),
        Look::Early => {
            // As bad as the others may be, and that much more.
            let (_, theirs) = proportion::share(stable.errors, stable.requests, DEVIATES);
            early(canary.errors, canary.requests, theirs + analysis.error_ratio)
        }
    };
    Found(verdict, said)
}

fn latency(analysis: &Analysis, answers: &Answers, percentile: &str, buckets: &str, look: Look) -> Found {
    let (percentile, buckets) = match (one(answers, percentile), answered(answers, buckets)) {
        (Ok(percentile), Ok(buckets)) => (percentile, buckets),
        (Err(why), _) | (_, Err(why)) => return no_data(why),
    };
    if percentile <= 0.0 {
        return no_data(format!("the stable pods' 99th percentile is {percentile} s"));
    }
    let allowed = percentile * analysis.latency_ratio;
    let bound_of = |sample: &Sample| sample.labels.get("le").and_then(|le| le.parse::<f64>().ok());
    let mut bounds: Vec<(f64, f64)> =
        buckets.iter().filter_map(|sample| Some((bound_of(sample)?, sample.value))).collect();
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some((_, requests)) = bounds.last().copied().filter(|(bound, _)| *bound == f64::INFINITY) else {
        return no_data("the canary's requests have no times");
    };
    let Some((bound, faster)) = bounds.iter().copied().find(|(bound, _)| *bound >= allowed && bound.is_finite()) else {
        return no_data(format!("{allowed:.3} s is beyond the histogram, which cannot tell such times apart"));
    };
    if requests.is_nan() || faster.is_nan() || requests <= 0.0 {
        return no_data("the canary's requests have no times");
    }
    let slow = (requests - faster).max(0.0);
    let (low, high) = proportion::share(slow, requests, LAST);
    let said = format!(
        "{slow} of the canary's {requests} requests took longer than {bound} s, a share from {low:.4} to {high:.4}, \
         and {BEYOND} may; the stable pods' 99th percentile is {percentile:.4} s"
    );
    let verdict = match look {
        Look::Last => within((low, high), BEYOND),
        Look::Early => early(slow, requests, BEYOND),
    };
    Found(verdict, said)
}

fn drift(analysis: &Analysis, answers: &Answers, index: &str, rows: &str, look: Look) -> Found {
    let rows = match one(answers, rows) {
        Ok(rows) => format!("{rows} rows"),
        Err(why) => return no_data(why),
    };
    match one(answers, index) {
        Err(why) => no_data(format!("{why}: the server has an index from 200 rows on, and the canary has {rows}")),
        Ok(index) => {
            let said = format!("the index of the canary's predictions against training is {index:.3}, of {rows}");
            // An index has no interval here, so that it is not looked at twice.
            let verdict = if look == Look::Early {
                Verdict::NoData
            } else if index <= analysis.drift_psi {
                Verdict::Pass
            } else {
                Verdict::Fail
            };
            Found(verdict, said)
        }
    }
}

fn by_own(own: &OwnCheck, answers: &Answers, query: &str, look: Look) -> Found {
    let value = match one(answers, query) {
        Ok(value) => value,
        Err(why) => return no_data(why),
    };
    let holds = own.min.is_none_or(|min| value >= min) && own.max.is_none_or(|max| value <= max);
    let verdict = match (look, holds) {
        (Look::Early, _) => Verdict::NoData,
        (Look::Last, true) => Verdict::Pass,
        (Look::Last, false) => Verdict::Fail,
    };
    Found(verdict, format!("it is {value}"))
}

fn limits(own: &OwnCheck) -> String {
    match (own.min, own.max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "none".to_owned(),
    }
}

fn answered<'a>(answers: &'a Answers, query: &str) -> Result<&'a [Sample], String> {
    match answers.get(query) {
        Some(Ok(samples)) => Ok(samples),
        Some(Err(why)) => Err(why.clone()),
        None => Err("it was not asked".to_owned()),
    }
}

/// The answer, where it is one number.
fn one(answers: &Answers, query: &str) -> Result<f64, String> {
    match answered(answers, query)? {
        [] => Err("the answer is empty".to_owned()),
        [sample] if sample.value.is_finite() => Ok(sample.value),
        [sample] => Err(format!("the answer is {}", sample.value)),
        samples => Err(format!("the answer has {} values, and has to be one number", samples.len())),
    }
}

/// Requests by status. None at all are no requests, where Prometheus knows the pods: that it does not is seen by there being
/// no series either, and comes to the same.
fn counted(answers: &Answers, query: &str) -> Result<Counted, String> {
    let samples = answered(answers, query)?;
    if let Some(odd) = samples.iter().find(|sample| !sample.value.is_finite()) {
        return Err(format!("the answer has {} requests", odd.value));
    }
    let failed = |sample: &&Sample| sample.labels.get("status").is_some_and(|status| status.starts_with('5'));
    Ok(Counted {
        requests: samples.iter().map(|sample| sample.value).sum(),
        errors: samples.iter().filter(failed).map(|sample| sample.value).sum(),
    })
}
