use serde::{Deserialize, Serialize};

use crate::{Design, Onnx};

/// What turns a row into a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Estimator {
    /// A linear model: `prediction = weights · columns + intercept`, with the columns of [`Design`].
    Linear(Linear),
    /// A generalized linear model: a function of what a linear model says.
    Generalized(Generalized),
    /// A model that another tool has fitted.
    Onnx(Onnx),
}

/// Weights of the columns that [`Design`] makes of a row: of features that are all numbers, those features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// One a column of the design, in units of the prediction (before [`Link::inverse`], if any) per unit of the
    /// column.
    pub coefficients: Vec<f64>,
    /// What they are added to.
    pub intercept: f64,
}

/// A linear model of a function of the mean (McCullagh & Nelder, *Generalized Linear Models*, 2nd ed., §2.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generalized {
    /// The function of the mean that is linear.
    pub link: Link,
    /// The linear model of it.
    pub linear: Linear,
}

/// The function of the mean that is linear in a generalized linear model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Link {
    /// `ln(p / (1 - p))`: the prediction is a probability.
    Logit,
    /// `ln(mean)`: the prediction is above 0.
    Log,
}

impl Link {
    /// The mean of which this function is `value`.
    #[must_use]
    pub fn inverse(self, value: f64) -> f64 {
        match self {
            Self::Logit => 1.0 / (1.0 + (-value).exp()),
            Self::Log => value.exp(),
        }
    }
}

impl Estimator {
    /// The weights, where it has some.
    #[must_use]
    pub fn linear(&self) -> Option<&Linear> {
        match self {
            Self::Linear(linear) | Self::Generalized(Generalized { linear, .. }) => Some(linear),
            Self::Onnx(_) => None,
        }
    }

    /// The prediction of a row of one value a feature; not finite where a value is not, or is no level of its category.
    /// Graphs of ONNX are not run here, and their prediction is NaN: ask the [`Model`](crate::Model).
    #[must_use]
    pub fn predict(&self, design: &Design, row: &[f64]) -> f64 {
        match self {
            Self::Linear(linear) => linear.weigh(design, row),
            Self::Generalized(Generalized { link, linear }) => link.inverse(linear.weigh(design, row)),
            Self::Onnx(_) => f64::NAN,
        }
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.linear().is_none_or(|linear| {
            linear.intercept.is_finite() && linear.coefficients.iter().all(|weight| weight.is_finite())
        })
    }
}

impl Linear {
    fn weigh(&self, design: &Design, row: &[f64]) -> f64 {
        if design.is_plain() {
            // One order of summation everywhere: golden predictions are compared across machines.
            self.coefficients.iter().zip(row).fold(self.intercept, |sum, (weight, value)| sum + weight * value)
        } else {
            design.weigh(&self.coefficients, self.intercept, row)
        }
    }
}
