use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The CSV file, with a header.
    pub path: String,
    /// The column to predict.
    pub target: String,
    /// The columns to predict from. Default: all but the target, the id and the excluded ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// Columns that are no features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The column that names a row; kept as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The character between fields: one ASCII character.
    #[serde(default = "defaults::delimiter")]
    pub delimiter: char,
    /// What to do with rows that miss a value: `stop` or `drop`.
    #[serde(default)]
    pub missing: Missing,
    /// What is known of single columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, Column>,
}

/// What to do with rows that miss a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Stop, naming line and column.
    #[default]
    Stop,
    /// Leave the row out and count it.
    Drop,
}

/// `[data.columns.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The type: `float` or `integer`. Default: inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ColumnType>,
    /// The unit of its values, such as `g/L`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The smallest value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The largest value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Any finite number.
    Float,
    /// Whole numbers of at most 2^53.
    Integer,
}
