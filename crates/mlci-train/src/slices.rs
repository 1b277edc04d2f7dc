//! How a model does on groups of the rows.

mod check;

use mlci_model::{Kind, Profile};

pub(crate) use self::check::check;
pub use self::check::{GroupReport, SliceReport};
use crate::{Gathered, Table, number::short};

/// The held-out rows in groups, by the value of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceColumn {
    /// The column.
    pub column: String,
    /// Its groups; each row is in one.
    pub groups: Vec<Group>,
}

/// Rows that have something in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What they have in common: a level, a value, or a range.
    pub name: String,
    /// Their positions among the rows held out, ascending.
    pub rows: Vec<usize>,
}

/// A column that rows cannot be grouped by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SliceError {
    /// The data has no such column.
    #[error("`[gate] slices` names `{column}`, which the data does not have{}",
        nearest.as_ref().map_or_else(String::new, |nearest| format!(" (nearest: `{nearest}`)")))]
    Absent {
        /// The column.
        column: String,
        /// The nearest name.
        nearest: Option<String>,
    },
    /// It has one, but not as numbers or levels.
    #[error("`[gate] slices` names `{column}`, which is not wholly numeric: declare it a category (`[data.columns]`)")]
    Unusable {
        /// The column.
        column: String,
    },
}

/// Groups the rows held out by columns of the data, features or not: by the levels of a category, the values of a number
/// that has at most ten in training, or else by the tenths of the training rows (of many, a sample).
///
/// # Errors
/// [`SliceError`] where there is no such column, or it is neither numeric nor a category.
pub fn slices(gathered: &Gathered, columns: &[String]) -> Result<Vec<SliceColumn>, SliceError> {
    let training: Vec<usize> = gathered.sampled_training().into_iter().map(|(row, _)| row).collect();
    columns.iter().map(|column| slice(gathered, &training, column)).collect()
}

fn slice(gathered: &Gathered, training: &[usize], column: &str) -> Result<SliceColumn, SliceError> {
    let described = gathered.schema.features.iter().find(|feature| feature.name == column);
    let levels = described.filter(|column| column.kind == Kind::Category).map(|column| column.levels.as_slice());
    let held_out = values(&gathered.held_out, column)?;
    let sample = values(&gathered.sample, column)?;
    let training: Vec<f64> = training.iter().filter_map(|row| sample.get(*row).copied()).collect();
    let (names, place) = match levels {
        Some(levels) => by_level(levels, &held_out),
        None => by_number(&training, &held_out),
    };
    let mut groups: Vec<Group> = names.into_iter().map(|name| Group { name, rows: Vec::new() }).collect();
    for (row, place) in place.into_iter().enumerate() {
        if let Some(group) = groups.get_mut(place) {
            group.rows.push(row);
        }
    }
    groups.retain(|group| !group.rows.is_empty());
    Ok(SliceColumn { column: column.to_owned(), groups })
}

fn values(table: &Table, column: &str) -> Result<Vec<f64>, SliceError> {
    if let Some(position) = table.schema().position(column) {
        return Ok(table.features().column(position).to_vec());
    }
    match table.spare.iter().find(|(name, _)| name == column) {
        Some((_, values)) => Ok(values.clone()),
        None if column == table.schema().target.name => Ok(table.target().to_vec()),
        None => Err(missing(table, column)),
    }
}

fn missing(table: &Table, column: &str) -> SliceError {
    let names: Vec<&str> = table.report().columns.iter().map(|column| column.name.as_str()).collect();
    if names.contains(&column) {
        return SliceError::Unusable { column: column.to_owned() };
    }
    let alike = names.into_iter().map(|name| (strsim::jaro_winkler(name, column), name));
    let nearest = alike.filter(|(alike, _)| *alike > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
    SliceError::Absent { column: column.to_owned(), nearest: nearest.map(|(_, name)| name.to_owned()) }
}

/// The names of groups, and for each row the group that it is in.
type Placed = (Vec<String>, Vec<usize>);

fn by_level(levels: &[String], held_out: &[f64]) -> Placed {
    (levels.to_vec(), held_out.iter().map(|value| *value as usize).collect())
}

fn by_number(training: &[f64], held_out: &[f64]) -> Placed {
    const FEW: usize = 10;
    let mut values = training.to_vec();
    values.sort_by(f64::total_cmp);
    values.dedup();
    if values.len() <= FEW {
        values.extend(held_out);
        values.sort_by(f64::total_cmp);
        values.dedup();
        let place = held_out.iter().map(|value| values.partition_point(|other| other < value)).collect();
        return (values.into_iter().map(short).collect(), place);
    }
    let Some(profile) = Profile::of(training) else { return (Vec::new(), Vec::new()) };
    let edges = &profile.edges;
    let name = |bin: usize| match (bin.checked_sub(1).and_then(|below| edges.get(below)), edges.get(bin)) {
        (None, Some(to)) => format!("up to {}", short(*to)),
        (Some(from), Some(to)) => format!("above {} up to {}", short(*from), short(*to)),
        (Some(from), None) => format!("above {}", short(*from)),
        (None, None) => "all".to_owned(),
    };
    ((0..=edges.len()).map(name).collect(), held_out.iter().map(|value| profile.bin(*value)).collect())
}
