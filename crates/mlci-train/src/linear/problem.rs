use mlci_model::Linear;

use crate::{
    FitError, dependence,
    linear::{
        Centre, Inference, LinearFit, LinearOptions, Moments, NoInference,
        centre::two_sum,
        factor::Factor,
        inference::{Residual, Scale},
    },
};

/// Squares of columns below this have lost digits to underflow.
const SMALLEST_SQUARE: f64 = f64::MIN_POSITIVE / f64::EPSILON;

/// What is left of the target's square has to be this share of it to have some six digits when it is a difference of
/// sums of products.
const RESOLVED: f64 = 1e-9;

/// Condition numbers up to here are told from rounding when they come from products, which square them.
const TOLD: f64 = 1e6;

const TARGET: &str = "the target";

/// A fit that is asked for, checked as far as the means allow.
pub(super) struct Problem<'a> {
    centre: &'a Centre,
    names: &'a [&'a str],
    options: &'a LinearOptions,
}

impl<'a> Problem<'a> {
    pub(super) fn new(centre: &'a Centre, names: &'a [&'a str], options: &'a LinearOptions) -> Result<Self, FitError> {
        let features = centre.width() - 1;
        if names.len() != features {
            return Err(FitError::Shape { what: "the list of names", found: names.len(), expected: features });
        }
        if !(options.penalty.is_finite() && options.penalty >= 0.0) {
            return Err(FitError::Penalty { value: options.penalty });
        }
        let rows = centre.rows as usize;
        if options.penalty == 0.0 && rows < features + usize::from(options.intercept) {
            return Err(FitError::TooFewRows { rows, features, intercept: options.intercept });
        }
        // A penalty determines its coefficient: 0.
        if options.penalty > 0.0 {
            return Ok(Self { centre, names, options });
        }
        let constant = |(position, name): (usize, &&str)| {
            centre.is_constant(position, !options.intercept).then(|| ((*name).to_owned(), centre.low[position]))
        };
        let columns: Vec<_> = names.iter().enumerate().filter_map(constant).collect();
        if columns.is_empty() { Ok(Self { centre, names, options }) } else { Err(FitError::constant(columns, rows)) }
    }

    fn name(&self, column: usize) -> String {
        self.names.get(column).map_or(TARGET, |name| name).to_owned()
    }

    fn target_is_constant(&self) -> bool {
        self.centre.is_constant(self.names.len(), !self.options.intercept)
    }

    /// The lengths of the columns, to divide by; that of a target that does not vary is 1.
    pub(super) fn lengths(&self, lengths: impl Iterator<Item = f64>) -> Result<Vec<f64>, FitError> {
        let checked = lengths.enumerate().map(|(column, length)| {
            if !length.is_finite() {
                return Err(FitError::TooLarge { column: self.name(column) });
            }
            if column == self.names.len() && self.target_is_constant() {
                return Ok(1.0);
            }
            if length < SMALLEST_SQUARE.sqrt() {
                Err(FitError::TooSmall { column: self.name(column) })
            } else {
                Ok(length)
            }
        });
        checked.collect()
    }

    /// With a triangle that comes from sums of products.
    pub(super) fn solve_products(&self, factor: &Factor, lengths: &[f64]) -> Result<LinearFit, FitError> {
        let ill = |condition, mut columns: Vec<usize>| {
            columns.sort_unstable();
            columns.dedup();
            let columns = columns.into_iter().map(|column| self.name(column)).collect();
            Err(FitError::IllConditioned { condition, limit: Moments::CONDITION, columns })
        };
        if factor.lost {
            let found = dependence::find(factor.triangle().view(), &[]);
            let columns = found.into_iter().flat_map(|(column, terms)| {
                terms.into_iter().map(|(other, _)| other).chain([column]).collect::<Vec<_>>()
            });
            return ill(None, columns.collect());
        }
        let condition = factor.condition();
        if condition > Moments::CONDITION {
            let inflation = factor.inflation();
            let largest = inflation.iter().fold(0.0_f64, |largest, value| largest.max(*value));
            let most = |(column, value): (usize, f64)| (value >= largest / 10.0).then_some(column);
            return ill(
                Some(condition).filter(|condition| *condition < TOLD),
                inflation.into_iter().enumerate().filter_map(most).collect(),
            );
        }
        self.finish(factor, lengths, condition, RESOLVED)
    }

    /// With a triangle that was made without products.
    pub(super) fn solve_triangle(&self, factor: &Factor, lengths: &[f64]) -> Result<LinearFit, FitError> {
        let features = self.names.len();
        let rounding: Vec<f64> = (0..features).map(|column| self.centre.rounding(column, lengths[column])).collect();
        let found = dependence::find(factor.triangle().view(), &rounding);
        if !found.is_empty() {
            let means = if self.options.intercept { self.centre.mean.clone() } else { vec![0.0; features] };
            return Err(FitError::dependent(dependence::name(found, self.names, &means, lengths)));
        }
        let condition = factor.condition();
        self.finish(factor, lengths, condition, 0.0)
    }

    fn finish(&self, factor: &Factor, lengths: &[f64], condition: f64, resolved: f64) -> Result<LinearFit, FitError> {
        let (centre, options) = (self.centre, self.options);
        let features = self.names.len();
        let target = lengths[features];
        let (along, left) = factor.target();
        let weights = factor.backward(along);
        let coefficients: Vec<f64> =
            weights.iter().zip(lengths).map(|(weight, length)| weight / length * target).collect();
        let intercept = if options.intercept { self.intercept(&coefficients) } else { 0.0 };

        let size: f64 = coefficients.iter().map(|coefficient| coefficient * coefficient).sum();
        // The square that is left of the target, as a share; that of a penalised fit has the penalty in it.
        let share = (left * left - options.penalty * size / target / target).max(0.0);
        let inflation = (options.penalty == 0.0).then(|| factor.inflation());
        let parameters = features as u64 + u64::from(options.intercept);
        let degrees = centre.rows.saturating_sub(parameters);
        let inference = match &inflation {
            None => Err(NoInference::Penalised),
            Some(_) if degrees == 0 => Err(NoInference::NoDegreesOfFreedom),
            Some(_) if share < resolved => Err(NoInference::Unresolved),
            Some(_) if self.target_is_constant() || left <= 8.0 * f64::EPSILON * lengths.len() as f64 => {
                Err(NoInference::PerfectFit)
            }
            Some(inflation) => {
                let offsets: Vec<f64> =
                    centre.mean.iter().zip(lengths).take(features).map(|(mean, length)| mean / length).collect();
                let offset = factor.forward(offsets);
                let spread = centre.weight.recip() + offset.iter().map(|value| value * value).sum::<f64>();
                let residual = Residual {
                    share,
                    explained: along.iter().map(|value| value * value).sum(),
                    standard_deviation: left * target / (degrees as f64).sqrt(),
                    degrees,
                    rows: centre.rows,
                };
                let scales = inflation.iter().zip(lengths).zip(&coefficients);
                let scales = scales
                    .map(|((inflation, length), estimate)| Scale {
                        estimate: *estimate,
                        scale: inflation.sqrt() / length,
                    })
                    .collect();
                let of_intercept = options.intercept.then(|| Scale { estimate: intercept, scale: spread.sqrt() });
                Ok(Inference::new(&residual, scales, of_intercept))
            }
        };
        Ok(LinearFit {
            linear: Linear { coefficients, intercept },
            rows: centre.rows,
            condition,
            r_squared: (!self.target_is_constant()).then_some(1.0 - share),
            variance_inflation: inflation,
            inference,
        })
    }

    /// The mean of the target less that of the features' part, as if in twice the digits: the terms may be far larger
    /// than what is left of them.
    fn intercept(&self, coefficients: &[f64]) -> f64 {
        let centre = self.centre;
        let features = coefficients.len();
        let (mut sum, mut lost) = (centre.mean[features], centre.rest[features]);
        for ((coefficient, mean), rest) in coefficients.iter().zip(&centre.mean).zip(&centre.rest) {
            let product = -coefficient * mean;
            let below = (-coefficient).mul_add(*mean, -product);
            let (next, taken) = two_sum(sum, product);
            sum = next;
            lost += taken + (below - coefficient * rest);
        }
        sum + lost
    }
}
