//! Columns that are in memory already.

use ndarray::ArrayView1;

use super::{
    ReadError, ReadOptions, RowUnit,
    cell::Form,
    field::Field,
    parallel,
    plan::{self, Plan},
    rows::Rows,
};
use crate::Table;

/// The values of a column that is in memory, a value a row.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Values<'v> {
    /// Numbers; NaN is a missing one.
    Numbers(ArrayView1<'v, f64>),
    /// Texts, which are what they would be in CSV: levels, dates such as `2026-11-03`, numbers, or nothing.
    Texts(&'v [&'v str]),
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    fn field(&self, row: usize) -> Field<'_> {
        match self {
            Self::Numbers(numbers) => Field::Number(numbers.get(row).copied().unwrap_or(f64::NAN), Form::Decimal),
            Self::Texts(texts) => Field::text(texts.get(row).copied().unwrap_or_default().as_bytes()),
        }
    }
}

/// Takes columns that are in memory, each with its name, by the rules of [`read_csv`](super::read_csv): for rows that
/// come from a database, a feature store, or another crate's data frame.
///
/// Numbers are [`Kind::Float`](mlci_model::Kind::Float) unless another kind is declared. Places in errors are rows, the
/// first of them row 1, and [`Table::row_hash`] is of the values. There are no bytes that a digest could be of: what a
/// model says that it was trained on is for the caller to make up, such as the digest of a query and its time.
///
/// Memory: that of the table.
///
/// ```
/// use mlci_train::{Digest, ReadOptions, TrainOptions, Values, ndarray::Array2, read_columns, train};
///
/// let x = Array2::from_shape_fn((100, 2), |(row, column)| (row * (column + 3) % 17) as f64);
/// let y = x.column(0).mapv(|value| 2.0 * value) - x.column(1);
/// let columns = [
///     ("age", Values::Numbers(x.column(0))),
///     ("income", Values::Numbers(x.column(1))),
///     ("spend", Values::Numbers(y.view())),
/// ];
/// let table = read_columns(&columns, &ReadOptions::new("spend"))?;
/// let (data, config) = (Digest::of(b"select ..."), Digest::of(b""));
/// let trained = train(&table, &TrainOptions::default(), &"spend".parse()?, data, config)?;
/// assert!((trained.model.predict_row(&[10.0, 5.0])? - 15.0).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read_csv`](super::read_csv), or [`ReadError::Length`] where columns differ in length.
pub fn read_columns(columns: &[(&str, Values<'_>)], options: &ReadOptions) -> Result<Table, ReadError> {
    const BLOCK: usize = 4096;
    let names = plan::names(columns.iter().map(|(name, _)| *name))?;
    let (first, count) = columns.first().map_or(("", 0), |(name, values)| (name, values.len()));
    if let Some((name, values)) = columns.iter().find(|(_, values)| values.len() != count) {
        let (column, found) = ((*name).to_owned(), values.len());
        return Err(ReadError::Length { column, found, first: first.to_owned(), expected: count });
    }
    let plan = Plan::new(names, RowUnit::Row, options)?;
    let mut starts = (0..count).step_by(BLOCK);
    let of_block = |start: usize| {
        let mut rows = Rows::new(&plan, options.missing);
        for row in start..count.min(start + BLOCK) {
            rows.add_fields(row as u64 + 1, columns.iter().map(|(_, values)| values.field(row)));
        }
        Ok::<_, ReadError>(rows)
    };
    let mut rows = Rows::new(&plan, options.missing);
    parallel::in_order(|| Ok(starts.next()), of_block, |next| rows.append(next))?;
    rows.finish()
}
