use mlci_model::{Estimator, Generalized, Linear};
use ndarray::{ArrayView1, ArrayView2};

use super::{
    family::Family,
    rows::{deviations, refuse_constant, refused, summed},
};
use crate::{Block, BlockQr, Fit, FitError, LinearFit, LinearOptions, Moments, Statistic as _, linear::Summary as _};

/// A generalized linear model of amounts that are never negative, with the logarithm as its link: minimises
/// `Σ d(yᵢ, e^(b + zᵢ·w)) / (2n) + penalty/2·‖w‖²`, where `d` is the unit deviance of the Tweedie distribution and `Z`
/// are the features, each about its mean and divided by its standard deviation (divisor `n`).
///
/// That is scikit-learn's `TweedieRegressor(power, alpha=penalty, link="log")` behind a `StandardScaler`, and without a
/// penalty statsmodels' `GLM`. The power is that of the mean that the variance grows with: 1 is Poisson (counts, or
/// rates), 2 gamma (amounts above 0), between them compound Poisson-gamma (sums of amounts, with exact zeros). Within
/// these bounds the loss is convex. Dunn & Smyth, *Generalized Linear Models With Examples in R*, 2018, ch. 12.
///
/// Solved by Newton's method, each step by our own weighted least squares: to nine digits or more in 5 to 10 steps. (linfa's
/// L-BFGS is off by 6e-3 on counts with zeros, whatever its tolerance, and cannot tell a minimum that does not exist.)
/// Without a penalty, constant and dependent columns are refused by name, and so are columns that tell rows of 0 apart
/// wholly, since their coefficients have no bound.
///
/// Time `O(n·p²)` a step; beyond the inputs, memory is one copy of `x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tweedie {
    /// The power of the mean that the variance grows with, 1 to 2.
    pub power: f64,
    /// The penalty, 0 or more.
    pub penalty: f64,
}

/// Logistic regression, of a target of 0 and 1: minimises `Σ ln(1 + e^-(±(b + zᵢ·w))) / n + penalty/2·‖w‖²` with the
/// sign of the class, where `Z` are the features, each about its mean and divided by its standard deviation (divisor
/// `n`).
///
/// That is scikit-learn's `LogisticRegression(C=1/(n·penalty))` behind a `StandardScaler`, and without a penalty
/// statsmodels' `Logit`. The prediction is the probability of 1.
///
/// Solved as [`Tweedie`] is, for the same reasons. Without a penalty, classes that features tell apart wholly are an
/// error that names those features, since their coefficients have no bound: Albert & Anderson, *Biometrika* 71, 1984.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logistic {
    /// The penalty, 0 or more.
    pub penalty: f64,
}

impl Fit for Tweedie {
    fn fit(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &[&str]) -> Result<Estimator, FitError> {
        if !(1.0..=2.0).contains(&self.power) {
            return Err(FitError::Power { value: self.power });
        }
        fit(Family::Tweedie(self.power), self.penalty, x, y, names)
    }
}

impl Fit for Logistic {
    fn fit(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &[&str]) -> Result<Estimator, FitError> {
        fit(Family::Logistic, self.penalty, x, y, names)
    }
}

/// Steps until there is no minimum to be expected; it takes 5 to 10 otherwise.
const STEPS: u32 = 100;

/// From this step on it is looked at whether the loss falls for ever.
const PATIENCE: u32 = 8;

/// The largest change of a weight in the last step, as a share of the largest weight: its square is what is left then.
const SETTLED: f64 = 1e-9;

fn fit(
    family: Family,
    penalty: f64,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    names: &[&str],
) -> Result<Estimator, FitError> {
    if !(penalty.is_finite() && penalty >= 0.0) {
        return Err(FitError::Penalty { value: penalty });
    }
    let rows = summed(x, y, names)?;
    refuse_constant(rows.centre(), names)?;
    if let Some((row, value, count)) = family.impossible(y.iter().copied()) {
        return Err(FitError::Target { wants: family.wants(), row, value, count });
    }
    if rows.centre().is_constant(names.len(), false) {
        let value = y.first().copied().unwrap_or_default();
        return Err(FitError::ConstantTarget { value, rows: y.len() });
    }
    if penalty == 0.0 {
        // Names what is dependent, in the columns' own numbers.
        rows.solve(names, &LinearOptions::default())?;
    }
    let deviations = deviations(&rows, names)?;
    let linear = Newton::new(family, penalty, x, y, names, &rows, &deviations).minimum()?;
    let coefficients: Vec<f64> =
        linear.coefficients.iter().zip(&deviations).map(|(weight, deviation)| weight / deviation).collect();
    let offset: f64 = coefficients.iter().zip(&rows.centre().mean).map(|(weight, mean)| weight * mean).sum();
    let linear = Linear { intercept: linear.intercept - offset, coefficients };
    Ok(Estimator::Generalized(Generalized { link: family.link(), linear }))
}

struct Newton<'a> {
    family: Family,
    penalty: f64,
    y: Vec<f64>,
    names: &'a [&'a str],
    /// Row by row the standardised features and a place for the target of a step.
    values: Vec<f64>,
    mean: f64,
}

impl<'a> Newton<'a> {
    fn new(
        family: Family,
        penalty: f64,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        names: &'a [&'a str],
        rows: &BlockQr,
        deviations: &[f64],
    ) -> Self {
        let mean = &rows.centre().mean;
        let mut values = Vec::with_capacity(x.nrows() * (x.ncols() + 1));
        for row in x.rows() {
            let scaled = row.iter().zip(mean).zip(deviations);
            values.extend(scaled.map(|((value, mean), deviation)| (value - mean) / deviation));
            values.push(0.0);
        }
        Self { family, penalty, y: y.to_vec(), names, values, mean: mean.last().copied().unwrap_or_default() }
    }

    /// What a linear model says of each row.
    fn eta(&self, linear: &Linear) -> Vec<f64> {
        let rows = self.values.chunks_exact(self.names.len() + 1);
        let weigh = |row: &[f64]| {
            linear.coefficients.iter().zip(row).fold(linear.intercept, |sum, (weight, value)| sum + weight * value)
        };
        rows.map(weigh).collect()
    }

    fn objective(&self, linear: &Linear, eta: &[f64]) -> f64 {
        let loss: f64 = eta.iter().zip(&self.y).map(|(eta, y)| self.family.loss(*eta, *y)).sum();
        let size: f64 = linear.coefficients.iter().map(|weight| weight * weight).sum();
        loss / self.y.len() as f64 + self.penalty / 2.0 * size
    }

    fn minimum(&mut self) -> Result<Linear, FitError> {
        let features = self.names.len();
        let mut linear = Linear { coefficients: vec![0.0; features], intercept: self.family.start(self.mean) };
        let mut eta = self.eta(&linear);
        let mut objective = self.objective(&linear, &eta);
        let mut last = None;
        for step in 0..STEPS {
            let target = match self.solve(&eta) {
                Ok(fit) => fit.linear,
                Err(error) => return Err(self.explain(last.as_ref()).unwrap_or(error)),
            };
            let change = between(&linear, &target);
            let largest = |linear: &Linear| {
                let all = linear.coefficients.iter().chain([&linear.intercept]);
                all.fold(0.0_f64, |largest, weight| largest.max(weight.abs()))
            };
            // Weights of a link are without a unit, so that 1 is a size: below a tenth of it they count as that.
            let settled = largest(&change) <= SETTLED * largest(&target).max(0.1);
            if settled {
                return Ok(target);
            }
            if step >= PATIENCE
                && let Some(error) = self.explain(Some(&change))
            {
                return Err(error);
            }
            let mut share = 1.0;
            loop {
                let next = along(&linear, &change, share);
                let next_eta = self.eta(&next);
                let now = self.objective(&next, &next_eta);
                // Rounding may make a little of nothing.
                if now <= objective + 1e-12 * objective.abs() {
                    (linear, eta, objective) = (next, next_eta, now);
                    break;
                }
                share /= 2.0;
                if share < 1e-9 {
                    return Err(self.explain(Some(&change)).unwrap_or_else(|| self.gives_up(step)));
                }
            }
            last = Some(change);
        }
        Err(self.explain(last.as_ref()).unwrap_or_else(|| self.gives_up(STEPS)))
    }

    fn gives_up(&self, rounds: u32) -> FitError {
        FitError::NoConvergence { rounds, penalty: self.penalty }
    }

    /// The least squares of one step: the quadratic that touches the objective has its minimum where the squares of
    /// `eta - loss'/loss''`, weighted by `loss''`, have it.
    fn solve(&mut self, eta: &[f64]) -> Result<LinearFit, FitError> {
        let features = self.names.len();
        let mut weights = Vec::with_capacity(eta.len());
        for ((row, eta), y) in self.values.chunks_exact_mut(features + 1).zip(eta).zip(&self.y) {
            let (slope, curvature) = self.family.derivatives(*eta, *y);
            if let Some(target) = row.last_mut() {
                *target = eta - slope / curvature;
            }
            weights.push(curvature);
        }
        let refused = |error| refused(error, self.names);
        let block = Block::new(&self.values, features).and_then(|block| block.weighted(&weights)).map_err(refused)?;
        // The rows are weighed by their curvature and summed, and the objective has a mean.
        let options = LinearOptions { penalty: self.penalty * self.y.len() as f64, ..LinearOptions::default() };
        match Moments::of(block).map_err(refused)?.solve(self.names, &options) {
            Err(FitError::IllConditioned { .. }) => BlockQr::of(block).map_err(refused)?.solve(self.names, &options),
            other => other,
        }
    }

    /// Whether the loss falls for ever along `change`, so that there is no minimum. A Newton step turns towards such a
    /// direction where there is one. Names as few columns as tell apart without the others.
    fn explain(&self, change: Option<&Linear>) -> Option<FitError> {
        let change = change.filter(|_| self.penalty == 0.0)?;
        if !self.falls(&self.eta(change)) {
            return None;
        }
        let mut order: Vec<(usize, f64)> = change.coefficients.iter().map(|weight| weight.abs()).enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut part = Linear { coefficients: vec![0.0; self.names.len()], intercept: 0.0 };
        let mut columns = Vec::new();
        for (column, _) in order {
            part.coefficients[column] = change.coefficients[column];
            columns.extend(self.names.get(column).map(|name| (*name).to_owned()));
            let mut eta = self.eta(&part);
            let intercept = self.family.level(&eta.iter().copied().zip(self.y.iter().copied()));
            eta.iter_mut().for_each(|eta| *eta -= intercept);
            if self.falls(&eta) {
                break;
            }
        }
        Some(FitError::Separated { what: self.family.told_apart(), columns })
    }

    /// Whether no row's loss rises in the end, and some fall, as `eta` changes by multiples of this.
    fn falls(&self, eta: &[f64]) -> bool {
        let recession = eta.iter().zip(&self.y).map(|(eta, y)| self.family.recession(*eta, *y));
        let (fall, rise) = recession.fold((0.0_f64, 0.0_f64), |(fall, rise), value| (fall.min(value), rise.max(value)));
        fall < -0.1 && rise <= 1e-6 * -fall
    }
}

fn between(from: &Linear, to: &Linear) -> Linear {
    let coefficients = from.coefficients.iter().zip(&to.coefficients).map(|(from, to)| to - from).collect();
    Linear { coefficients, intercept: to.intercept - from.intercept }
}

fn along(from: &Linear, change: &Linear, share: f64) -> Linear {
    let moved = |from: f64, change: f64| from + share * change;
    let coefficients = from.coefficients.iter().zip(&change.coefficients).map(|(a, b)| moved(*a, *b)).collect();
    Linear { coefficients, intercept: moved(from.intercept, change.intercept) }
}
