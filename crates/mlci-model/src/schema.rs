use serde::{Deserialize, Serialize};

/// The columns that a model was trained on, features in the order in which it takes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The inputs, in the order in which [`Model::predict_row`](crate::Model::predict_row) takes them.
    pub features: Vec<Column>,
    /// What is predicted. Of kind [`Kind::Category`] the model is a classifier: it predicts the probability of the
    /// second of two levels.
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

/// One column: its name, type and unit, the range of its values in training, and how others are taken.
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
    /// The levels of a category, none twice; a value is the position of its level here. The first is the base level,
    /// from which linear models count. Empty for every other kind.
    pub levels: Vec<String>,
    /// What becomes of a level that is none of them.
    pub unseen: Unseen,
    /// What stands in for a missing value; `None`: a value may not be missing.
    pub fill: Option<f64>,
}

impl Column {
    /// A column of numbers whose range is that of `values`; `None` where there is none or one is not finite.
    #[must_use]
    pub fn observed(name: &str, kind: Kind, unit: Option<String>, values: &[f64]) -> Option<Self> {
        Some(Self::new(name, kind, unit, Range::of(values)?))
    }

    /// A column of numbers none of which may be missing.
    #[must_use]
    pub fn new(name: &str, kind: Kind, unit: Option<String>, range: Range) -> Self {
        let unseen = Unseen::default();
        Self { name: name.to_owned(), kind, unit, range, levels: Vec::new(), unseen, fill: None }
    }

    /// A category with these levels, the base level first.
    #[must_use]
    pub fn category(name: &str, levels: Vec<String>, unseen: Unseen) -> Self {
        let range = Range { min: 0.0, max: levels.len().saturating_sub(1) as f64 };
        Self { name: name.to_owned(), kind: Kind::Category, unit: None, range, levels, unseen, fill: None }
    }
}

/// The type of a column's values. All are held as `f64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Any finite number.
    Float,
    /// Whole numbers of at most 2^53, which an `f64` holds exactly.
    Integer,
    /// One of some levels; held as the position of the level in [`Column::levels`].
    Category,
    /// A date, or a point in time; held as days since 1970-01-01 in UTC, with a fraction.
    Date,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Category => "category",
            Self::Date => "date",
        })
    }
}

/// What becomes of a level of a category that was not there in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unseen {
    /// The row is refused.
    #[default]
    Refuse,
    /// It counts as the base level.
    Base,
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
