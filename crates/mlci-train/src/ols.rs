use linfa::{DatasetBase, traits::Fit as _};
use linfa_linalg::qr::QR as _;
use linfa_linear::LinearRegression;
use mlci_model::{Estimator, Linear};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ShapeBuilder as _};

use crate::{Fit, FitError, dependence};

/// Ordinary least squares: the weights `w` and intercept `b` minimising `‖X·w + b·1 - y‖₂`.
///
/// Needs more rows than features, all finite. Columns that are constant, or a sum of others, are refused by name, where
/// linfa would return whatever rounding leaves of their coefficients. Coefficient `j` is in units of `y` per unit of
/// column `j`.
///
/// The features are centred and scaled to length 1 before linfa solves by Householder QR (Golub & Van Loan, *Matrix
/// Computations*, 4th ed., §5.3), so that neither their units nor a large offset cost digits. A column counts as
/// constant if it varies by less than 4 units in its last place; it counts as dependent if at most 1e-10 of its
/// length is left outside the space of the columns before it, or, where columns lie so far from zero that their own
/// rounding explains more, at most 16 times that.
///
/// Time `O(n·p²)`; beyond the inputs, memory is three copies of `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ols;

const TARGET: &str = "the target";

impl Fit for Ols {
    fn fit(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &[&str]) -> Result<Estimator, FitError> {
        check(x, y, names)?;
        let (rows, features) = x.dim();
        let mut scaled = Array2::zeros((rows, features).f());
        let mut columns = Vec::with_capacity(features);
        for ((column, name), place) in x.columns().into_iter().zip(names).zip(scaled.columns_mut()) {
            columns.push(Centred::new(column, name, place)?);
        }
        let constant =
            |(column, name): (&Centred, &&str)| column.is_constant.then(|| ((*name).to_owned(), column.mean));
        let constants: Vec<_> = columns.iter().zip(names).filter_map(constant).collect();
        if !constants.is_empty() {
            return Err(FitError::constant(constants, rows));
        }
        refuse_dependent(&scaled, &columns, names)?;

        let mut centred = Array1::zeros(rows);
        let target = Centred::new(y, TARGET, centred.view_mut())?;
        // Of centred columns the intercept is the mean of the target, so there is none to solve for.
        let problem = DatasetBase::new(scaled, centred);
        let solution = LinearRegression::default()
            .with_intercept(false)
            .fit(&problem)
            .map_err(|error| FitError::Solver(Box::new(error)))?;
        let coefficients: Vec<f64> = solution
            .params()
            .iter()
            .zip(&columns)
            .map(|(weight, column)| weight / column.length * target.length)
            .collect();
        let offset: f64 = coefficients.iter().zip(&columns).map(|(weight, column)| weight * column.mean).sum();
        Ok(Estimator::Linear(Linear { coefficients, intercept: target.mean - offset }))
    }
}

fn check(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &[&str]) -> Result<(), FitError> {
    let (rows, features) = x.dim();
    for (what, found, expected) in [
        ("the target", y.len(), rows),
        ("the list of names", names.len(), features),
        ("a row of features", features, features.max(1)),
    ] {
        if found != expected {
            return Err(FitError::Shape { what, found, expected });
        }
    }
    let finite =
        |column: ArrayView1<'_, f64>, name: &str| match column.iter().enumerate().find(|(_, value)| !value.is_finite())
        {
            Some((row, &value)) => Err(FitError::NotFinite { row, column: name.to_owned(), value }),
            None => Ok(()),
        };
    for (column, name) in x.columns().into_iter().zip(names) {
        finite(column, name)?;
    }
    finite(y, TARGET)?;
    if rows <= features {
        return Err(FitError::TooFewRows { rows, features, intercept: true });
    }
    Ok(())
}

/// What was taken from a column to centre it and scale it to length 1.
struct Centred {
    mean: f64,
    length: f64,
    /// How far rounding of the column as it was may have moved it, relative to its length now.
    rounding: f64,
    is_constant: bool,
}

impl Centred {
    fn new(
        column: ArrayView1<'_, f64>,
        name: &str,
        mut place: ndarray::ArrayViewMut1<'_, f64>,
    ) -> Result<Self, FitError> {
        let count = column.len() as f64;
        let rough = column.sum() / count;
        // A second pass takes away what rounding left in the first.
        let mean = rough + column.iter().map(|value| value - rough).sum::<f64>() / count;
        let too_large = || FitError::TooLarge { column: name.to_owned() };
        if !mean.is_finite() {
            return Err(too_large());
        }
        place.assign(&column);
        place -= mean;
        let largest = place.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let size = column.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let is_constant = largest <= 4.0 * f64::EPSILON * size;
        if is_constant {
            place.fill(0.0);
            return Ok(Self { mean, length: 1.0, rounding: 0.0, is_constant });
        }
        // Scaled first, so that neither large nor small values leave the range when squared.
        place /= largest;
        let length = place.dot(&place).sqrt();
        place /= length;
        let length = length * largest;
        if !length.is_finite() {
            return Err(too_large());
        }
        Ok(Self { mean, length, rounding: f64::EPSILON * size / (length / count.sqrt()), is_constant })
    }
}

fn refuse_dependent(scaled: &Array2<f64>, columns: &[Centred], names: &[&str]) -> Result<(), FitError> {
    // The triangle has the same lengths and angles as the whole, and p rows instead of n.
    let r = scaled.qr().map_err(|error| FitError::Solver(Box::new(error)))?.into_r();
    let rounding: Vec<f64> = columns.iter().map(|column| column.rounding).collect();
    let found = dependence::find(r.view(), &rounding);
    if found.is_empty() {
        return Ok(());
    }
    let (means, lengths): (Vec<f64>, Vec<f64>) = columns.iter().map(|column| (column.mean, column.length)).unzip();
    Err(FitError::dependent(dependence::name(found, names, &means, &lengths)))
}
