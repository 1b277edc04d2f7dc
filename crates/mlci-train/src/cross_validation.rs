use std::collections::BTreeMap;

use mlci_model::{Design, Estimator};
use serde::{Deserialize, Serialize};

use crate::{FitError, Metric, Metrics, Scored, Table};

/// How well models do that are fitted to all folds of the training rows but one, on that one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// The metrics of each fold that could be evaluated.
    pub folds: Vec<Metrics>,
    /// Why others could not, such as for a column that is constant without their rows.
    pub skipped: Vec<String>,
    /// Mean and spread of each metric over the folds; a metric that is undefined in one has none.
    pub spread: BTreeMap<Metric, Spread>,
}

/// The mean of a metric over folds, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The arithmetic mean.
    pub mean: f64,
    /// The standard deviation with divisor `folds - 1`; 0 for a single fold.
    pub standard_deviation: f64,
}

/// What cross-validation of one fitter gives.
pub(crate) struct Validated {
    pub(crate) result: CrossValidation,
    /// The numbers of the folds that could be evaluated.
    pub(crate) evaluated: Vec<u64>,
    /// The absolute errors of the rows, each by a model that was not fitted to it.
    pub(crate) errors: Vec<f64>,
}

/// The rows that are predicted by models that were not fitted to them.
pub(crate) struct HeldOut<'t> {
    pub(crate) table: &'t Table,
    pub(crate) design: &'t Design,
    /// Their numbers in the table, each with its fold.
    pub(crate) rows: Vec<(usize, u64)>,
    /// The target of each row of the table, as models predict it.
    pub(crate) truth: &'t [f64],
    /// From which probability on a row is said to be of class 1, where the target has classes.
    pub(crate) threshold: Option<f64>,
}

/// Cross-validates `candidates` fits on the same folds. `fit` makes them all, each to all rows but those of a fold.
pub(crate) fn run(
    held_out: &HeldOut<'_>,
    folds: u64,
    candidates: usize,
    fit: impl Fn(u64) -> Result<Vec<Result<Estimator, FitError>>, FitError>,
) -> Vec<Validated> {
    let empty = || CrossValidation { folds: Vec::new(), skipped: Vec::new(), spread: BTreeMap::new() };
    let mut all: Vec<Validated> =
        (0..candidates).map(|_| Validated { result: empty(), evaluated: Vec::new(), errors: Vec::new() }).collect();
    let mut parts = vec![Vec::new(); usize::try_from(folds).unwrap_or_default()];
    for (row, fold) in &held_out.rows {
        if let Some(part) = usize::try_from(*fold).ok().and_then(|fold| parts.get_mut(fold)) {
            part.push(*row);
        }
    }
    for (number, rows) in (0..folds).zip(&parts) {
        let note = |all: &mut [Validated], place: usize, tried: Result<Metrics, Box<dyn std::error::Error>>| {
            let Some(Validated { result, evaluated, .. }) = all.get_mut(place) else { return };
            match tried {
                Ok(metrics) => {
                    result.folds.push(metrics);
                    evaluated.push(number);
                }
                Err(error) => result.skipped.push(format!("fold {}: {error}", number + 1)),
            }
        };
        let fitted =
            if rows.is_empty() { Err("no row is in it".to_owned()) } else { fit(number).map_err(|e| e.to_string()) };
        match fitted {
            Err(why) => (0..candidates).for_each(|place| note(&mut all, place, Err(why.clone().into()))),
            Ok(estimators) => {
                for (place, estimator) in estimators.into_iter().enumerate() {
                    let mut errors = Vec::new();
                    note(&mut all, place, score(held_out, rows, estimator, &mut errors));
                    if let Some(validated) = all.get_mut(place) {
                        validated.errors.append(&mut errors);
                    }
                }
            }
        }
    }
    for Validated { result, .. } in &mut all {
        for metric in Metric::ALL {
            let values: Option<Vec<f64>> = result.folds.iter().map(|fold| fold.get(metric)).collect();
            if let Some(spread) = values.and_then(|values| spread(&values)) {
                result.spread.insert(metric, spread);
            }
        }
    }
    all
}

fn score(
    held_out: &HeldOut<'_>,
    rows: &[usize],
    estimator: Result<Estimator, FitError>,
    errors: &mut Vec<f64>,
) -> Result<Metrics, Box<dyn std::error::Error>> {
    let estimator = estimator?;
    let HeldOut { table, design, truth, threshold, .. } = held_out;
    let truth: Vec<f64> = rows.iter().filter_map(|row| truth.get(*row).copied()).collect();
    let features = |row: &usize| table.features.row(*row);
    let prediction: Vec<f64> = rows
        .iter()
        .map(|row| match features(row).as_slice() {
            Some(values) => estimator.predict(design, values),
            None => estimator.predict(design, &features(row).to_vec()),
        })
        .collect();
    let scored = Scored { truth: &truth, prediction: &prediction };
    let metrics = match threshold {
        Some(threshold) => Metrics::of_classes(scored, *threshold)?,
        None => Metrics::of(scored)?,
    };
    errors.extend(truth.iter().zip(&prediction).map(|(truth, prediction)| (truth - prediction).abs()));
    Ok(metrics)
}

fn spread(values: &[f64]) -> Option<Spread> {
    let profile = mlci_model::Profile::of(values)?;
    Some(Spread { mean: profile.mean, standard_deviation: profile.standard_deviation })
}
