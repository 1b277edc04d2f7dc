use mlci_model::Design;

use crate::FitError;
use crate::linear::{Centre, LinearFit, LinearOptions};

/// How many rows a block has, save the last one of the data.
///
/// Results depend on where blocks end, in their last digits. So that they depend on nothing else, not on how the bytes
/// came or how many threads there are, edges are at the multiples of this number.
pub const BLOCK_ROWS: usize = 1024;

/// Some rows, each with its features and, last, its target.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    values: &'a [f64],
    width: usize,
    weights: Option<&'a [f64]>,
}

impl<'a> Block<'a> {
    /// Takes `values` as rows of `features` features and the target, one row after the other.
    ///
    /// # Errors
    /// [`BlockError::Shape`] where there are no features, or the last row is cut short.
    pub fn new(values: &'a [f64], features: usize) -> Result<Self, BlockError> {
        let width = features.saturating_add(1);
        if features == 0 {
            return Err(BlockError::Shape { what: "numbers in whole rows", found: values.len(), width });
        }
        Self::of_width(values, width)
    }

    /// As [`Block::new`], of rows that may have no feature.
    pub(super) fn of_width(values: &'a [f64], width: usize) -> Result<Self, BlockError> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(BlockError::Shape { what: "numbers in whole rows", found: values.len(), width });
        }
        Ok(Self { values, width, weights: None })
    }

    /// Gives each row a weight, by which its squared residual is multiplied: as the `weights` of R's `lm` or the
    /// `sample_weight` of scikit-learn. A row of weight zero is as good as absent.
    ///
    /// # Errors
    /// [`BlockError::Shape`] where there is not one weight a row, [`BlockError::Weight`] where one is negative or not
    /// finite.
    pub fn weighted(self, weights: &'a [f64]) -> Result<Self, BlockError> {
        if weights.len() != self.rows() {
            return Err(BlockError::Shape { what: "weights, one a row", found: weights.len(), width: self.width });
        }
        match weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            Some(row) => {
                Err(BlockError::Weight { row: row as u64, value: weights.get(row).copied().unwrap_or(f64::NAN) })
            }
            None => Ok(Self { weights: Some(weights), ..self }),
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// How many features a row has.
    #[must_use]
    pub fn features(&self) -> usize {
        self.width - 1
    }

    pub(super) fn values(&self) -> &'a [f64] {
        self.values
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn weights(&self) -> Option<&'a [f64]> {
        self.weights
    }

    /// The pieces of at most [`BLOCK_ROWS`] rows, each with the row it begins on.
    pub(super) fn pieces(self) -> impl Iterator<Item = (u64, Self)> {
        let weights = move |from: usize, rows: usize| self.weights.and_then(|all| all.get(from..from + rows));
        self.values.chunks(BLOCK_ROWS * self.width).enumerate().map(move |(number, values)| {
            let from = number * BLOCK_ROWS;
            let piece = Self { values, width: self.width, weights: weights(from, values.len() / self.width) };
            (from as u64, piece)
        })
    }
}

/// Rows that cannot be summed up, or sums that do not go together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// Too few or too many numbers.
    #[error("{found} is no number of {what}, which are of {width} numbers: the features and the target")]
    Shape {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many numbers a row has.
        width: usize,
    },
    /// Statistics of different numbers of features.
    #[error("rows of {found} features cannot be put together with rows of {expected}")]
    Features {
        /// How many the one has.
        found: usize,
        /// How many the other has.
        expected: usize,
    },
    /// A number is not finite.
    #[error("row {row} (from 0) of the rows given has {value} in column {column} (from 0), not a finite number")]
    NotFinite {
        /// The row, from 0.
        row: u64,
        /// The column, from 0; the target is the last.
        column: usize,
        /// The number.
        value: f64,
    },
    /// A weight is negative or not finite.
    #[error("row {row} (from 0) of the rows given has the weight {value}: weights are finite, and not negative")]
    Weight {
        /// The row, from 0.
        row: u64,
        /// The weight.
        value: f64,
    },
    /// Numbers are too large to be computed with.
    #[error("the values in column {column} (from 0) are too large to be squared and summed: use a larger unit")]
    TooLarge {
        /// The column, from 0; the target is the last.
        column: usize,
    },
    /// A block came twice.
    #[error("block {number} (from 0) was there already")]
    Twice {
        /// Its number, from 0.
        number: u64,
    },
    /// A block did not come.
    #[error("block {number} (from 0) is missing from the {blocks} blocks")]
    Missing {
        /// Its number, from 0.
        number: u64,
        /// How many blocks there should be.
        blocks: u64,
    },
    /// There were no rows.
    #[error("there are no rows")]
    Empty,
}

impl BlockError {
    /// The same, of rows that begin on row `first` of others.
    pub(super) fn in_rows_from(self, first: u64) -> Self {
        match self {
            Self::NotFinite { row, column, value } => Self::NotFinite { row: row + first, column, value },
            Self::Weight { row, value } => Self::Weight { row: row + first, value },
            other => other,
        }
    }
}

/// What the two ways of keeping rows have in common.
pub trait Summary: Sized {
    /// Sums up at most [`BLOCK_ROWS`] rows.
    fn of_piece(block: Block<'_>) -> Result<Self, BlockError>;

    /// Sums up at most [`BLOCK_ROWS`] rows, of the values of `features` features and the target, as the columns that the
    /// design makes of the features, and the target.
    fn of_design(rows: &[f64], features: usize, design: &Design) -> Result<Self, BlockError> {
        let mut columns = Vec::with_capacity(rows.len() / (features + 1) * (design.width() + 1));
        for row in rows.chunks_exact(features + 1) {
            if let [values @ .., target] = row {
                design.expand(values, &mut columns);
                columns.push(*target);
            }
        }
        Self::of_piece(Block::new(&columns, design.width())?)
    }

    /// Where the rows lie.
    fn centre(&self) -> &Centre;
}

/// What is kept of rows in order to fit to them, of a size that does not grow with their number:
/// [`Moments`](crate::Moments) or [`BlockQr`](crate::BlockQr). Both go through serde, to be merged on another machine.
///
/// ```
/// use mlci_train::{Accumulator, Block, BlockQr, FitError, LinearOptions, Moments, Statistic};
///
/// // y = 2·a - b + 1, and a little that neither explains; rows come in any number at a time.
/// let row = |i: i32| {
///     let (a, b) = (f64::from(i % 17), f64::from(i * i % 23));
///     [a, b, 2.0 * a - b + 1.0 + 0.1 * f64::from(i).sin()]
/// };
/// let mut early = Accumulator::<Moments>::new(2);
/// let mut late = Accumulator::<Moments>::new(2);
/// for i in 0..3000 {
///     (if i < 2000 { &mut early } else { &mut late }).push(Block::new(&row(i), 2)?)?;
/// }
/// // Two parts of the rows, summed up apart, make the fit to all.
/// let mut all = early.finish()?;
/// all.merge(&late.finish()?)?;
/// let fit = all.solve(&["a", "b"], &LinearOptions::default())?;
/// assert!((fit.linear.coefficients[0] - 2.0).abs() < 1e-3 && fit.r_squared > Some(0.999));
/// let slope = fit.inference?.coefficients[0];
/// assert!(slope.p_value < 1e-12);
/// let interval = slope.interval(0.95).unwrap();
/// assert!(interval.low < 2.0 && 2.0 < interval.high);
///
/// // Of columns that nearly depend on each other sums of products have lost the digits: the QR has them.
/// let rows: Vec<f64> = (0..3000).flat_map(|i| { let [a, b, y] = row(i); [a, a + 1e-4 * b, y] }).collect();
/// let block = Block::new(&rows, 2)?;
/// let refused = Moments::of(block)?.solve(&["a", "b"], &LinearOptions::default());
/// assert!(matches!(refused, Err(FitError::IllConditioned { .. })));
/// let fit = BlockQr::of(block)?.solve(&["a", "b"], &LinearOptions::default())?;
/// assert!((fit.linear.coefficients[1] + 1e4).abs() < 10.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Statistic: Summary {
    /// Sums up the rows of a block. More than [`BLOCK_ROWS`] rows are summed up piece by piece.
    ///
    /// # Errors
    /// [`BlockError`] where a number is not finite, or too large to be squared, or there is no row.
    fn of(block: Block<'_>) -> Result<Self, BlockError> {
        let mut all: Option<Self> = None;
        for (first, piece) in block.pieces() {
            let piece = Self::of_piece(piece).map_err(|error| error.in_rows_from(first))?;
            match &mut all {
                None => all = Some(piece),
                Some(all) => all.merge(&piece)?,
            }
        }
        all.ok_or(BlockError::Empty)
    }

    /// Adds rows that come later.
    ///
    /// # Errors
    /// [`BlockError::Features`] where they have another number of features; nothing has changed then.
    fn merge(&mut self, later: &Self) -> Result<(), BlockError>;

    /// Fits to the rows. `names` has the names of the features, for errors.
    ///
    /// # Errors
    /// [`FitError`] where the rows do not determine the coefficients, or not to enough digits.
    fn solve(&self, names: &[&str], options: &LinearOptions) -> Result<LinearFit, FitError>;

    /// `Σ w·(x - mean)²` of each feature and, last, of the target.
    fn squares(&self) -> Vec<f64>;

    /// How many rows there are, not counting those of weight zero.
    fn rows(&self) -> u64 {
        self.centre().rows
    }

    /// The means of the features and, last, of the target.
    fn means(&self) -> &[f64] {
        &self.centre().mean
    }

    /// The smallest values of the features and, last, of the target.
    fn smallest(&self) -> &[f64] {
        &self.centre().low
    }

    /// The largest values of the features and, last, of the target.
    fn largest(&self) -> &[f64] {
        &self.centre().high
    }
}
