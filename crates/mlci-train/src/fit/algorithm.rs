use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ElasticNet, Fit, Logistic, Ols, Ridge, Tweedie};

/// `[train] algorithm`: how to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Algorithm {
    /// Ordinary least squares: of rows that pass by [`Moments`](crate::Moments), or [`BlockQr`](crate::BlockQr) where
    /// those do not have the digits; of a matrix in memory [`Ols`].
    #[default]
    Ols,
    /// Least squares with small weights, see [`Ridge`].
    Ridge,
    /// Least squares with few weights, see [`ElasticNet`] with a share of 1.
    Lasso,
    /// Least squares with few and small weights, see [`ElasticNet`].
    ElasticNet,
    /// Counts and rates, see [`Tweedie`] of power 1.
    Poisson,
    /// Amounts above 0, see [`Tweedie`] of power 2.
    Gamma,
    /// Sums of amounts, with exact zeros, see [`Tweedie`].
    Tweedie,
    /// The probability of a class, see [`Logistic`].
    Logistic,
}

/// A key of `[train]` that only some algorithms have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainKey {
    /// `penalty`
    Penalty,
    /// `l1_share`
    L1Share,
    /// `power`
    Power,
    /// `positive`
    Positive,
}

/// What an algorithm leaves to choose; `None` where it has no such choice.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HyperParameters {
    /// How much large weights cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
    /// How much of the penalty is on the absolute values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l1_share: Option<f64>,
    /// The power of the mean that the variance grows with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ols,
        Self::Ridge,
        Self::Lasso,
        Self::ElasticNet,
        Self::Poisson,
        Self::Gamma,
        Self::Tweedie,
        Self::Logistic,
    ];

    /// The algorithm, ready to fit. Where `chosen` lacks a number, there is no penalty, its share is a half, and the
    /// power is 1.5.
    #[must_use]
    pub fn fitter(self, chosen: &HyperParameters) -> Box<dyn Fit> {
        let penalty = chosen.penalty.unwrap_or_default();
        match self {
            Self::Ols => Box::new(Ols),
            Self::Ridge => Box::new(Ridge { penalty }),
            Self::Lasso => Box::new(ElasticNet { penalty, l1_share: 1.0 }),
            Self::ElasticNet => Box::new(ElasticNet { penalty, l1_share: chosen.l1_share.unwrap_or(0.5) }),
            Self::Poisson => Box::new(Tweedie { power: 1.0, penalty }),
            Self::Gamma => Box::new(Tweedie { power: 2.0, penalty }),
            Self::Tweedie => Box::new(Tweedie { power: chosen.power.unwrap_or(1.5), penalty }),
            Self::Logistic => Box::new(Logistic { penalty }),
        }
    }

    /// Whether it predicts the probability of a class.
    #[must_use]
    pub const fn classifies(self) -> bool {
        matches!(self, Self::Logistic)
    }

    /// Whether it makes no sense without a penalty.
    #[must_use]
    pub const fn needs_penalty(self) -> bool {
        matches!(self, Self::Ridge | Self::Lasso | Self::ElasticNet)
    }

    /// Whether a key says something to it.
    #[must_use]
    pub const fn takes(self, key: TrainKey) -> bool {
        match key {
            TrainKey::Penalty => !matches!(self, Self::Ols),
            TrainKey::L1Share => matches!(self, Self::ElasticNet),
            TrainKey::Power => matches!(self, Self::Tweedie),
            TrainKey::Positive => matches!(self, Self::Logistic),
        }
    }

    /// What it fits, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ols => "ordinary least squares",
            Self::Ridge => "least squares with small weights",
            Self::Lasso => "least squares with few weights",
            Self::ElasticNet => "least squares with few and small weights",
            Self::Poisson => "counts and rates",
            Self::Gamma => "amounts above 0",
            Self::Tweedie => "sums of amounts, with exact zeros",
            Self::Logistic => "the probability of one of two classes",
        }
    }

    /// The name as the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ols => "ols",
            Self::Ridge => "ridge",
            Self::Lasso => "lasso",
            Self::ElasticNet => "elastic_net",
            Self::Poisson => "poisson",
            Self::Gamma => "gamma",
            Self::Tweedie => "tweedie",
            Self::Logistic => "logistic",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TrainKey {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Penalty, Self::L1Share, Self::Power, Self::Positive];

    /// The name as the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Penalty => "penalty",
            Self::L1Share => "l1_share",
            Self::Power => "power",
            Self::Positive => "positive",
        }
    }

    /// The algorithms that have it.
    pub fn algorithms(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |algorithm| algorithm.takes(self))
    }
}

impl fmt::Display for TrainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for HyperParameters {
    /// As `penalty 0.1, l1_share 0.5`; nothing where there is no choice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("penalty", self.penalty), ("l1_share", self.l1_share), ("power", self.power)];
        let shown =
            parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", crate::number::short(value?))));
        f.pad(&shown.collect::<Vec<_>>().join(", "))
    }
}
