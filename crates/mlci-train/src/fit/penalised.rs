use linfa::{DatasetBase, traits::Fit as _};
use mlci_model::{Estimator, Linear};
use ndarray::{ArrayView1, ArrayView2, s};

use super::rows::{deviations, refuse_constant, summed};
use crate::{
    Algorithm, BlockQr, Fit, FitError, HyperParameters, LinearOptions, Statistic as _,
    linear::{Centre, Summary as _},
};

/// Least squares with a penalty on the squares of the weights: minimises `‖y - b - Z·w‖² + penalty·‖w‖²`, where `Z` are
/// the features, each about its mean and divided by its standard deviation (divisor `n`).
///
/// That is scikit-learn's `Ridge(alpha=penalty)` behind a `StandardScaler`: the loss is a sum over the rows, and the
/// intercept `b` is not penalised. Dependent columns share their weight; constant ones are refused by name. Coefficients
/// come back in units of the columns as they are. Hoerl & Kennard, *Technometrics* 12, 1970.
///
/// Time `O(n·p² + p³)`, memory beyond the inputs `O(p²)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ridge {
    /// The penalty, 0 or more.
    pub penalty: f64,
}

/// Least squares with a penalty that makes weights zero: minimises
/// `‖y - b - Z·w‖²/(2n) + penalty·(l1_share·‖w‖₁ + (1 - l1_share)/2·‖w‖²)`, where `Z` are the features, each about its
/// mean and divided by its standard deviation (divisor `n`).
///
/// That is scikit-learn's `ElasticNet(alpha=penalty, l1_ratio=l1_share)` behind a `StandardScaler`, and with `l1_share`
/// 1 its `Lasso`: the loss is a mean over the rows, and the intercept `b` is not penalised. Of dependent columns the
/// lasso keeps one or some, and the elastic net shares the weight among them; constant columns are refused by name.
/// Coefficients come back in units of the columns as they are. Tibshirani, *J. R. Statist. Soc. B* 58, 1996; Zou &
/// Hastie, *J. R. Statist. Soc. B* 67, 2005.
///
/// linfa's coordinate descent runs on the triangle of the rows' QR factorisation, which has the same products as the
/// rows: time is `O(n·p²)` once and `O(p²)` a step, memory beyond the inputs `O(p²)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ElasticNet {
    /// The penalty, 0 or more.
    pub penalty: f64,
    /// How much of it is on the absolute values rather than on the squares: above 0, at most 1.
    pub l1_share: f64,
}

impl Fit for Ridge {
    fn fit(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &[&str]) -> Result<Estimator, FitError> {
        Standardised::new(x, y, names)?.ridge(self.penalty)
    }
}

impl Fit for ElasticNet {
    fn fit(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &[&str]) -> Result<Estimator, FitError> {
        Standardised::new(x, y, names)?.elastic_net(self.penalty, self.l1_share)
    }
}

/// What is kept of rows to fit to them with any penalty.
pub(crate) struct Standardised<'n> {
    rows: BlockQr,
    scaled: BlockQr,
    /// Of the features and, last, of the target.
    deviations: Vec<f64>,
    names: &'n [&'n str],
}

/// Coordinate descent stops once no weight changes by more than this share of the largest, and the duality gap is this
/// share of the target's square; or fails after so many rounds.
const TOLERANCE: f64 = 1e-12;
const ROUNDS: u32 = 10_000;

impl<'n> Standardised<'n> {
    pub(crate) fn new(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &'n [&'n str]) -> Result<Self, FitError> {
        let all = Self::of(summed(x, y, names)?, names)?;
        all.refuse_constant()?;
        Ok(all)
    }

    /// Of rows that were summed up. A constant column gets no weight from a penalty.
    pub(crate) fn of(rows: BlockQr, names: &'n [&'n str]) -> Result<Self, FitError> {
        let deviations = deviations(&rows, names)?;
        let scaled = rows.scaled(&deviations);
        Ok(Self { rows, scaled, deviations, names })
    }

    pub(crate) fn refuse_constant(&self) -> Result<(), FitError> {
        refuse_constant(self.centre(), self.names)
    }

    /// With an algorithm that has a penalty.
    pub(crate) fn fit(&self, algorithm: Algorithm, chosen: &HyperParameters) -> Result<Estimator, FitError> {
        let penalty = chosen.penalty.unwrap_or_default();
        match algorithm {
            Algorithm::Lasso => self.elastic_net(penalty, 1.0),
            Algorithm::ElasticNet => self.elastic_net(penalty, chosen.l1_share.unwrap_or(0.5)),
            _ => self.ridge(penalty),
        }
    }

    /// Penalties to choose from where none is stated, the largest first: for lasso and elastic net 20 from the smallest
    /// that leaves no weight down to a thousandth of it, as glmnet does (Friedman, Hastie & Tibshirani, *J. Stat. Softw.*
    /// 33, 2010); for ridge 15 from `100·n` to `n/100,000`, where `n` is the squared length of a standardised column.
    pub(crate) fn penalties(&self, algorithm: Algorithm, l1_share: f64) -> Vec<f64> {
        let down = |from: f64, steps: i32, decades: f64| {
            let power = move |step| -decades * f64::from(step) / f64::from(steps - 1);
            (0..steps).map(move |step| from * 10.0_f64.powf(power(step))).collect()
        };
        match algorithm {
            Algorithm::Ridge => down(100.0 * self.centre().weight, 15, 7.0),
            _ => down(self.largest_penalty() / l1_share, 20, 3.0),
        }
    }

    fn centre(&self) -> &Centre {
        self.rows.centre()
    }

    /// The smallest penalty of a lasso that leaves no weight: `max |Zᵀ(y - mean y)| / n`.
    pub(crate) fn largest_penalty(&self) -> f64 {
        let features = self.names.len();
        let r = self.scaled.triangle();
        let target = r.column(features);
        let products = (0..features).map(|column| r.column(column).dot(&target).abs());
        let target = self.deviations.get(features).copied().unwrap_or(1.0);
        products.fold(0.0, f64::max) / self.centre().weight * target
    }

    pub(crate) fn ridge(&self, penalty: f64) -> Result<Estimator, FitError> {
        // Without a penalty dependent columns are refused, by their own numbers.
        if penalty == 0.0 {
            return Ok(self.rows.solve(self.names, &LinearOptions::default())?.estimator());
        }
        let fit = self.scaled.solve(self.names, &LinearOptions { penalty, ..LinearOptions::default() })?;
        Ok(self.estimator(&fit.linear.coefficients))
    }

    pub(crate) fn elastic_net(&self, penalty: f64, l1_share: f64) -> Result<Estimator, FitError> {
        if !(penalty.is_finite() && penalty >= 0.0) {
            return Err(FitError::Penalty { value: penalty });
        }
        if !(l1_share > 0.0 && l1_share <= 1.0) {
            return Err(FitError::L1Share { value: l1_share });
        }
        if penalty == 0.0 {
            return self.ridge(0.0);
        }
        let features = self.names.len();
        if penalty * l1_share >= self.largest_penalty() {
            return Ok(self.estimator(&vec![0.0; features]));
        }
        let target = self.deviations.get(features).copied().unwrap_or(1.0);
        // In units of the target's deviation, so that linfa's absolute tolerances mean the same for all targets.
        let (absolute, square) = (penalty * l1_share / target, penalty * (1.0 - l1_share));
        // linfa divides the loss by the number of rows that it is given, here those of the triangle.
        let root = (features as f64 / self.centre().weight).sqrt();
        let x = self.scaled.triangle().slice(s![..features, ..features]).mapv(|value| value * root);
        let y = self.scaled.triangle().slice(s![..features, features]).mapv(|value| value * root);
        let fitted = linfa_elasticnet::ElasticNet::params()
            .with_intercept(false)
            .penalty(absolute + square)
            .l1_ratio(absolute / (absolute + square))
            .tolerance(TOLERANCE)
            .max_iterations(ROUNDS)
            .fit(&DatasetBase::new(x, y))
            .map_err(|error| FitError::Solver(Box::new(error)))?;
        if fitted.n_steps() >= ROUNDS {
            return Err(FitError::NoConvergence { rounds: ROUNDS, penalty });
        }
        Ok(self.estimator(&fitted.hyperplane().to_vec()))
    }

    /// Of weights of standardised features for the standardised target.
    fn estimator(&self, weights: &[f64]) -> Estimator {
        let target = self.deviations.last().copied().unwrap_or(1.0);
        let coefficients: Vec<f64> =
            weights.iter().zip(&self.deviations).map(|(weight, deviation)| weight / deviation * target).collect();
        let mean = &self.centre().mean;
        let offset: f64 = coefficients.iter().zip(mean).map(|(coefficient, mean)| coefficient * mean).sum();
        let intercept = mean.last().copied().unwrap_or_default() - offset;
        Estimator::Linear(Linear { coefficients, intercept })
    }
}
