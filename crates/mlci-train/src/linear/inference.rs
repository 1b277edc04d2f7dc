use mlci_model::{Estimator, Linear};
use serde::{Deserialize, Serialize};
use statrs::{
    distribution::{Continuous as _, ContinuousCDF as _, StudentsT},
    function::beta::checked_beta_reg,
};

use crate::Interval;

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearOptions {
    /// Whether there is an intercept. Default true.
    pub intercept: bool,
    /// How much the squares of the coefficients weigh beside those of the residuals: `alpha` of scikit-learn's `Ridge`.
    /// It is the coefficients as they are, in units of the columns, and the intercept is not penalised. Default 0:
    /// ordinary least squares.
    pub penalty: f64,
}

impl Default for LinearOptions {
    fn default() -> Self {
        Self { intercept: true, penalty: 0.0 }
    }
}

/// A linear model, and how much of it is certain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearFit {
    /// Coefficients and intercept (0 where none was asked for).
    pub linear: Linear,
    /// How many rows of a weight above zero it was fitted to.
    pub rows: u64,
    /// The condition number of the columns, scaled to length 1 and, with an intercept, centred: the ratio of their
    /// largest to their smallest singular value, to about two digits (Belsley, Kuh & Welsch, *Regression Diagnostics*,
    /// 1980, ch. 3). So many times may a relative change of the data grow on its way to the coefficients.
    pub condition: f64,
    /// The share of the target's variation that is explained: about its mean, or without an intercept about 0. `None`
    /// where it does not vary.
    pub r_squared: Option<f64>,
    /// For each feature the variance inflation factor `1 / (1 - R²)` with the `R²` of that feature on the others.
    /// `None` with a penalty, where variances are others.
    pub variance_inflation: Option<Vec<f64>>,
    /// What can be said about the errors, if anything.
    pub inference: Result<Inference, NoInference>,
}

impl LinearFit {
    /// The model alone.
    #[must_use]
    pub fn estimator(self) -> Estimator {
        Estimator::Linear(self.linear)
    }
}

/// Why nothing is said about errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum NoInference {
    /// There are as many unknowns as rows.
    #[error("there are as many coefficients as rows: no row is left to tell how far off they are")]
    NoDegreesOfFreedom,
    /// The residuals are nothing but rounding.
    #[error("the model goes through all points: there are no residuals to tell errors from")]
    PerfectFit,
    /// The residuals are so small that sums of products do not have them.
    #[error("the residuals are too small to be told from sums of products: fit by QR (`BlockQr`)")]
    Unresolved,
    /// Coefficients of a penalised fit are biased by an amount that the data do not tell.
    #[error("the coefficients of a penalised fit are biased by an unknown amount")]
    Penalised,
}

/// Errors and tests under the assumptions of the normal linear model: independent errors, normal, of one variance (with
/// weights, of a variance of one over the weight).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inference {
    /// Rows less unknowns.
    pub degrees_of_freedom: u64,
    /// The estimated standard deviation of the errors, in units of the target: `√(RSS / degrees_of_freedom)`.
    pub residual_standard_deviation: f64,
    /// R², less what as many columns of noise would explain. May be negative.
    pub adjusted_r_squared: f64,
    /// That no feature has an effect.
    pub f: FTest,
    /// For each feature, that it has no effect.
    pub coefficients: Vec<TTest>,
    /// The same for the intercept, if there is one.
    pub intercept: Option<TTest>,
}

/// An estimate and a t test of its being 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TTest {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The ratio of both.
    pub t: f64,
    /// How likely a `t` at least so far from 0 is where the true value is 0.
    pub p_value: f64,
    degrees: u64,
}

/// An F test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FTest {
    /// Mean square explained over mean square left.
    pub f: f64,
    /// Degrees of freedom of both.
    pub degrees_of_freedom: (u64, u64),
    /// How likely an `f` at least as large is where no feature has an effect.
    pub p_value: f64,
}

impl TTest {
    /// The interval that holds the true value with this confidence, such as 0.95; `None` where that is not between 0
    /// and 1.
    #[must_use]
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return None;
        }
        let distribution = StudentsT::new(0.0, 1.0, self.degrees as f64).ok()?;
        let mut quantile = distribution.inverse_cdf(0.5 + confidence / 2.0);
        // Of many degrees of freedom the quantile has six digits only; Newton's method gives it those of the tails.
        for _ in 0..2 {
            let beside = beyond(quantile * quantile, 1, self.degrees) - (1.0 - confidence);
            quantile += beside / (2.0 * distribution.pdf(quantile));
        }
        let width = quantile * self.standard_error;
        Some(Interval { low: self.estimate - width, high: self.estimate + width })
    }
}

pub(super) struct Residual {
    pub(super) share: f64,
    pub(super) explained: f64,
    pub(super) standard_deviation: f64,
    pub(super) degrees: u64,
    pub(super) rows: u64,
}

pub(super) struct Scale {
    pub(super) estimate: f64,
    /// The standard error, in units of the residuals' standard deviation.
    pub(super) scale: f64,
}

/// The probability beyond `f` of the F distribution (Abramowitz & Stegun 26.6.2): the tail itself, not 1 less the rest.
fn beyond(f: f64, numerator: u64, denominator: u64) -> f64 {
    let (numerator, denominator) = (numerator as f64, denominator as f64);
    let x = denominator / (denominator + numerator * f);
    checked_beta_reg(denominator / 2.0, numerator / 2.0, x).unwrap_or(0.0)
}

impl Inference {
    pub(super) fn new(residual: &Residual, coefficients: Vec<Scale>, intercept: Option<Scale>) -> Self {
        let degrees = residual.degrees;
        let test = |Scale { estimate, scale }| {
            let standard_error = residual.standard_deviation * scale;
            let t = estimate / standard_error;
            TTest { estimate, standard_error, t, p_value: beyond(t * t, 1, degrees), degrees }
        };
        let features = coefficients.len() as u64;
        let total = residual.rows - u64::from(intercept.is_some());
        let f = residual.explained / features as f64 / (residual.share / degrees as f64);
        Self {
            degrees_of_freedom: degrees,
            residual_standard_deviation: residual.standard_deviation,
            adjusted_r_squared: 1.0 - residual.share * (total as f64 / degrees as f64),
            f: FTest { f, degrees_of_freedom: (features, degrees), p_value: beyond(f, features, degrees) },
            coefficients: coefficients.into_iter().map(test).collect(),
            intercept: intercept.map(test),
        }
    }
}
