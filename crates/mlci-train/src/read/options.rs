use std::collections::BTreeMap;

use mlci_model::{Kind, Unseen, Value};
use serde::{Deserialize, Serialize};

/// How a CSV file is to be read: which column is what, and what its values may be.
///
/// Made by [`ReadOptions::new`] and then filled in; the names in the comments are the keys of `mlci.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadOptions {
    /// `[data] delimiter`: the byte between fields, an ASCII character other than a quote or a line end. Default `,`.
    pub delimiter: u8,
    /// `[data] comment`: the byte that lines to be passed over begin with, an ASCII character. `None`: there are none.
    pub comment: Option<u8>,
    /// `[data] missing`: what becomes of a row with a missing value. Default [`MissingPolicy::Stop`].
    pub missing: MissingPolicy,
    /// `[data] target`: the column to predict.
    pub target: String,
    /// `[data] features`: the columns to predict from, in the order that the model gets. `None`: every column that is
    /// not the target, the identifier or excluded, in the order of the header.
    pub features: Option<Vec<String>>,
    /// `[data] exclude`: columns that are no features.
    pub exclude: Vec<String>,
    /// `[data] id`: the column that names rows. It is kept as text, so that no digit of it is lost.
    pub id: Option<String>,
    /// `[data.columns.NAME]`: what is known about single columns.
    pub columns: BTreeMap<String, ColumnOptions>,
}

impl ReadOptions {
    /// Options that predict `target` from every other column, and stop at a missing value.
    #[must_use]
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            delimiter: b',',
            comment: None,
            missing: MissingPolicy::Stop,
            target: target.into(),
            features: None,
            exclude: Vec::new(),
            id: None,
            columns: BTreeMap::new(),
        }
    }
}

/// What becomes of a row where a feature or the target is missing or not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingPolicy {
    /// Reading stops with an error that names lines and columns.
    #[default]
    Stop,
    /// The row is left out and counted in [`DataReport::dropped`](crate::DataReport::dropped).
    Drop,
}

/// What is known about a column. It is checked for features and the target; of other columns only [`Self::unique`] and
/// [`Self::max_missing`] are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnOptions {
    /// The type of its values. `None`: [`Kind::Category`] where there are [`Self::levels`], else inferred
    /// ([`Kind::Integer`] if every value is whole, at most 2^53 and written without point or exponent, else
    /// [`Kind::Float`]).
    pub kind: Option<Kind>,
    /// The unit of its values, for people (`g/L`).
    pub unit: Option<String>,
    /// The smallest value allowed: a number, or a date.
    pub min: Option<Value>,
    /// The largest value allowed.
    pub max: Option<Value>,
    /// The only values allowed in a column of numbers; empty: any.
    pub allowed: Vec<f64>,
    /// The levels of a category, the base level first. Empty: those of the data, by the bytes of their names.
    pub levels: Vec<String>,
    /// Which of the levels of the data is the base level. `None`: the first.
    pub base: Option<String>,
    /// What becomes of a level that is none of [`Self::levels`], here and wherever the model predicts.
    pub unseen: Unseen,
    /// What stands in for a missing value, here and wherever the model predicts: a number, a level or a date.
    pub fill: Option<Value>,
    /// Whether no value may stand in two rows; missing ones may.
    pub unique: bool,
    /// The largest share of the rows that may lack a value, from 0 to 1.
    pub max_missing: Option<f64>,
}
