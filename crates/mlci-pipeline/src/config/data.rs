use std::{collections::BTreeMap, path::Path};

use mlci_artifact::Scheme;
use mlci_train::ColumnOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The CSV file, with a header, plain or compressed by gzip or zstd; or a Parquet file, named so. On this machine, or
    /// `s3://BUCKET/KEY` or `gs://BUCKET/KEY`, with credentials from the environment.
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
    /// The character that lines to be passed over begin with: one ASCII character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// What to do with rows that miss a value: `stop` or `drop`.
    #[serde(default)]
    pub missing: Missing,
    /// What is known of single columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, Column>,
}

impl Data {
    /// Whether it is named as Parquet.
    pub(crate) fn is_parquet(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "parquet")
    }

    /// What is wrong with the path, where it names no file and no object.
    pub(super) fn misnamed(&self) -> Option<String> {
        let path = &self.path;
        let (scheme, rest) = path.split_once("://")?;
        let has_key = rest.split_once('/').is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
        match Scheme::of(path) {
            None => Some(format!("`data.path` is `{path}`: `{scheme}://` is not supported")),
            Some(_) if !has_key => Some(format!("`data.path` is `{path}`, which names no object in a bucket")),
            Some(_) => None,
        }
    }
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
    /// The type: `float`, `integer`, `category` or `date`. Default: `category` where there are `levels`, else inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ColumnType>,
    /// The unit of its values, such as `g/L`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The smallest value allowed: a number, or a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The largest value allowed: a number, or a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// The only numbers allowed. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<f64>,
    /// The levels of a category, the base level first. Default: those of the data, in the order of their bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// Which of the levels of the data is the base level. Default: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What becomes of a level that is none of them: `refuse` or `base`.
    #[serde(default, skip_serializing_if = "Unseen::is_default")]
    pub unseen: Unseen,
    /// What stands in for a missing value, in the data and when the model is asked: a number, a level or a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Value>,
    /// Whether no value may stand in two rows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// The largest share of the rows that may lack a value, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_missing: Option<f64>,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number or a text")]
pub enum Value {
    /// A number.
    Number(f64),
    /// A level, or a date.
    Text(String),
}

impl From<&Value> for mlci_model::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// What becomes of a level of a category that is none of its levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unseen {
    /// The row is refused.
    #[default]
    Refuse,
    /// It counts as the base level.
    Base,
}

impl Unseen {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Any finite number.
    Float,
    /// Whole numbers of at most 2^53.
    Integer,
    /// One of some levels.
    Category,
    /// A date (ISO 8601), or a point in time (RFC 3339).
    Date,
}

impl From<ColumnType> for mlci_model::Kind {
    fn from(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Float => Self::Float,
            ColumnType::Integer => Self::Integer,
            ColumnType::Category => Self::Category,
            ColumnType::Date => Self::Date,
        }
    }
}

impl From<&Column> for ColumnOptions {
    fn from(column: &Column) -> Self {
        Self {
            kind: column.kind.map(Into::into),
            unit: column.unit.clone(),
            min: column.min.as_ref().map(Into::into),
            max: column.max.as_ref().map(Into::into),
            allowed: column.allowed.clone(),
            levels: column.levels.clone(),
            base: column.base.clone(),
            unseen: match column.unseen {
                Unseen::Refuse => mlci_model::Unseen::Refuse,
                Unseen::Base => mlci_model::Unseen::Base,
            },
            fill: column.fill.as_ref().map(Into::into),
            unique: column.unique,
            max_missing: column.max_missing,
        }
    }
}
