use mlci_model::{Column, Kind, Profile};

use crate::{Gathered, Table, number::significant, read::Levels};

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
    #[error(
        "`[gate] slices` names `{column}`, which is neither wholly numeric nor a category of at most {limit} levels: \
        declare what has levels as one, `[data.columns.{column:?}] kind = \"category\"`; the id and other texts cannot \
        group rows",
        limit = Levels::LIMIT
    )]
    Unusable {
        /// The column.
        column: String,
    },
}

/// Groups the rows held out by columns of the data, features or not: by the levels of a category (and, of one that is no
/// feature, those that lack it), the values of a number that has at most ten in training, or else by the tenths of the
/// training rows (of many, a sample).
///
/// # Errors
/// [`SliceError`] where there is no such column, or it is neither numeric nor a category.
pub fn slices(gathered: &Gathered, columns: &[String]) -> Result<Vec<SliceColumn>, SliceError> {
    let training: Vec<usize> = gathered.sampled_training().into_iter().map(|(row, _)| row).collect();
    columns.iter().map(|column| slice(gathered, &training, column)).collect()
}

fn slice(gathered: &Gathered, training: &[usize], column: &str) -> Result<SliceColumn, SliceError> {
    let schema = &gathered.held_out.schema;
    let described = schema.features.iter().chain([&schema.target]).find(|used| used.name == column);
    let (names, place) = if let Some(category) = described.filter(|used| used.kind == Kind::Category) {
        by_level(&category.levels, &values(&gathered.held_out, column)?)
    } else if let Some(other) = gathered.held_out.categories.iter().find(|other| other.name == column) {
        by_level(&other.levels, &other.positions)
    } else {
        let held_out = values(&gathered.held_out, column)?;
        let sample = values(&gathered.sample, column)?;
        let training: Vec<f64> = training.iter().filter_map(|row| sample.get(*row).copied()).collect();
        by_number(described, &training, &held_out)
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
    let name = |level: &String| if level.is_empty() { "(missing)".to_owned() } else { level.clone() };
    (levels.iter().map(name).collect(), held_out.iter().map(|value| *value as usize).collect())
}

fn by_number(column: Option<&Column>, training: &[f64], held_out: &[f64]) -> Placed {
    const FEW: usize = 10;
    let mut values = training.to_vec();
    values.sort_by(f64::total_cmp);
    values.dedup();
    if values.len() <= FEW {
        values.extend(held_out);
        values.sort_by(f64::total_cmp);
        values.dedup();
        let place = held_out.iter().map(|value| values.partition_point(|other| other < value)).collect();
        return (told_apart(column, &values), place);
    }
    let Some(profile) = Profile::of(training) else { return (Vec::new(), Vec::new()) };
    let edges = told_apart(column, &profile.edges);
    let name = |bin: usize| match (bin.checked_sub(1).and_then(|below| edges.get(below)), edges.get(bin)) {
        (None, Some(to)) => format!("up to {to}"),
        (Some(from), Some(to)) => format!("above {from} up to {to}"),
        (Some(from), None) => format!("above {from}"),
        (None, None) => "all".to_owned(),
    };
    ((0..=edges.len()).map(name).collect(), held_out.iter().map(|value| profile.bin(*value)).collect())
}

/// Ascending values as people write them, with as many digits as tell them apart.
fn told_apart(column: Option<&Column>, values: &[f64]) -> Vec<String> {
    // Numbers of 64 bits differ in one of the first 17 (IEEE 754-2019, table 9.1).
    const DIGITS: std::ops::RangeInclusive<usize> = 4..=17;
    let date = column.filter(|column| column.kind == Kind::Date);
    let dates = date.map(|date| values.iter().map(|value| date.shown(*value).to_string()).collect::<Vec<_>>());
    let numbers = DIGITS.map(|digits| values.iter().map(|value| significant(*value, digits)).collect());
    let are_apart = |names: &Vec<String>| names.windows(2).all(|pair| pair.first() != pair.last());
    dates.into_iter().chain(numbers).find(are_apart).unwrap_or_default()
}
