use std::fmt;

use ndarray::{Array1, ArrayView2};

use crate::number::significant;

/// A feature that is a weighted sum of others and a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependence {
    /// The feature.
    pub column: String,
    /// The others, each after its weight.
    pub terms: Vec<(f64, String)>,
    /// What is to be added to the sum.
    pub constant: f64,
}

impl fmt::Display for Dependence {
    /// As `` `c` = 2·`a` - `b` + 3 ``, numbers to six digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` = ", self.column)?;
        let mut first = true;
        let named = self.terms.iter().map(|(weight, name)| (*weight, Some(name)));
        let constant = (self.constant != 0.0 || self.terms.is_empty()).then_some((self.constant, None));
        for (weight, name) in named.chain(constant) {
            let sign = match (first, weight < 0.0) {
                (true, true) => "-",
                (true, false) => "",
                (false, true) => " - ",
                (false, false) => " + ",
            };
            first = false;
            let number = significant(weight.abs(), 6);
            match name {
                Some(name) if number == "1" => write!(f, "{sign}`{name}`")?,
                Some(name) => write!(f, "{sign}{number}·`{name}`")?,
                None => write!(f, "{sign}{number}")?,
            }
        }
        Ok(())
    }
}

/// A column of a matrix and the columns before it, by position and weight, that sum up to it.
pub(crate) type Combination = (usize, Vec<(usize, f64)>);

/// Names what [`find`] has found in columns that had these means and lengths before they were centred and scaled.
pub(crate) fn name(found: Vec<Combination>, names: &[&str], means: &[f64], lengths: &[f64]) -> Vec<Dependence> {
    let of = |column: usize| Some((*names.get(column)?, *means.get(column)?, *lengths.get(column)?));
    let named = found.into_iter().filter_map(|(column, weights)| {
        let (name, mean, length) = of(column)?;
        let mut constant = mean;
        let mut size = mean.abs();
        let mut terms = Vec::with_capacity(weights.len());
        for (other, weight) in weights {
            let (name, mean, other) = of(other)?;
            let weight = weight * (length / other);
            constant -= weight * mean;
            size = size.max((weight * mean).abs());
            terms.push((weight, name.to_owned()));
        }
        // What is left of larger numbers is rounding.
        if constant.abs() <= 1e-9 * size {
            constant = 0.0;
        }
        Some(Dependence { column: name.to_owned(), terms, constant })
    });
    named.collect()
}

/// Weights below this share of a column's largest are rounding.
const NEGLIGIBLE: f64 = 1e-6;

/// What is left of a dependent column is at most this share of its length, besides rounding.
const DEPENDENT: f64 = 1e-10;

/// How much larger than its estimate the effect of rounding may be.
const ROUNDING: f64 = 16.0;

/// Finds the columns of `r` that depend on columns before them: of a column without its part in the space of the
/// independent ones before it, no more is left than [`DEPENDENT`], or than the rounding of the columns explains. Columns
/// have length 1; `rounding` has, for each, how far rounding may have moved it.
///
/// Gram-Schmidt with each projection done twice, which is as orthogonal as Householder (Giraud, Langou & Rozložník,
/// *Computers & Mathematics with Applications* 50, 2005). It goes from left to right, without pivots, so that the
/// columns named are the later ones, as a reader of the header would name them.
pub(crate) fn find(r: ArrayView2<'_, f64>, rounding: &[f64]) -> Vec<Combination> {
    let mut basis: Vec<Array1<f64>> = Vec::new();
    // For each vector of the basis: its column, and that column's parts along the basis.
    let mut independent: Vec<(usize, Vec<f64>)> = Vec::new();
    let mut dependent = Vec::new();
    for (position, column) in r.columns().into_iter().enumerate() {
        let mut rest = column.to_owned();
        let mut parts = vec![0.0; basis.len()];
        for _ in 0..2 {
            for (part, direction) in parts.iter_mut().zip(&basis) {
                let along = direction.dot(&rest);
                *part += along;
                rest.scaled_add(-along, direction);
            }
        }
        let length = rest.dot(&rest).sqrt();
        let weights = weights(parts.clone(), &independent);
        let of = |position: usize| rounding.get(position).copied().unwrap_or_default();
        let moved = of(position) + weights.iter().map(|(other, weight)| weight.abs() * of(*other)).sum::<f64>();
        if length <= DEPENDENT.max(ROUNDING * moved) {
            dependent.push((position, weights));
        } else {
            parts.push(length);
            basis.push(rest / length);
            independent.push((position, parts));
        }
    }
    dependent
}

/// Solves, from the last to the first, for the weights of the independent columns that give a column its parts.
fn weights(mut parts: Vec<f64>, independent: &[(usize, Vec<f64>)]) -> Vec<(usize, f64)> {
    let mut weights = Vec::with_capacity(parts.len());
    for (position, column) in independent.iter().rev() {
        let (Some(part), Some((length, others))) = (parts.pop(), column.split_last()) else { break };
        let weight = part / length;
        parts.iter_mut().zip(others).for_each(|(part, other)| *part -= weight * other);
        weights.push((*position, weight));
    }
    weights.reverse();
    let largest = weights.iter().fold(0.0_f64, |largest, (_, weight)| largest.max(weight.abs()));
    weights.retain(|(_, weight)| weight.abs() > NEGLIGIBLE * largest);
    weights
}
