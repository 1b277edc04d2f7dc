//! Least squares of rows that come block by block.

mod inference;
mod merge;
mod nist;
mod refused;

use mlci_train::{Block, BlockQr, FitError, LinearFit, LinearOptions, Moments, Statistic};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

fn solve<S: Statistic>(rows: &[f64], features: usize, options: LinearOptions) -> Result<LinearFit, FitError> {
    S::of(Block::new(rows, features).unwrap()).unwrap().solve(&NAMES[..features], &options)
}

/// The fit by either way, which both have to have.
fn both(rows: &[f64], features: usize, options: LinearOptions) -> [LinearFit; 2] {
    [solve::<Moments>(rows, features, options).unwrap(), solve::<BlockQr>(rows, features, options).unwrap()]
}

#[track_caller]
fn near(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found} is not {expected}");
}

/// `rows` rows of `features` columns that share all but `apart` of their variation, far from zero and in different
/// units, and a target with some noise; the same for the same seed.
fn table(seed: u64, rows: usize, features: usize, apart: f64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    let mut values = Vec::with_capacity(rows * (features + 1));
    for _ in 0..rows {
        let shared = uniform();
        let mut target = 7.0;
        for column in 0..features {
            let value = shared + apart * uniform();
            target += (column as f64 - 1.5) * value;
            values.push(100.0 + value * unit(column));
        }
        values.push(target + uniform() / 4.0);
    }
    values
}

/// In which unit [`table`] gives a column.
fn unit(column: usize) -> f64 {
    10_f64.powi(column as i32 % 5 - 2)
}

/// How far the coefficients of two fits to a [`table`] are apart, beside the largest.
fn apart(one: &LinearFit, other: &LinearFit) -> f64 {
    let size = |(column, value): (usize, f64)| (value * unit(column)).abs();
    let largest = one.linear.coefficients.iter().copied().enumerate().map(size).fold(0.0, f64::max);
    let pairs = one.linear.coefficients.iter().zip(&other.linear.coefficients).map(|(one, other)| one - other);
    pairs.enumerate().map(size).fold(0.0, f64::max) / largest
}
