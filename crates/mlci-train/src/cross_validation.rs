use std::collections::BTreeMap;

use mlci_model::Estimator;
use ndarray::{ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::{Algorithm, FitError, HyperParameters, Metric, Metrics, Scored, Table, fit, folds};

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
    /// The absolute errors of all rows, each by a model that was not fitted to it.
    pub(crate) errors: Vec<f64>,
}

/// The rows that a model is trained on, ready to be fitted to in parts.
pub(crate) struct Training<'t> {
    pub(crate) table: &'t Table,
    /// Their numbers in the table, ascending.
    pub(crate) rows: &'t [usize],
    /// The columns of their design, and these columns' names.
    pub(crate) x: ArrayView2<'t, f64>,
    pub(crate) y: ArrayView1<'t, f64>,
    pub(crate) names: &'t [&'t str],
    /// From which probability on a row is said to be of class 1, where the target has classes.
    pub(crate) threshold: Option<f64>,
}

/// Cross-validates an algorithm with each of these hyper-parameters, on the same folds.
pub(crate) fn run(
    training: &Training<'_>,
    algorithm: Algorithm,
    candidates: &[HyperParameters],
    seed: u64,
    k: usize,
) -> Vec<Validated> {
    let parts = folds(training.table, training.rows, seed, k);
    // From rows of the table to rows of the matrix.
    let place = |row: &usize| training.rows.binary_search(row).ok();
    let parts: Vec<Vec<usize>> = parts.iter().map(|part| part.iter().filter_map(place).collect()).collect();
    let empty = || CrossValidation { folds: Vec::new(), skipped: Vec::new(), spread: BTreeMap::new() };
    let mut all: Vec<Validated> =
        candidates.iter().map(|_| Validated { result: empty(), errors: Vec::new() }).collect();
    for (index, held_out) in parts.iter().enumerate() {
        let others = parts.iter().enumerate().filter(|(other, _)| *other != index);
        let mut fitted: Vec<usize> = others.flat_map(|(_, rows)| rows).copied().collect();
        fitted.sort_unstable();
        let (x, y) = (training.x.select(Axis(0), &fitted), training.y.select(Axis(0), &fitted));
        let estimators = fit::path(algorithm, candidates, x.view(), y.view(), training.names);
        for (estimator, validated) in estimators.into_iter().zip(&mut all) {
            match score(training, estimator, held_out, &mut validated.errors) {
                Ok(metrics) => validated.result.folds.push(metrics),
                Err(error) => validated.result.skipped.push(format!("fold {}: {error}", index + 1)),
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
    training: &Training<'_>,
    estimator: Result<Estimator, FitError>,
    held_out: &[usize],
    errors: &mut Vec<f64>,
) -> Result<Metrics, Box<dyn std::error::Error>> {
    let estimator = estimator?;
    let linear = estimator.linear().ok_or("the estimator has no weights")?;
    let eta = training.x.select(Axis(0), held_out).dot(&ArrayView1::from(&linear.coefficients)) + linear.intercept;
    let prediction = match &estimator {
        Estimator::Generalized(generalized) => eta.mapv(|eta| generalized.link.inverse(eta)),
        _ => eta,
    };
    let (truth, prediction) = (training.y.select(Axis(0), held_out).to_vec(), prediction.to_vec());
    let scored = Scored { truth: &truth, prediction: &prediction };
    let metrics = match training.threshold {
        Some(threshold) => Metrics::of_classes(scored, threshold)?,
        None => Metrics::of(scored)?,
    };
    errors.extend(truth.iter().zip(&prediction).map(|(truth, prediction)| (truth - prediction).abs()));
    Ok(metrics)
}

fn spread(values: &[f64]) -> Option<Spread> {
    let profile = mlci_model::Profile::of(values)?;
    Some(Spread { mean: profile.mean, standard_deviation: profile.standard_deviation })
}
