mod classification;

use std::fmt;

use linfa::prelude::SingleTargetRegression as _;
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

mod groups;

pub use self::classification::{CalibrationBin, Classification, Confusion, calibration, confusion};
use self::{classification::Ranked, groups::Groups};
use crate::bootstrap::Units;

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
        let ranked = Ranked::new(scored, threshold)?;
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
    /// Mean absolute percentage error, as a share.
    Mape,
    /// Share of rows within the prediction interval.
    Coverage,
    /// Mean negative log likelihood of the classes.
    LogLoss,
    /// Area under the receiver operating characteristic.
    RocAuc,
    /// Area under the precision-recall curve: average precision.
    PrAuc,
    /// Mean squared error of the probabilities.
    Brier,
    /// Expected calibration error.
    CalibrationError,
    /// Share of rows whose class is said rightly, at the threshold.
    Accuracy,
    /// Share of those said to be class 1 that are.
    Precision,
    /// Share of those of class 1 that are said to be.
    Recall,
    /// Harmonic mean of precision and recall.
    F1,
}

impl Metric {
    /// Those of a regression.
    pub const REGRESSION: [Self; 6] = [Self::Rmse, Self::Mae, Self::MedianAe, Self::R2, Self::Mape, Self::Coverage];

    /// Those of a classifier.
    pub const CLASSIFICATION: [Self; 9] = [
        Self::LogLoss,
        Self::RocAuc,
        Self::PrAuc,
        Self::Brier,
        Self::CalibrationError,
        Self::Accuracy,
        Self::Precision,
        Self::Recall,
        Self::F1,
    ];

    /// All of them.
    pub const ALL: [Self; 15] = {
        let [a, b, c, d, e, f] = Self::REGRESSION;
        let [g, h, i, j, k, l, m, n, o] = Self::CLASSIFICATION;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o]
    };

    /// Whether it is one of a classifier.
    #[must_use]
    pub fn is_of_classes(self) -> bool {
        Self::CLASSIFICATION.contains(&self)
    }

    /// Whether a smaller value is better.
    #[must_use]
    pub const fn lower_is_better(self) -> bool {
        match self {
            Self::Rmse
            | Self::Mae
            | Self::MedianAe
            | Self::Mape
            | Self::LogLoss
            | Self::Brier
            | Self::CalibrationError => true,
            Self::R2
            | Self::Coverage
            | Self::RocAuc
            | Self::PrAuc
            | Self::Accuracy
            | Self::Precision
            | Self::Recall
            | Self::F1 => false,
        }
    }

    /// Whether its value is in units of the target.
    #[must_use]
    pub const fn has_unit(self) -> bool {
        matches!(self, Self::Rmse | Self::Mae | Self::MedianAe)
    }

    /// The name as the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::MedianAe => "median_ae",
            Self::R2 => "r2",
            Self::Mape => "mape",
            Self::Coverage => "coverage",
            Self::LogLoss => "log_loss",
            Self::RocAuc => "roc_auc",
            Self::PrAuc => "pr_auc",
            Self::Brier => "brier",
            Self::CalibrationError => "calibration_error",
            Self::Accuracy => "accuracy",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
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
    errors: Vec<f64>,
    by: By,
    /// Half the width of the predictions' interval, if they have one.
    half_width: Option<f64>,
}

enum By {
    /// Row numbers in ascending order of their error.
    Rows(Vec<usize>),
    Groups(Groups),
    /// With the group of each row, if groups are drawn.
    Classes(Ranked, Vec<u16>),
}

/// Absolute errors, row by row.
fn errors(scored: Scored<'_>) -> Vec<f64> {
    scored.truth.iter().zip(scored.prediction).map(|(truth, prediction)| (truth - prediction).abs()).collect()
}

impl<'a> Weighed<'a> {
    /// Predictions of numbers, with an interval or without.
    pub(crate) fn new(scored: Scored<'a>, half_width: Option<f64>) -> Result<Self, ScoreError> {
        scored.check()?;
        let (truth, errors) = (scored.truth, errors(scored));
        let by = match Units::of(errors.len()) {
            Units::Rows(rows) => {
                let mut order: Vec<usize> = (0..rows).collect();
                order.sort_by(|a, b| errors[*a].total_cmp(&errors[*b]));
                By::Rows(order)
            }
            units @ Units::Groups { count, .. } => {
                By::Groups(Groups::new(truth, &errors, units.of_rows(), count, half_width))
            }
        };
        Ok(Self { truth, errors, by, half_width })
    }

    /// Probabilities of class 1, which are said to be class 1 from this threshold on.
    pub(crate) fn of_classes(scored: Scored<'a>, threshold: f64) -> Result<Self, ScoreError> {
        let by = By::Classes(Ranked::new(scored, threshold)?, Units::of(scored.truth.len()).of_rows());
        Ok(Self { truth: scored.truth, errors: Vec::new(), by, half_width: None })
    }

    /// The metric of the units, each taken `counts[unit]` times. `counts` has one entry a unit.
    pub(crate) fn metric(&self, metric: Metric, counts: &[u32]) -> Option<f64> {
        let errors = &self.errors;
        match (&self.by, metric) {
            (By::Classes(ranked, groups), metric) if groups.is_empty() => ranked.metric(metric, counts),
            (By::Classes(ranked, groups), metric) => {
                let counts: Vec<u32> = groups.iter().map(|group| counts[usize::from(*group)]).collect();
                ranked.metric(metric, &counts)
            }
            (By::Rows(_), Metric::Rmse) => Some((sum_of_squares(errors, counts) / size(counts)).sqrt()),
            (By::Rows(_), Metric::Mae) => Some(weigh(errors, counts, |error| error) / size(counts)),
            (By::Rows(order), Metric::MedianAe) => {
                let ordered = order.iter().map(|row| (errors[*row], u64::from(counts[*row])));
                weighted_median(counts.iter().map(|count| u64::from(*count)).sum(), 0, ordered)
            }
            (By::Rows(_), Metric::R2) => r2(self.truth, errors, counts),
            (By::Rows(_), Metric::Mape) => mape(self.truth, errors, counts),
            (By::Rows(_), Metric::Coverage) => self
                .half_width
                .map(|width| weigh(errors, counts, |error| f64::from(u8::from(error <= width))) / size(counts)),
            (By::Groups(groups), Metric::Rmse) => Some(groups.rmse(counts)),
            (By::Groups(groups), Metric::Mae) => Some(groups.mae(counts)),
            (By::Groups(groups), Metric::MedianAe) => groups.median(errors, counts),
            (By::Groups(groups), Metric::R2) => Some(groups.r2(counts)),
            (By::Groups(groups), Metric::Mape) => Some(groups.mape(counts)),
            (By::Groups(groups), Metric::Coverage) => self.half_width.map(|_| groups.coverage(counts)),
            (By::Rows(_) | By::Groups(_), _) => None,
        }
        .filter(|value| value.is_finite())
    }
}

fn mape(truth: &[f64], errors: &[f64], counts: &[u32]) -> Option<f64> {
    let rows = truth.iter().zip(errors).zip(counts).filter(|((truth, _), _)| **truth != 0.0);
    let (sum, size) = rows.fold((0.0, 0_u64), |(sum, size), ((truth, error), count)| {
        (sum + f64::from(*count) * (error / truth.abs()), size + u64::from(*count))
    });
    Some(sum / size as f64).filter(|mape| mape.is_finite())
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

/// The rank of each value, from 1; equal values share the mean of theirs.
pub(crate) fn rank(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for tie in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let shared = below as f64 + (tie.len() + 1) as f64 / 2.0;
        tie.iter().for_each(|row| ranks[*row] = shared);
        below += tie.len();
    }
    ranks
}

#[cfg(test)]
mod tests;
