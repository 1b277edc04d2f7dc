use serde::{Deserialize, Serialize};

/// The columns that a model was trained on, features in the order of its coefficients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The inputs, in the order in which [`Model::predict_row`](crate::Model::predict_row) takes them.
    pub features: Vec<Column>,
    /// What is predicted.
    pub target: Column,
}

impl Schema {
    /// The position of the feature of this name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|column| column.name == name)
    }

    /// The names of the features, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.features.iter().map(|column| column.name.as_str())
    }
}

/// One column: its name, type, unit and the range of its values in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The name in the header of the data.
    pub name: String,
    /// The type of its values.
    pub kind: Kind,
    /// The unit of its values, as the configuration states it (`g/L`).
    pub unit: Option<String>,
    /// The smallest and largest value in training.
    pub range: Range,
}

impl Column {
    /// A column whose range is that of `values`; `None` where there is none or one is not finite.
    #[must_use]
    pub fn observed(name: &str, kind: Kind, unit: Option<String>, values: &[f64]) -> Option<Self> {
        let range = Range::of(values)?;
        Some(Self { name: name.to_owned(), kind, unit, range })
    }
}

/// The type of a column's values. Both are held as `f64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Any finite number.
    Float,
    /// Whole numbers of at most 2^53, which an `f64` holds exactly.
    Integer,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Float => "float",
            Self::Integer => "integer",
        })
    }
}

/// The smallest and largest of some values, both finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Range {
    /// The range of `values`; `None` where there is none or one is not finite.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Self { min, max })
    }

    /// Whether `value` lies inside, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }
}
