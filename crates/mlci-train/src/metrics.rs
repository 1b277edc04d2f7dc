use std::fmt;

use linfa::prelude::SingleTargetRegression as _;
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use self::groups::Groups;
use crate::bootstrap::Units;

mod groups;

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
            r2: r2(scored.truth, &errors, &vec![1; errors.len()]),
            median_ae: median(errors).ok_or(ScoreError::NoRows)?,
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

/// Rows prepared for the bootstrap: the metrics of a resample, given how often it holds each of [`Units`].
pub(crate) struct Weighed<'a> {
    truth: &'a [f64],
    /// Absolute errors, row by row.
    errors: &'a [f64],
    by: By<'a>,
}

enum By<'a> {
    /// Row numbers in ascending order of their error.
    Rows(Vec<usize>),
    Groups(Groups<'a>),
}

/// Absolute errors, row by row; what [`Weighed`] borrows.
pub(crate) fn errors(scored: Scored<'_>) -> Vec<f64> {
    scored.truth.iter().zip(scored.prediction).map(|(truth, prediction)| (truth - prediction).abs()).collect()
}

impl<'a> Weighed<'a> {
    /// `errors` are those of [`errors`].
    pub(crate) fn new(scored: Scored<'a>, errors: &'a [f64]) -> Result<Self, ScoreError> {
        scored.check()?;
        let truth = scored.truth;
        let by = match Units::of(errors.len()) {
            Units::Rows(rows) => {
                let mut order: Vec<usize> = (0..rows).collect();
                order.sort_by(|a, b| errors[*a].total_cmp(&errors[*b]));
                By::Rows(order)
            }
            units @ Units::Groups { count, .. } => By::Groups(Groups::new(truth, errors, units.of_rows(), count)),
        };
        Ok(Self { truth, errors, by })
    }

    /// The metric of the units, each taken `counts[unit]` times. `counts` has one entry a unit.
    pub(crate) fn metric(&self, metric: Metric, counts: &[u32]) -> Option<f64> {
        match (&self.by, metric) {
            (By::Rows(_), Metric::Rmse) => Some((sum_of_squares(self.errors, counts) / size(counts)).sqrt()),
            (By::Rows(_), Metric::Mae) => Some(weigh(self.errors, counts, |error| error) / size(counts)),
            (By::Rows(order), Metric::MedianAe) => {
                let ordered = order.iter().map(|row| (self.errors[*row], u64::from(counts[*row])));
                weighted_median(counts.iter().map(|count| u64::from(*count)).sum(), 0, ordered)
            }
            (By::Rows(_), Metric::R2) => r2(self.truth, self.errors, counts),
            (By::Groups(groups), Metric::Rmse) => Some(groups.rmse(counts)),
            (By::Groups(groups), Metric::Mae) => Some(groups.mae(counts)),
            (By::Groups(groups), Metric::MedianAe) => groups.median(counts),
            (By::Groups(groups), Metric::R2) => Some(groups.r2(counts)),
        }
        .filter(|value| value.is_finite())
    }
}

fn sum_of_squares(errors: &[f64], counts: &[u32]) -> f64 {
    weigh(errors, counts, |error| error * error)
}

fn r2(truth: &[f64], errors: &[f64], counts: &[u32]) -> Option<f64> {
    let mut taken = truth.iter().zip(counts).filter(|(_, count)| **count > 0).map(|(truth, _)| *truth);
    let first = taken.next()?;
    // Compared rather than summed: the mean of equal numbers can differ from them by rounding.
    if taken.all(|truth| truth == first) {
        return None;
    }
    let mean = weigh(truth, counts, |truth| truth) / size(counts);
    let total = weigh(truth, counts, |truth| (truth - mean) * (truth - mean));
    Some(1.0 - sum_of_squares(errors, counts) / total).filter(|r2| r2.is_finite())
}

/// The median, of an even number the mean of the middle two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    let (below, upper, _) = values.select_nth_unstable_by(high, f64::total_cmp);
    let lower = if low == high { None } else { below.iter().copied().reduce(f64::max) };
    Some(lower.map_or(*upper, |lower| f64::midpoint(lower, *upper)))
}

/// The median of values in ascending order, each with how often it is there, where `below` come before them and all
/// together are `size`. None where it is not among these.
fn weighted_median(size: u64, mut below: u64, ordered: impl Iterator<Item = (f64, u64)>) -> Option<f64> {
    // Ranks, from 0, of the middle one or two.
    let (low, high) = (size.checked_sub(1)? / 2, size / 2);
    if below > low {
        return None;
    }
    let mut lower = None;
    for (value, times) in ordered {
        below += times;
        if lower.is_none() && below > low {
            lower = Some(value);
        }
        if below > high {
            return lower.map(|lower| f64::midpoint(lower, value));
        }
    }
    None
}

fn size(counts: &[u32]) -> f64 {
    counts.iter().map(|count| u64::from(*count)).sum::<u64>() as f64
}

fn weigh(values: &[f64], counts: &[u32], of: impl Fn(f64) -> f64) -> f64 {
    values.iter().zip(counts).map(|(value, count)| f64::from(*count) * of(*value)).sum()
}

#[cfg(test)]
mod tests;
