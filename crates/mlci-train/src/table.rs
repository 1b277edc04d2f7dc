use std::fmt;

use mlci_model::{Column, Kind, PredictError, Schema};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::{DataReport, RowUnit, ScoreError, read::replace};

/// Data that has been read: a matrix of features, the target, and what else can be of use. At least one row.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) schema: Schema,
    pub(crate) features: Array2<f64>,
    pub(crate) target: Array1<f64>,
    /// Columns that are no features, but wholly numeric.
    pub(crate) spare: Vec<(String, Vec<f64>)>,
    /// Columns that are no features, but declared as categories.
    pub(crate) categories: Vec<OtherCategory>,
    pub(crate) lines: Vec<u64>,
    pub(crate) hashes: Vec<u64>,
    pub(crate) ids: Option<Vec<String>>,
    pub(crate) report: DataReport,
}

/// A category that is neither a feature nor the target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OtherCategory {
    pub(crate) name: String,
    /// By the bytes of their names; the one of no name stands for missing values.
    pub(crate) levels: Vec<String>,
    /// Which of them each row has.
    pub(crate) positions: Vec<f64>,
}

/// What is known of such a column without its rows.
#[derive(Debug, Clone)]
pub(crate) struct OtherLevels {
    pub(crate) name: String,
    pub(crate) levels: Vec<String>,
    /// What each position becomes, where any changes.
    pub(crate) map: Option<Vec<f64>>,
}

impl OtherLevels {
    pub(crate) fn column(&self, mut positions: Vec<f64>) -> OtherCategory {
        if let Some(map) = &self.map {
            positions.iter_mut().for_each(|position| replace(position, map));
        }
        OtherCategory { name: self.name.clone(), levels: self.levels.clone(), positions }
    }
}

impl Table {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The features and the target, with their ranges over the whole table.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The features, of shape (rows, features), in the order of the schema; all finite.
    #[must_use]
    pub fn features(&self) -> ArrayView2<'_, f64> {
        self.features.view()
    }

    /// The target, of shape (rows,); all finite.
    #[must_use]
    pub fn target(&self) -> ArrayView1<'_, f64> {
        self.target.view()
    }

    /// The line of the data on which row `row` begins, from 1, the header included, or its number, from 1, as
    /// [`DataReport::unit`] says; `None` beyond the last row.
    #[must_use]
    pub fn line(&self, row: usize) -> Option<u64> {
        self.lines.get(row).copied()
    }

    /// The identifier of row `row` as it is written; `None` where the data names none, or the row's is empty.
    #[must_use]
    pub fn id(&self, row: usize) -> Option<&str> {
        self.ids.as_ref()?.get(row).map(String::as_str).filter(|id| !id.is_empty())
    }

    /// XXH3 of all fields of row `row`, trimmed, with the delimiter between them: equal rows have equal hashes.
    #[must_use]
    pub fn row_hash(&self, row: usize) -> Option<u64> {
        self.hashes.get(row).copied()
    }

    /// What errors call the rows.
    pub(crate) fn row_numbers(&self) -> RowNumbers<'_> {
        RowNumbers { unit: self.report.unit, numbers: &self.lines }
    }

    /// What was found in the data.
    #[must_use]
    pub fn report(&self) -> &DataReport {
        &self.report
    }

    /// The features that another model wants, of shape (rows, features), in the order of its schema. They may be
    /// columns that this table does not use as features, as long as they are wholly numeric.
    ///
    /// # Errors
    /// [`MissingColumns`] naming those that are not there.
    pub fn matrix_for(&self, schema: &Schema) -> Result<Array2<f64>, MissingColumns> {
        let rows: Vec<usize> = (0..self.rows()).collect();
        let values = self.values_for(schema, &rows)?;
        // The shape is that of the values: one a row and feature.
        Ok(Array2::from_shape_vec((rows.len(), schema.features.len()), values).unwrap_or_default())
    }

    /// As [`Table::matrix_for`], of some rows, one after the other. Rows that do not exist are left out.
    pub(crate) fn values_for(&self, schema: &Schema, rows: &[usize]) -> Result<Vec<f64>, MissingColumns> {
        let mut columns = Vec::with_capacity(schema.features.len());
        let mut missing = MissingColumns { absent: Vec::new(), unusable: Vec::new() };
        for wanted in &schema.features {
            let name = &wanted.name;
            if let Some(position) = self.schema.position(name)
                && let Some(there) = self.schema.features.get(position)
                && let Some(map) = positions(there, wanted)
            {
                columns.push((self.features.column(position), map));
            } else if wanted.levels.is_empty()
                && let Some((_, values)) = self.spare.iter().find(|(spare, _)| spare == name)
            {
                columns.push((ArrayView1::from(values), Vec::new()));
            } else if self.report.columns.iter().any(|column| column.name == *name) {
                missing.unusable.push(name.to_owned());
            } else {
                missing.absent.push(name.to_owned());
            }
        }
        if !(missing.absent.is_empty() && missing.unusable.is_empty()) {
            return Err(missing);
        }
        let rows = rows.iter().filter(|row| **row < self.rows());
        let value = |(column, map): &(ArrayView1<'_, f64>, Vec<f64>), row: usize| {
            let value = column[row];
            if map.is_empty() { value } else { map.get(value as usize).copied().unwrap_or(f64::NAN) }
        };
        Ok(rows.flat_map(|row| columns.iter().map(move |column| value(column, *row))).collect())
    }
}

/// Where rows stand in the data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowNumbers<'a> {
    pub(crate) unit: RowUnit,
    /// One a row.
    pub(crate) numbers: &'a [u64],
}

impl RowNumbers<'_> {
    /// Of a row, 0 where it does not exist.
    pub(crate) fn of(&self, row: usize) -> u64 {
        self.numbers.get(row).copied().unwrap_or_default()
    }

    /// Of the row that cannot be predicted, if it is one.
    pub(crate) fn of_error(&self, error: &mut PredictError) -> Option<RowPlace> {
        Some(self.place(*error.row_mut()?))
    }

    /// Of the row whose prediction cannot be scored, if it is one.
    pub(crate) fn of_score(&self, error: &ScoreError) -> Option<RowPlace> {
        Some(self.place(error.row()?))
    }

    fn place(&self, row: usize) -> RowPlace {
        RowPlace { unit: self.unit, line: self.of(row), row }
    }
}

/// A row of the data that is one of some rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPlace {
    /// What its number in the data counts.
    pub unit: RowUnit,
    /// That number.
    pub line: u64,
    /// Its place among the rows, from 0.
    pub row: usize,
}

impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of the data (row {} of those given, from 0)", self.unit, self.line, self.row)
    }
}

/// What each position of the levels of a column here is in another model's column; nothing: values stay as they are.
/// `None`: the columns are not of one kind, or a level here is none there.
fn positions(here: &Column, there: &Column) -> Option<Vec<f64>> {
    let is_text = |column: &Column| matches!(column.kind, Kind::Category | Kind::Date);
    if (is_text(here) || is_text(there)) && here.kind != there.kind {
        return None;
    }
    here.levels.iter().map(|level| there.level(level)).collect()
}

/// Columns that a model needs and a table cannot give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the data cannot give what the model predicts from{}{}",
    list("; it has no column ", absent),
    list("; not wholly numeric, with other levels, or not a possible feature: ", unusable)
)]
pub struct MissingColumns {
    /// Columns that the data does not have.
    pub absent: Vec<String>,
    /// Columns that it has, but not as finite numbers in every row, or with levels that the model does not know, or as
    /// the target or identifier; and the target, if it has other classes.
    pub unusable: Vec<String>,
}

fn list(introduction: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("{introduction}{}", names.join(", "))
}
