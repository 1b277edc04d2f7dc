use std::fmt;

use linfa::prelude::SingleTargetRegression as _;
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

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
}

impl Metrics {
    /// Compares predictions with the truth.
    ///
    /// RMSE, MAE and the median are linfa's. R² is not: linfa adds 1e-10 to the denominator, which is not the
    /// definition and hides a constant truth.
    ///
    /// # Errors
    /// [`ScoreError`] where there is nothing to compare, or a number is not finite.
    pub fn of(scored: Scored<'_>) -> Result<Self, ScoreError> {
        scored.check()?;
        let truth = ArrayView1::from(scored.truth);
        let prediction = ArrayView1::from(scored.prediction);
        // linfa refuses no rows only, which `check` has done.
        let no_rows = |_| ScoreError::NoRows;
        let weighed = Weighed::new(scored)?;
        Ok(Self {
            rows: scored.truth.len(),
            rmse: prediction.mean_squared_error(&truth).map_err(no_rows)?.sqrt(),
            mae: prediction.mean_absolute_error(&truth).map_err(no_rows)?,
            median_ae: prediction.median_absolute_error(&truth).map_err(no_rows)?,
            r2: weighed.r2(&vec![1; scored.truth.len()]),
        })
    }

    /// The metric asked for; `None` where it is undefined.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Rmse => Some(self.rmse),
            Metric::Mae => Some(self.mae),
            Metric::MedianAe => Some(self.median_ae),
            Metric::R2 => self.r2,
        }
        .filter(|value| value.is_finite())
    }
}

/// One of the [`Metrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Root mean squared error.
    Rmse,
    /// Mean absolute error.
    Mae,
    /// Median absolute error.
    MedianAe,
    /// Coefficient of determination.
    R2,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rmse, Self::Mae, Self::MedianAe, Self::R2];

    /// Whether a smaller value is better.
    #[must_use]
    pub const fn lower_is_better(self) -> bool {
        !matches!(self, Self::R2)
    }

    /// The name as the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::MedianAe => "median_ae",
            Self::R2 => "r2",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Rows prepared for the bootstrap: the metrics of a resample in `O(n)`, given how often it holds each row.
pub(crate) struct Weighed<'a> {
    truth: &'a [f64],
    /// Absolute errors, row by row.
    errors: Vec<f64>,
    /// Row numbers in ascending order of their error.
    order: Vec<usize>,
}

impl<'a> Weighed<'a> {
    pub(crate) fn new(scored: Scored<'a>) -> Result<Self, ScoreError> {
        scored.check()?;
        let errors: Vec<f64> =
            scored.truth.iter().zip(scored.prediction).map(|(truth, prediction)| (truth - prediction).abs()).collect();
        let mut order: Vec<usize> = (0..errors.len()).collect();
        order.sort_by(|a, b| errors[*a].total_cmp(&errors[*b]));
        Ok(Self { truth: scored.truth, errors, order })
    }

    /// The metric of the rows, each taken `counts[row]` times. `counts` has one entry a row.
    pub(crate) fn metric(&self, metric: Metric, counts: &[u32]) -> Option<f64> {
        let size = size(counts);
        match metric {
            Metric::Rmse => Some((self.sum_of_squares(counts) / size).sqrt()),
            Metric::Mae => Some(weigh(&self.errors, counts, |error| error) / size),
            Metric::MedianAe => self.median(counts),
            Metric::R2 => self.r2(counts),
        }
        .filter(|value| value.is_finite())
    }

    fn sum_of_squares(&self, counts: &[u32]) -> f64 {
        weigh(&self.errors, counts, |error| error * error)
    }

    fn r2(&self, counts: &[u32]) -> Option<f64> {
        let mut taken = self.truth.iter().zip(counts).filter(|(_, count)| **count > 0).map(|(truth, _)| *truth);
        let first = taken.next()?;
        // Compared rather than summed: the mean of equal numbers can differ from them by rounding.
        if taken.all(|truth| truth == first) {
            return None;
        }
        let mean = weigh(self.truth, counts, |truth| truth) / size(counts);
        let total = weigh(self.truth, counts, |truth| (truth - mean) * (truth - mean));
        Some(1.0 - self.sum_of_squares(counts) / total).filter(|r2| r2.is_finite())
    }

    fn median(&self, counts: &[u32]) -> Option<f64> {
        let size: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        // Ranks, from 0, of the middle one or two.
        let (low, high) = (size.checked_sub(1)? / 2, size / 2);
        let mut below = 0;
        let mut lower = None;
        for &row in &self.order {
            below += u64::from(counts[row]);
            if lower.is_none() && below > low {
                lower = Some(self.errors[row]);
            }
            if below > high {
                return lower.map(|lower| f64::midpoint(lower, self.errors[row]));
            }
        }
        None
    }
}

fn size(counts: &[u32]) -> f64 {
    counts.iter().map(|count| u64::from(*count)).sum::<u64>() as f64
}

fn weigh(values: &[f64], counts: &[u32], of: impl Fn(f64) -> f64) -> f64 {
    values.iter().zip(counts).map(|(value, count)| f64::from(*count) * of(*value)).sum()
}

#[cfg(test)]
mod tests;
