//! Which hyper-parameters to take.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Algorithm, FitError, HyperParameters, Metric, Spread, TrainKey, TrainOptions, cross_validation::Validated,
};

/// How hyper-parameters were chosen: those whose models do best on average over the folds of the training rows. Of equals
/// the larger penalty.
///
/// The best mean, and not the largest penalty within one standard error of it: the rule of one standard error (Hastie,
/// Tibshirani & Friedman, *The Elements of Statistical Learning*, 2nd ed., §7.10) gives up accuracy for fewer features,
/// which is for the user to ask for by a penalty.
///
/// A fold that none of them can be evaluated on, such as one without a row, is left out; at least two have to be left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Those that were taken.
    pub chosen: HyperParameters,
    /// What was compared: RMSE, and log loss of classes.
    pub metric: Metric,
    /// All that were tried, in order.
    pub candidates: Vec<Candidate>,
    /// Whether the penalty is the largest or smallest of several, so that one beyond it may be better.
    pub at_edge: bool,
}

/// Hyper-parameters, and how models with them did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The hyper-parameters.
    pub parameters: HyperParameters,
    /// The metric over the folds; `None` where one could not be evaluated on which others were.
    pub score: Option<Spread>,
    /// Why folds could not be evaluated.
    pub skipped: Vec<String>,
}

/// Options that do not go with the algorithm, or with what it needs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// A key says nothing to the algorithm.
    #[error("`[train] {key}` means nothing to `{algorithm}`: leave it out, or choose {}",
        key.algorithms().map(|algorithm| format!("`{algorithm}`")).collect::<Vec<_>>().join(" or "))]
    Key {
        /// The key.
        key: TrainKey,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// A number that makes no sense.
    #[error("`[train] {key}` is {value}: it has to be {wants}")]
    Value {
        /// The key.
        key: TrainKey,
        /// The number.
        value: f64,
        /// What it has to be.
        wants: &'static str,
    },
    /// There is more than one to choose from, and no folds to choose by.
    #[error(
        "`[train] folds` is 0, and there are several values of `penalty` or `l1_share` to choose from: give each \
        one value, or leave the folds to choose by"
    )]
    NoFolds,
}

impl TrainOptions {
    /// Checks the keys that go with the algorithm.
    ///
    /// # Errors
    /// [`OptionError`] naming the first that does not.
    pub fn check(&self) -> Result<(), OptionError> {
        let algorithm = self.algorithm;
        let set = |key| match key {
            TrainKey::Penalty => !self.penalty.is_empty(),
            TrainKey::L1Share => !self.l1_share.is_empty(),
            TrainKey::Power => self.power.is_some(),
            TrainKey::Positive => self.positive.is_some(),
        };
        if let Some(key) = TrainKey::ALL.into_iter().find(|key| set(*key) && !algorithm.takes(*key)) {
            return Err(OptionError::Key { key, algorithm });
        }
        let refuse = |key, values: &[f64], holds: fn(f64) -> bool, wants| {
            let wrong = values.iter().find(|value| !holds(**value));
            wrong.map_or(Ok(()), |value| Err(OptionError::Value { key, value: *value, wants }))
        };
        refuse(TrainKey::Penalty, &self.penalty, |value| value >= 0.0 && value.is_finite(), "0 or more")?;
        let share = |value: f64| value > 0.0 && value <= 1.0;
        refuse(TrainKey::L1Share, &self.l1_share, share, "above 0 and at most 1 (for 0 there is `ridge`)")?;
        let power: Vec<f64> = self.power.into_iter().collect();
        refuse(TrainKey::Power, &power, |value| (1.0..=2.0).contains(&value), "between 1 (poisson) and 2 (gamma)")?;
        let several = self.penalty.len() > 1 || self.l1_share.len() > 1;
        if self.folds.is_none() && (several || self.penalty.is_empty() && algorithm.needs_penalty()) {
            return Err(OptionError::NoFolds);
        }
        Ok(())
    }
}

/// What there is to choose from, the largest penalty first.
///
/// `penalties` gives those to try where none is stated, for a share of the absolute values.
pub(crate) fn candidates(
    options: &TrainOptions,
    penalties: impl Fn(f64) -> Result<Vec<f64>, FitError>,
) -> Result<Vec<HyperParameters>, FitError> {
    let algorithm = options.algorithm;
    let shares = match options.l1_share.as_slice() {
        [] if algorithm.takes(TrainKey::L1Share) => vec![Some(0.5)],
        [] => vec![None],
        stated => stated.iter().copied().map(Some).collect(),
    };
    let power = algorithm.takes(TrainKey::Power).then(|| options.power.unwrap_or(1.5));
    let mut candidates = Vec::new();
    for l1_share in shares {
        let mut tried = match options.penalty.as_slice() {
            [] if algorithm.needs_penalty() => penalties(l1_share.unwrap_or(1.0))?.into_iter().map(Some).collect(),
            [] if algorithm.takes(TrainKey::Penalty) => vec![Some(0.0)],
            [] => vec![None],
            stated => stated.iter().copied().map(Some).collect::<Vec<_>>(),
        };
        tried.sort_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
        tried.dedup();
        candidates.extend(tried.into_iter().map(|penalty| HyperParameters { penalty, l1_share, power }));
    }
    Ok(candidates)
}

/// The best of them: its position, and how it was found. `None` where none could be evaluated on all folds that count.
pub(crate) fn best(candidates: &[HyperParameters], validated: &[Validated], metric: Metric) -> Option<(usize, Choice)> {
    // What no candidate can be evaluated on tells them apart as little as it tells of each.
    let folds: BTreeSet<u64> = validated.iter().flat_map(|validated| &validated.evaluated).copied().collect();
    if folds.len() < 2 {
        return None;
    }
    let tried: Vec<Candidate> = candidates
        .iter()
        .zip(validated)
        .map(|(parameters, Validated { result, evaluated, .. })| Candidate {
            parameters: *parameters,
            score: result.spread.get(&metric).copied().filter(|_| evaluated.len() == folds.len()),
            skipped: result.skipped.clone(),
        })
        .collect();
    let scored = tried.iter().enumerate().filter_map(|(at, candidate)| Some((at, candidate.score?.mean)));
    // The first of equals has the largest penalty.
    let (at, _) = scored.reduce(|best, next| if next.1 < best.1 { next } else { best })?;
    let chosen = *candidates.get(at)?;
    let beside = candidates.iter().filter(|other| other.l1_share == chosen.l1_share);
    let penalties: Vec<f64> = beside.filter_map(|other| other.penalty).collect();
    let at_edge = penalties.len() > 1
        && (penalties.iter().all(|other| Some(*other) <= chosen.penalty)
            // There is none below 0.
            || chosen.penalty > Some(0.0) && penalties.iter().all(|other| Some(*other) >= chosen.penalty));
    Some((at, Choice { chosen, metric, candidates: tried, at_edge }))
}
