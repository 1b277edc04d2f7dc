use std::collections::BTreeMap;

use mlci_model::{Model, Parts};
use ndarray::Axis;
use serde::{Deserialize, Serialize};

use crate::{Fit, Metric, Metrics, Scored, Table, folds, train::expanded};

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

pub(crate) fn run(
    table: &Table,
    rows: &[usize],
    k: usize,
    seed: u64,
    fitter: &dyn Fit,
    model: &Model,
) -> CrossValidation {
    let parts = folds(table, rows, seed, k);
    let mut result = CrossValidation { folds: Vec::new(), skipped: Vec::new(), spread: BTreeMap::new() };
    for (index, held_out) in parts.iter().enumerate() {
        let others = parts.iter().enumerate().filter(|(other, _)| *other != index);
        let mut fitted: Vec<usize> = others.flat_map(|(_, rows)| rows).copied().collect();
        fitted.sort_unstable();
        match fold(table, &fitted, held_out, fitter, model) {
            Ok(metrics) => result.folds.push(metrics),
            Err(error) => result.skipped.push(format!("fold {}: {error}", index + 1)),
        }
    }
    for metric in Metric::ALL {
        let values: Option<Vec<f64>> = result.folds.iter().map(|fold| fold.get(metric)).collect();
        if let Some(spread) = values.and_then(|values| spread(&values)) {
            result.spread.insert(metric, spread);
        }
    }
    result
}

fn fold(
    table: &Table,
    fitted: &[usize],
    held_out: &[usize],
    fitter: &dyn Fit,
    model: &Model,
) -> Result<Metrics, Box<dyn std::error::Error>> {
    let design = model.design();
    let names: Vec<&str> = design.names().iter().map(String::as_str).collect();
    let x = expanded(design, table, fitted);
    let y = table.target.select(Axis(0), fitted);
    let estimator = fitter.fit(x.view(), y.view(), &names)?;
    // Only the estimator counts for predicting; the rest comes from the model fitted to all.
    let model = Model::new(Parts { estimator, golden: Vec::new(), ..model.parts().clone() })?;
    let rows: Vec<f64> = table.features.select(Axis(0), held_out).iter().copied().collect();
    let truth = table.target.select(Axis(0), held_out).to_vec();
    let prediction = model.predict(&rows)?;
    Ok(Metrics::of(Scored { truth: &truth, prediction: &prediction })?)
}

fn spread(values: &[f64]) -> Option<Spread> {
    let profile = mlci_model::Profile::of(values)?;
    Some(Spread { mean: profile.mean, standard_deviation: profile.standard_deviation })
}
