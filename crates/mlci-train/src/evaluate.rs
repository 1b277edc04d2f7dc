use std::collections::BTreeMap;

use mlci_model::{Model, PredictError};
use serde::{Deserialize, Serialize};

use crate::{
    Interval, Metric, Metrics, MissingColumns, ScoreError, Scored, Table,
    bootstrap::{percentiles, resample},
    metrics::{Weighed, errors},
};

/// How a model does on some rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The metrics over all rows.
    pub metrics: Metrics,
    /// For each metric its 95 % percentile interval over 1,000 bootstrap resamples of the rows, or, of more than
    /// 10,000 rows, of 1,000 random groups of them. A metric that is undefined in a resample has none.
    pub intervals: BTreeMap<Metric, Interval>,
    /// What a model that knows no feature would always say: the mean prediction in training, which for least squares
    /// is the mean of the target in training.
    pub baseline: f64,
    /// The target, row by row.
    pub truth: Vec<f64>,
    /// The predictions, in the same order.
    pub prediction: Vec<f64>,
    /// The lines of the data that the rows begin on, in the same order.
    pub lines: Vec<u64>,
}

impl Evaluation {
    /// Truth and prediction.
    #[must_use]
    pub fn scored(&self) -> Scored<'_> {
        Scored { truth: &self.truth, prediction: &self.prediction }
    }
}

/// A model that cannot be evaluated on a table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The table lacks columns that the model needs.
    #[error("`{model}` cannot be evaluated on this data")]
    Columns {
        /// The model.
        model: String,
        /// Which ones.
        source: MissingColumns,
    },
    /// The model predicts something else.
    #[error("`{model}` predicts `{predicts}`, and the target of the data is `{target}`")]
    Target {
        /// The model.
        model: String,
        /// What it predicts.
        predicts: String,
        /// The target of the table.
        target: String,
    },
    /// A row does not exist.
    #[error("row {row} is not in the table, which has {rows} rows")]
    Row {
        /// The row, from 0.
        row: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// A row cannot be predicted.
    #[error("`{model}` cannot predict line {line} of the data")]
    Predict {
        /// The model.
        model: String,
        /// The line that the row begins on; 0 if the rows as a whole are at fault.
        line: u64,
        /// Why.
        source: PredictError,
    },
    /// The predictions cannot be compared with the truth.
    #[error("the predictions of `{model}` cannot be compared with the target")]
    Score {
        /// The model.
        model: String,
        /// Why.
        source: ScoreError,
    },
}

const RESAMPLES: usize = 1000;
const CONFIDENCE: f64 = 0.95;

/// Evaluates any model on rows of a table: the one just trained, or the champion on the same rows. `seed` decides the
/// resamples of the intervals.
///
/// Bootstrap percentile intervals: Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, §13.3. Groups: Wolter,
/// *Introduction to Variance Estimation*, 2nd ed., 2007, ch. 2.
///
/// # Errors
/// [`EvaluateError`] where the model wants other columns, or a row cannot be predicted.
pub fn evaluate(model: &Model, table: &Table, rows: &[usize], seed: u64) -> Result<Evaluation, EvaluateError> {
    let name = || model.name().to_string();
    let (predicts, target) = (&model.schema().target.name, &table.schema().target.name);
    if predicts != target {
        return Err(EvaluateError::Target { model: name(), predicts: predicts.clone(), target: target.clone() });
    }
    let (mut truth, mut lines) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for &row in rows {
        let (Some(value), Some(line)) = (table.target().get(row).copied(), table.line(row)) else {
            return Err(EvaluateError::Row { row, rows: table.rows() });
        };
        truth.push(value);
        lines.push(line);
    }
    let prediction = predict(model, table, rows).map_err(|error| match error {
        Unpredicted::Columns(source) => EvaluateError::Columns { model: name(), source },
        Unpredicted::Row(row, source) => {
            let line = row.and_then(|row| lines.get(row).copied()).unwrap_or_default();
            EvaluateError::Predict { model: name(), line, source }
        }
    })?;
    let scored = Scored { truth: &truth, prediction: &prediction };
    let at = |source| EvaluateError::Score { model: name(), source };
    let metrics = Metrics::of(scored).map_err(at)?;
    let intervals = intervals(&Weighed::new(scored, &errors(scored)).map_err(at)?, rows.len(), seed);
    Ok(Evaluation { metrics, intervals, baseline: model.parts().prediction_profile.mean, truth, prediction, lines })
}

/// Why some rows cannot be predicted; a row is given by its place among them.
pub(crate) enum Unpredicted {
    Columns(MissingColumns),
    Row(Option<usize>, PredictError),
}

/// Predicts rows of a table, some at a time, so that they need not be copied all at once.
pub(crate) fn predict(model: &Model, table: &Table, rows: &[usize]) -> Result<Vec<f64>, Unpredicted> {
    const PIECE: usize = 4096;
    let mut prediction = Vec::with_capacity(rows.len());
    let mut pieces = rows.chunks(PIECE);
    // One piece of no rows tells of columns that are not there.
    let first = pieces.next().unwrap_or_default();
    for (number, piece) in std::iter::once(first).chain(pieces).enumerate() {
        let values = table.values_for(model.schema(), piece).map_err(Unpredicted::Columns)?;
        prediction.extend(model.predict(&values).map_err(|source| {
            let row = match source {
                PredictError::NotFinite { row, .. } | PredictError::Overflow { row } => Some(number * PIECE + row),
                _ => None,
            };
            Unpredicted::Row(row, source)
        })?);
    }
    Ok(prediction)
}

fn intervals(weighed: &Weighed<'_>, rows: usize, seed: u64) -> BTreeMap<Metric, Interval> {
    let mut samples = Metric::ALL.map(|_| Vec::with_capacity(RESAMPLES));
    resample(rows, RESAMPLES, seed, |counts| {
        for (sample, metric) in samples.iter_mut().zip(Metric::ALL) {
            sample.push(weighed.metric(metric, counts).unwrap_or(f64::NAN));
        }
    });
    let named = Metric::ALL.into_iter().zip(samples);
    named.filter_map(|(metric, sample)| Some((metric, percentiles(sample, CONFIDENCE)?))).collect()
}
