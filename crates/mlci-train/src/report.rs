use std::{collections::BTreeMap, fmt};

use mlci_model::{Kind, Profile};
use serde::{Deserialize, Serialize};

use crate::RowUnit;

/// What was found in the data: for the report of a run, and to compare one state of the data with the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataReport {
    /// What the numbers of rows count.
    #[serde(default)]
    pub unit: RowUnit,
    /// How many rows the data has.
    pub rows_read: u64,
    /// How many of them are in the table.
    pub rows_kept: u64,
    /// How many were left out, by reason; a row counts once, under the first reason that applies.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Every column, in the order of the header.
    pub columns: Vec<ColumnReport>,
}

/// Why a row was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropReason {
    /// All its fields are missing.
    OnlyMissing,
    /// A feature or the target is missing.
    Missing,
    /// A feature or the target is not finite.
    NotFinite,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OnlyMissing => "every value missing",
            Self::Missing => "a value missing",
            Self::NotFinite => "a value not finite",
        })
    }
}

/// What was found in one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// Its name in the header.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The type of its values; `None` if they are not all numbers.
    pub kind: Option<Kind>,
    /// The unit of its values, as the configuration states it.
    pub unit: Option<String>,
    /// How many of the rows read lack it.
    pub missing: u64,
    /// In how many of them something stands in for it.
    pub filled: u64,
    /// In how many rows the base level stands in for a level that is none.
    pub unseen: u64,
    /// The levels of a category and how often each is there, in the order of the schema; the first 50.
    pub levels: Vec<LevelCount>,
    /// What is declared of its values, for people; all rows keep to it.
    pub checks: Vec<String>,
    /// How many different values the rows kept have.
    pub distinct: Distinct,
    /// Count, mean, standard deviation, range and deciles of the rows kept; `None` if they are not all numbers.
    pub profile: Option<Profile>,
}

/// A level of a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelCount {
    /// Its name.
    pub level: String,
    /// How many of the rows kept have it.
    pub count: u64,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The model predicts from it.
    Feature,
    /// The model predicts it.
    Target,
    /// It names rows.
    Id,
    /// Nothing.
    Unused,
}

impl Role {
    /// Whether a model is trained on the column.
    pub(crate) fn is_used(self) -> bool {
        matches!(self, Self::Feature | Self::Target)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Feature => "feature",
            Self::Target => "target",
            Self::Id => "id",
            Self::Unused => "unused",
        })
    }
}

/// A number of different values, counted up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distinct {
    /// So many.
    Exactly(u64),
    /// More than so many.
    MoreThan(u64),
}

impl Distinct {
    /// Different values are told apart up to this number.
    pub(crate) const LIMIT: usize = 1000;

    pub(crate) fn of(count: usize) -> Self {
        if count > Self::LIMIT { Self::MoreThan(Self::LIMIT as u64) } else { Self::Exactly(count as u64) }
    }
}

impl fmt::Display for Distinct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(count) => write!(f, "{count}"),
            Self::MoreThan(count) => write!(f, "more than {count}"),
        }
    }
}
