mod classification;
mod groups;
mod metric;
mod ranked;
mod statistics;
mod weighed;

use linfa::prelude::SingleTargetRegression as _;
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

pub use self::{
    classification::{CalibrationBin, Classification, Confusion, calibration, confusion},
    metric::Metric,
};
use self::{
    ranked::Ranked,
    statistics::{errors, mape, median, r2},
};
pub(crate) use self::{statistics::rank, weighed::Weighed};

/// What was true and what was predicted, row by row. The fields are named so that they cannot be swapped.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// The target.
    pub truth: &'a [f64],
    /// What the model said, in the same order.
    pub prediction: &'a [f64],
}

/// Values beyond this would overflow when they are squared and summed.
const LIMIT: f64 = 1e145;

impl Scored<'_> {
    fn check(&self) -> Result<(), ScoreError> {
        let (rows, predictions) = (self.truth.len(), self.prediction.len());
        if rows != predictions {
            return Err(ScoreError::Shape { rows, predictions });
        }
        if rows == 0 {
            return Err(ScoreError::NoRows);
        }
        // Written so that NaN is refused too.
        let unusable = |pair: &(&f64, &f64)| !(pair.0.abs() <= LIMIT && pair.1.abs() <= LIMIT);
        match self.truth.iter().zip(self.prediction).enumerate().find(|(_, pair)| unusable(pair)) {
            Some((row, (&truth, &prediction))) => Err(ScoreError::Unusable { row, truth, prediction }),
            None => Ok(()),
        }
    }
}

/// Truths and predictions that cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// There is nothing to compare.
    #[error("there are no rows to evaluate")]
    NoRows,
    /// The two have different lengths.
    #[error("{rows} rows have {predictions} predictions")]
    Shape {
        /// How many truths there are.
        rows: usize,
        /// How many predictions.
        predictions: usize,
    },
    /// A truth is no class, or a prediction no probability.
    #[error("row {row}: a truth of {truth} is not 0 or 1, or a prediction of {prediction} is no probability")]
    NoClass {
        /// Which row, from 0.
        row: usize,
        /// Its truth.
        truth: f64,
        /// Its prediction.
        prediction: f64,
    },
    /// A value is not finite, or so large that its square would not be.
    #[error("row {row}: a truth of {truth} and a prediction of {prediction} have no finite squared error")]
    Unusable {
        /// Which row, from 0.
        row: usize,
        /// Its truth.
        truth: f64,
        /// Its prediction.
        prediction: f64,
    },
}

impl ScoreError {
    /// The row at fault, from 0 among those that were compared, where it is one.
    #[must_use]
    pub const fn row(&self) -> Option<usize> {
        match self {
            Self::NoClass { row, .. } | Self::Unusable { row, .. } => Some(*row),
            Self::NoRows | Self::Shape { .. } => None,
        }
    }
}

/// How well predictions fit the truth. All numbers are finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// How many rows were compared.
    pub rows: usize,
    /// Root mean squared error, in units of the target.
    pub rmse: f64,
    /// Mean absolute error, in units of the target.
    pub mae: f64,
    /// Median absolute error, in units of the target; of an even number of rows, the mean of the middle two.
    pub median_ae: f64,
    /// Coefficient of determination, `1 - Σ(truth - prediction)² / Σ(truth - mean truth)²`; `None` where the truth is
    /// constant.
    pub r2: Option<f64>,
    /// Mean absolute percentage error, as a share: the mean of `|truth - prediction| / |truth|` over the rows whose
    /// truth is not 0; `None` where all are. Small truths outweigh all others, and predictions that are too high cost
    /// more than those too low (Hyndman & Koehler, *Int. J. Forecasting* 22, 2006): for targets far from 0 only.
    #[serde(default)]
    pub mape: Option<f64>,
    /// How many rows that leaves out.
    #[serde(default)]
    pub mape_left_out: usize,
    /// The share of rows whose truth lies within the model's prediction interval, if it has one.
    #[serde(default)]
    pub coverage: Option<f64>,
    /// How well a classifier tells its classes apart. The errors above are those of its probabilities then.
    #[serde(default)]
    pub classification: Option<Classification>,
}

impl Metrics {
    /// Compares predictions with the truth.
    ///
    /// RMSE and MAE are linfa's. The median is not, since linfa sorts for it; nor is R²: linfa adds 1e-10 to the
    /// denominator, which is not the definition and hides a constant truth.
    ///
    /// # Errors
    /// [`ScoreError`] where there is nothing to compare, or a number is not finite.
    pub fn of(scored: Scored<'_>) -> Result<Self, ScoreError> {
        scored.check()?;
        let truth = ArrayView1::from(scored.truth);
        let prediction = ArrayView1::from(scored.prediction);
        // linfa refuses no rows only, which `check` has done.
        let no_rows = |_| ScoreError::NoRows;
        let errors = errors(scored);
        Ok(Self {
            rows: scored.truth.len(),
            rmse: prediction.mean_squared_error(&truth).map_err(no_rows)?.sqrt(),
            mae: prediction.mean_absolute_error(&truth).map_err(no_rows)?,
            mape: mape(scored.truth, &errors, &vec![1; errors.len()]),
            r2: r2(scored.truth, &errors, &vec![1; errors.len()]),
            median_ae: median(errors).ok_or(ScoreError::NoRows)?,
            mape_left_out: scored.truth.iter().filter(|truth| **truth == 0.0).count(),
            coverage: None,
            classification: None,
        })
    }

    /// The same of a regression whose predictions come with an interval of this half width.
    ///
    /// # Errors
    /// As [`Metrics::of`].
    pub fn within(scored: Scored<'_>, half_width: f64) -> Result<Self, ScoreError> {
        let metrics = Self::of(scored)?;
        let within = errors(scored).iter().filter(|error| **error <= half_width).count();
        Ok(Self { coverage: Some(within as f64 / metrics.rows as f64), ..metrics })
    }

    /// Compares probabilities of class 1 with the class, 0 or 1; what is said to be class 1 has a probability of at
    /// least `threshold`.
    ///
    /// # Errors
    /// [`ScoreError`] where there is nothing to compare, a truth is no class or a prediction no probability.
    pub fn of_classes(scored: Scored<'_>, threshold: f64) -> Result<Self, ScoreError> {
        let ranked = Ranked::new(scored, threshold, &[])?;
        let ones = vec![1; scored.truth.len()];
        Ok(Self { classification: Some(Classification::of(&ranked, &ones)), ..Self::of(scored)? })
    }

    /// Whether they are those of a classifier.
    #[must_use]
    pub const fn is_classification(&self) -> bool {
        self.classification.is_some()
    }

    /// Those that say something about this kind of model, the most telling first.
    #[must_use]
    pub const fn telling(&self) -> &'static [Metric] {
        if self.is_classification() { &Metric::CLASSIFICATION } else { &Metric::REGRESSION }
    }

    /// The metric asked for; `None` where it is undefined, or one of another kind of model.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        let value = match (&self.classification, metric) {
            (Some(classification), metric) => classification.get(metric),
            (None, Metric::Rmse) => Some(self.rmse),
            (None, Metric::Mae) => Some(self.mae),
            (None, Metric::MedianAe) => Some(self.median_ae),
            (None, Metric::R2) => self.r2,
            (None, Metric::Mape) => self.mape,
            (None, Metric::Coverage) => self.coverage,
            (None, _) => None,
        };
        value.filter(|value| value.is_finite())
    }
}

#[cfg(test)]
mod tests;
