use serde::{Deserialize, Serialize};

/// What turns a row into a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Estimator {
    /// A linear model.
    Linear(Linear),
}

/// `prediction = coefficients · row + intercept`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// One a feature, in units of the target per unit of the feature.
    pub coefficients: Vec<f64>,
    /// The prediction at the origin, in units of the target.
    pub intercept: f64,
}

impl Estimator {
    /// How many features a row has.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Linear(linear) => linear.coefficients.len(),
        }
    }

    /// The prediction of a row whose length the caller has checked.
    pub(crate) fn predict(&self, row: &[f64]) -> f64 {
        match self {
            // One order of summation everywhere: golden predictions are compared across machines.
            Self::Linear(linear) => {
                linear.coefficients.iter().zip(row).fold(linear.intercept, |sum, (weight, value)| sum + weight * value)
            }
        }
    }

    pub(crate) fn is_finite(&self) -> bool {
        match self {
            Self::Linear(linear) => {
                linear.intercept.is_finite() && linear.coefficients.iter().all(|weight| weight.is_finite())
            }
        }
    }
}
