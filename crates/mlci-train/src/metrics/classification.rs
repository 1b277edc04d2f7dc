//! How well probabilities of two classes fit.

use serde::{Deserialize, Serialize};

use super::{Metric, Scored, ranked::Ranked};

/// How well probabilities of class 1 tell it from class 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Mean negative log likelihood, `-mean ln p(class)`. Probabilities are taken to lie between 1e-15 and 1 - 1e-15, so
    /// that one certain and wrong prediction costs 34.5 and not infinity.
    pub log_loss: f64,
    /// The probability that a row of class 1 has a higher prediction than one of class 0, ties counting a half (Mann &
    /// Whitney, *Ann. Math. Statist.* 18, 1947); `None` where there is one class only.
    pub roc_auc: Option<f64>,
    /// Average precision: the mean over the rows of class 1 of the precision at their prediction, without
    /// interpolation, as scikit-learn's; `None` where there is none. A model that knows nothing has the share of class 1.
    pub pr_auc: Option<f64>,
    /// Mean squared error of the probabilities (Brier, *Monthly Weather Review* 78, 1950).
    pub brier: f64,
    /// Expected calibration error: over ten bins of equal width, the mean of `|share of class 1 - mean probability|`,
    /// weighed by their rows (Naeini, Cooper & Hauskrecht, AAAI 2015). A perfect model of few rows is above 0.
    pub calibration_error: f64,
    /// From which probability on a row is said to be of class 1.
    pub threshold: f64,
    /// What is said beside what is true.
    pub confusion: Confusion,
}

/// How many rows of each class are said to be of each, at a threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Of class 1 and said to be.
    pub true_positives: u64,
    /// Of class 0 and said to be of class 1.
    pub false_positives: u64,
    /// Of class 1 and said to be of class 0.
    pub false_negatives: u64,
    /// Of class 0 and said to be.
    pub true_negatives: u64,
}

/// Rows of similar predictions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// The lowest probability that belongs to it; the highest is the next one's lowest.
    pub from: f64,
    /// How many rows there are.
    pub rows: u64,
    /// The mean of their probabilities.
    pub predicted: f64,
    /// The share of them that are of class 1.
    pub observed: f64,
}

pub(super) const BINS: usize = 10;

pub(super) fn bin(prediction: f64) -> usize {
    ((prediction * BINS as f64) as usize).min(BINS - 1)
}

/// What is said at a threshold beside what is true.
#[must_use]
pub fn confusion(scored: Scored<'_>, threshold: f64) -> Confusion {
    let mut confusion = Confusion::default();
    for (truth, prediction) in scored.truth.iter().zip(scored.prediction) {
        confusion.add(*truth == 1.0, *prediction >= threshold, 1);
    }
    confusion
}

/// The ten bins of equal width that have rows.
#[must_use]
pub fn calibration(scored: Scored<'_>) -> Vec<CalibrationBin> {
    let mut sums = [(0_u64, 0.0, 0.0); BINS];
    for (truth, prediction) in scored.truth.iter().zip(scored.prediction) {
        let (rows, predicted, observed) = &mut sums[bin(*prediction)];
        *rows += 1;
        *predicted += prediction;
        *observed += truth;
    }
    let bins = sums.into_iter().enumerate().filter(|(_, (rows, _, _))| *rows > 0);
    bins.map(|(number, (rows, predicted, observed))| CalibrationBin {
        from: number as f64 / BINS as f64,
        rows,
        predicted: predicted / rows as f64,
        observed: observed / rows as f64,
    })
    .collect()
}

impl Confusion {
    fn add(&mut self, is_one: bool, said_one: bool, rows: u64) {
        let place = match (is_one, said_one) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (true, false) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        };
        *place += rows;
    }

    /// The share of rows whose class is said rightly.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positives + self.true_negatives;
        share(right, right + self.false_positives + self.false_negatives)
    }

    /// The share of those said to be of class 1 that are; `None` where there are none.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// The share of those of class 1 that are said to be; `None` where there are none.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// The harmonic mean of precision and recall; `None` where no row is of class 1, nor said to be.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Classification {
    pub(super) fn of(ranked: &Ranked, counts: &[u32]) -> Self {
        // There is a row, so that means are defined.
        Self {
            log_loss: ranked.mean(&ranked.losses, counts),
            roc_auc: ranked.roc_auc(counts),
            pr_auc: ranked.pr_auc(counts),
            brier: ranked.mean(&ranked.squares, counts),
            calibration_error: ranked.calibration_error(counts),
            threshold: ranked.threshold,
            confusion: ranked.confusion(counts),
        }
    }

    pub(super) fn get(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::LogLoss => Some(self.log_loss),
            Metric::RocAuc => self.roc_auc,
            Metric::PrAuc => self.pr_auc,
            Metric::Brier => Some(self.brier),
            Metric::CalibrationError => Some(self.calibration_error),
            Metric::Accuracy => self.confusion.accuracy(),
            Metric::Precision => self.confusion.precision(),
            Metric::Recall => self.confusion.recall(),
            Metric::F1 => self.confusion.f1(),
            _ => None,
        }
    }
}
