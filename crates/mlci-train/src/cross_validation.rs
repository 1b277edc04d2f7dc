use std::collections::BTreeMap;

use mlci_model::{Estimator, Model, Parts};
use serde::{Deserialize, Serialize};

use crate::{
    FitError, Metric, Metrics, Scored, Table,
    evaluate::{Unpredicted, predict},
};

/// How well models do that are fitted to all folds of the training rows but one, on that one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// The metrics of each fold that could be evaluated; of more rows than [`Gathered`](crate::Gathered) keeps, on a
    /// sample of the fold.
    pub folds: Vec<Metrics>,
    /// Why others could not, such as for a column that is constant without their rows, or for want of rows.
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

/// `held_out` has the rows of the table that are predicted, each with its fold; `fit` fits to all rows but those of a
/// fold.
pub(crate) fn run(
    table: &Table,
    held_out: &[(usize, u64)],
    folds: u64,
    model: &Model,
    fit: impl Fn(u64) -> Result<Estimator, FitError>,
) -> CrossValidation {
    let mut result = CrossValidation { folds: Vec::new(), skipped: Vec::new(), spread: BTreeMap::new() };
    let mut parts = vec![Vec::new(); usize::try_from(folds).unwrap_or_default()];
    for (row, fold) in held_out {
        if let Some(part) = usize::try_from(*fold).ok().and_then(|fold| parts.get_mut(fold)) {
            part.push(*row);
        }
    }
    for (number, rows) in (0..folds).zip(&parts) {
        let tried = if rows.is_empty() {
            Err("no row is in it".into())
        } else {
            fit(number).map_err(Into::into).and_then(|estimator| score(table, rows, estimator, model))
        };
        match tried {
            Ok(metrics) => result.folds.push(metrics),
            Err(error) => result.skipped.push(format!("fold {}: {error}", number + 1)),
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

fn score(
    table: &Table,
    rows: &[usize],
    estimator: Estimator,
    model: &Model,
) -> Result<Metrics, Box<dyn std::error::Error>> {
    // Only the estimator counts for predicting; the rest comes from the model fitted to all.
    let model = Model::new(Parts { estimator, golden: Vec::new(), ..model.parts().clone() })?;
    let truth: Vec<f64> = rows.iter().map(|row| table.target[*row]).collect();
    let prediction = predict(&model, table, rows).map_err(|error| match error {
        Unpredicted::Columns(source) => Box::<dyn std::error::Error>::from(source),
        Unpredicted::Row(_, source) => source.into(),
    })?;
    Ok(Metrics::of(Scored { truth: &truth, prediction: &prediction })?)
}

fn spread(values: &[f64]) -> Option<Spread> {
    let profile = mlci_model::Profile::of(values)?;
    Some(Spread { mean: profile.mean, standard_deviation: profile.standard_deviation })
}
