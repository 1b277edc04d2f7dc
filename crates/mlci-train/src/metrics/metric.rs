use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the [`Metrics`](super::Metrics).
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

    /// What the name stands for, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Rmse => "root mean squared error",
            Self::Mae => "mean absolute error",
            Self::MedianAe => "median absolute error",
            Self::R2 => "share of the variance explained",
            Self::Mape => "mean absolute error as a share of the target, where that is not 0",
            Self::Coverage => "share of rows in the prediction interval, which 90 % should be in",
            Self::LogLoss => "mean negative log likelihood",
            Self::RocAuc => "area under the ROC: 0.5 is chance, 1 is right",
            Self::PrAuc => "average precision",
            Self::Brier => "mean squared error of the probabilities",
            Self::CalibrationError => "how far probabilities are from shares, on average",
            Self::Accuracy => "share said rightly, at the threshold",
            Self::Precision => "share right of those said to be positive",
            Self::Recall => "share found of those that are positive",
            Self::F1 => "harmonic mean of precision and recall",
        }
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
