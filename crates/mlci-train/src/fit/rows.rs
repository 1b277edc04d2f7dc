use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::{
    Accumulator, BLOCK_ROWS, Block, BlockError, BlockQr, FitError,
    linear::{Centre, Summary as _},
};

pub(super) const TARGET: &str = "the target";

/// The triangle of a matrix and a target. Refuses shapes that differ and numbers that are not finite.
pub(super) fn summed(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &[&str]) -> Result<BlockQr, FitError> {
    let (rows, features) = x.dim();
    for (what, found, expected) in [
        (TARGET, y.len(), rows),
        ("the list of names", names.len(), features),
        ("a row of features", features, features.max(1)),
    ] {
        if found != expected {
            return Err(FitError::Shape { what, found, expected });
        }
    }
    let refused = |error| refused(error, names);
    let mut all = Accumulator::<BlockQr>::new(features);
    let mut values = Vec::with_capacity(BLOCK_ROWS.min(rows) * (features + 1));
    let blocks = x.axis_chunks_iter(Axis(0), BLOCK_ROWS).zip(y.axis_chunks_iter(Axis(0), BLOCK_ROWS));
    for (x, y) in blocks {
        values.clear();
        for (row, target) in x.rows().into_iter().zip(y) {
            values.extend(row);
            values.push(*target);
        }
        all.push(Block::new(&values, features).map_err(refused)?).map_err(refused)?;
    }
    all.finish().map_err(refused)
}

pub(super) fn refuse_constant(centre: &Centre, names: &[&str]) -> Result<(), FitError> {
    let constant = |(column, name): (usize, &&str)| {
        let mean = centre.mean.get(column).copied().unwrap_or_default();
        centre.is_constant(column, false).then(|| ((*name).to_owned(), mean))
    };
    let columns: Vec<_> = names.iter().enumerate().filter_map(constant).collect();
    if columns.is_empty() { Ok(()) } else { Err(FitError::constant(columns, centre.rows as usize)) }
}

/// The standard deviations to divide by, those of the features and, last, of the target: 1 of what does not vary.
pub(super) fn deviations(rows: &BlockQr, names: &[&str]) -> Result<Vec<f64>, FitError> {
    let mut deviations = rows.deviations();
    for (column, deviation) in deviations.iter_mut().enumerate() {
        if rows.centre().is_constant(column, false) {
            *deviation = 1.0;
        }
    }
    // Squares of smaller numbers have lost digits.
    let smallest = (f64::MIN_POSITIVE / f64::EPSILON).sqrt();
    match deviations.iter().position(|deviation| *deviation < smallest) {
        Some(column) => Err(FitError::TooSmall { column: name(names, column) }),
        None => Ok(deviations),
    }
}

fn name(names: &[&str], column: usize) -> String {
    (*names.get(column).unwrap_or(&TARGET)).to_owned()
}

/// What is wrong with the rows, in the words of a fit.
pub(super) fn refused(error: BlockError, names: &[&str]) -> FitError {
    match error {
        BlockError::NotFinite { row, column, value } => {
            FitError::NotFinite { row: row as usize, column: name(names, column), value }
        }
        BlockError::TooLarge { column } => FitError::TooLarge { column: name(names, column) },
        BlockError::Empty => FitError::TooFewRows { rows: 0, features: names.len(), intercept: true },
        other => FitError::Solver(Box::new(other)),
    }
}
