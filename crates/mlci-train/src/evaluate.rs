use std::collections::BTreeMap;

use mlci_model::{Kind, Model, PredictError};
use serde::{Deserialize, Serialize};

use crate::{
    Interval, Metric, Metrics, MissingColumns, RowPlace, ScoreError, Scored, Table,
    bootstrap::{percentiles, resample},
    classes::{self, ClassError},
    metrics::Weighed,
    read::parallel,
    table::RowNumbers,
};

/// How a model does on some rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The metrics over all rows.
    pub metrics: Metrics,
    /// For each metric its 95 % percentile interval over 1,000 bootstrap resamples of the rows, or, of more than
    /// 10,000 rows, of 1,000 random groups of them. A metric that is undefined in a resample has none.
    pub intervals: BTreeMap<Metric, Interval>,
    /// What a model that knows no feature would always say: the mean of the target (of classes, the share of class 1) in
    /// training, as [`EvaluateOptions::baseline`] states it.
    pub baseline: f64,
    /// The target, row by row.
    pub truth: Vec<f64>,
    /// The predictions, in the same order.
    pub prediction: Vec<f64>,
    /// The lines of the data that the rows begin on, in the same order.
    pub lines: Vec<u64>,
    /// Half the width of the prediction interval, in units of the target, if the model has one.
    #[serde(default)]
    pub half_width: Option<f64>,
}

/// How to evaluate a model.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluateOptions {
    /// Decides the resamples of the intervals. Default 0.
    pub seed: u64,
    /// From which probability on a row is said to be of class 1. Default 0.5.
    pub threshold: f64,
    /// The class that is class 1: with the model's other class, probabilities are taken from 1, so that a model can be
    /// compared with one that predicts that class. Nothing to models of numbers. Default: the model's own.
    pub positive: Option<String>,
    /// Half the width of the prediction interval, in units of the target, if there is one. Default none.
    pub half_width: Option<f64>,
    /// What a model that knows no feature would always say. Default: the model's mean prediction in training, which is
    /// the mean of the target unless the model is off on average; the model alone does not know that.
    pub baseline: Option<f64>,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self { seed: 0, threshold: 0.5, positive: None, half_width: None, baseline: None }
    }
}

impl Evaluation {
    /// Truth and prediction.
    #[must_use]
    pub fn scored(&self) -> Scored<'_> {
        Scored { truth: &self.truth, prediction: &self.prediction }
    }

    /// Prepared for resamples.
    pub(crate) fn weighed(&self) -> Result<Weighed<'_>, ScoreError> {
        weighed(self.scored(), self.metrics.classification.map(|classes| classes.threshold), self.half_width)
    }
}

/// Of classes where there is a threshold.
pub(crate) fn weighed(
    scored: Scored<'_>,
    threshold: Option<f64>,
    half_width: Option<f64>,
) -> Result<Weighed<'_>, ScoreError> {
    match threshold {
        Some(threshold) => Weighed::of_classes(scored, threshold),
        None => Weighed::new(scored, half_width),
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
    /// The rows are not of the classes that the model tells apart.
    #[error("the rows are not of the classes that `{model}` tells apart")]
    Classes {
        /// The model.
        model: String,
        /// What is wrong.
        source: ClassError,
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
    #[error("`{model}` cannot predict {}", at.map_or_else(|| "the data".to_owned(), |at| at.to_string()))]
    Predict {
        /// The model.
        model: String,
        /// The row; `None` if the rows as a whole are at fault.
        at: Option<RowPlace>,
        /// Why.
        source: PredictError,
    },
    /// The predictions cannot be compared with the truth.
    #[error("the predictions of `{model}` cannot be compared with `{target}`{}", of_row(*at))]
    Score {
        /// The model.
        model: String,
        /// The target.
        target: String,
        /// The row; `None` if the rows as a whole are at fault.
        at: Option<RowPlace>,
        /// Why.
        source: ScoreError,
    },
}

/// Where it is, behind what is wrong.
pub(crate) fn of_row(at: Option<RowPlace>) -> String {
    at.map_or_else(String::new, |at| format!(": {at}"))
}

const RESAMPLES: usize = 1000;
const CONFIDENCE: f64 = 0.95;

/// Evaluates any model on rows of a table: the one just trained, or the champion on the same rows. `seed` decides the
/// resamples of the intervals.
///
/// # Errors
/// As [`evaluate_with`].
pub fn evaluate(model: &Model, table: &Table, rows: &[usize], seed: u64) -> Result<Evaluation, EvaluateError> {
    evaluate_with(model, table, rows, &EvaluateOptions { seed, ..EvaluateOptions::default() })
}

/// As [`evaluate`], with all options. The truth of a classifier is 1 where the row is of its class 1, or of
/// [`EvaluateOptions::positive`], whatever the order of the classes in the table.
///
/// Bootstrap percentile intervals: Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, §13.3. Groups: Wolter,
/// *Introduction to Variance Estimation*, 2nd ed., 2007, ch. 2.
///
/// # Errors
/// [`EvaluateError`] where the model wants other columns or classes, or a row cannot be predicted.
pub fn evaluate_with(
    model: &Model,
    table: &Table,
    rows: &[usize],
    options: &EvaluateOptions,
) -> Result<Evaluation, EvaluateError> {
    let name = || model.name().to_string();
    let target = &model.schema().target;
    if target.name != table.schema().target.name {
        let (predicts, target) = (target.name.clone(), table.schema().target.name.clone());
        return Err(EvaluateError::Target { model: name(), predicts, target });
    }
    let (mut truth, mut lines) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for &row in rows {
        let (Some(value), Some(line)) = (table.target().get(row).copied(), table.line(row)) else {
            return Err(EvaluateError::Row { row, rows: table.rows() });
        };
        truth.push(value);
        lines.push(line);
    }
    let numbers = RowNumbers { numbers: &lines, ..table.row_numbers() };
    classes::renumber(&mut truth, &table.schema().target, target, numbers)
        .map_err(|source| EvaluateError::Classes { model: name(), source })?;
    let mut prediction = predict(model, table, rows).map_err(|error| match error {
        Unpredicted::Columns(source) => EvaluateError::Columns { model: name(), source },
        Unpredicted::Row(mut source) => {
            let at = numbers.of_error(&mut source);
            EvaluateError::Predict { model: name(), at, source }
        }
    })?;
    let mut own_mean = model.parts().prediction_profile.mean;
    let is_reversed = classes::is_reversed(target, options.positive.as_deref())
        .map_err(|source| EvaluateError::Classes { model: name(), source })?;
    if is_reversed {
        let of_class = truth.iter_mut().chain(&mut prediction).chain([&mut own_mean]);
        of_class.for_each(|share| *share = 1.0 - *share);
    }
    let baseline = options.baseline.unwrap_or(own_mean);
    let scored = Scored { truth: &truth, prediction: &prediction };
    let at = |source| {
        let (target, at) = (target.name.clone(), numbers.of_score(&source));
        EvaluateError::Score { model: name(), target, at, source }
    };
    let threshold = (target.kind == Kind::Category).then_some(options.threshold);
    let half_width = options.half_width.filter(|_| threshold.is_none());
    let metrics = match (threshold, half_width) {
        (Some(threshold), _) => Metrics::of_classes(scored, threshold),
        (None, Some(half_width)) => Metrics::within(scored, half_width),
        (None, None) => Metrics::of(scored),
    };
    let metrics = metrics.map_err(at)?;
    let weighed = weighed(scored, threshold, half_width).map_err(at)?;
    let intervals = intervals(&weighed, metrics.telling(), rows.len(), options.seed);
    Ok(Evaluation { metrics, intervals, baseline, truth, prediction, lines, half_width })
}

/// Why some rows cannot be predicted; a row is given by its place among them.
pub(crate) enum Unpredicted {
    Columns(MissingColumns),
    Row(PredictError),
}

/// Predicts rows of a table, some at a time, so that they need not be copied all at once, and on all processors.
pub(crate) fn predict(model: &Model, table: &Table, rows: &[usize]) -> Result<Vec<f64>, Unpredicted> {
    const PIECE: usize = 4096;
    let mut prediction = Vec::with_capacity(rows.len());
    let mut pieces = rows.chunks(PIECE);
    // One piece of no rows tells of columns that are not there.
    let first = pieces.next().unwrap_or_default();
    let mut pieces = std::iter::once(first).chain(pieces).enumerate();
    parallel::in_order(
        || Ok(pieces.next()),
        |(number, piece)| {
            let values = table.values_for(model.schema(), piece).map_err(Unpredicted::Columns)?;
            model.predict(&values).map_err(|mut error| {
                if let Some(row) = error.row_mut() {
                    *row += number * PIECE;
                }
                Unpredicted::Row(error)
            })
        },
        |predicted| prediction.extend(predicted),
    )?;
    Ok(prediction)
}

fn intervals(weighed: &Weighed<'_>, metrics: &[Metric], rows: usize, seed: u64) -> BTreeMap<Metric, Interval> {
    let mut samples = vec![Vec::with_capacity(RESAMPLES); metrics.len()];
    resample(rows, RESAMPLES, seed, |counts| {
        for (sample, metric) in samples.iter_mut().zip(metrics) {
            sample.push(weighed.metric(*metric, counts).unwrap_or(f64::NAN));
        }
    });
    let named = metrics.iter().copied().zip(samples);
    named.filter_map(|(metric, sample)| Some((metric, percentiles(sample, CONFIDENCE)?))).collect()
}
