use std::collections::HashSet;

use mlci_model::{Column, Kind, Profile, Range, Schema, Unseen};
use ndarray::{Array1, Array2};

use super::{
    ReadError,
    error::some,
    plan::Plan,
    rows::{Rows, recode},
    rule::{Fill, Rule},
    tally::Tally,
};
use crate::{ColumnReport, DataReport, Distinct, LevelCount, Role, Table};

/// Turns sound rows, of which there is at least one, into a table.
pub(super) fn table(rows: Rows<'_>) -> Result<Table, ReadError> {
    let Rows { plan, mut matrix, mut target, lines, hashes, ids, mut tallies, read, dropped, .. } = rows;
    let levels = levels(plan, &mut tallies, &mut matrix, &mut target)?;
    // No error here can happen with at least one row of finite numbers, but it costs nothing not to rely on it.
    let features = Array2::from_shape_vec((lines.len(), plan.features.len()), matrix).map_err(|_| ReadError::NoRows)?;
    let mut columns = Vec::with_capacity(plan.names.len());
    let mut schema_columns: Vec<Option<Column>> = vec![None; plan.names.len()];
    let (mut spare, mut categories) = (Vec::new(), Vec::new());
    let found = tallies.iter_mut().zip(&plan.rules).zip(levels);
    for (position, ((tally, rule), levels)) in found.enumerate() {
        let role = plan.roles.get(position).copied().unwrap_or(Role::Unused);
        let feature = plan.features.iter().position(|feature| *feature == position);
        let values = match (role, feature) {
            (Role::Feature, Some(feature)) => Some(features.column(feature).to_vec()),
            (Role::Target, _) => Some(target.clone()),
            _ => tally.spare.take(),
        };
        let found = Found::of(role, rule, &levels, tally, values.as_deref());
        columns.push(report(plan.name(position), role, rule, &levels, tally, found));
        if let (Some(category), Some(positions)) = (tally.other_levels(plan.name(position)), tally.positions.take()) {
            categories.push(category.column(positions));
        }
        let Some(values) = values else { continue };
        if role.is_used() {
            if let (Some(place), Some(range)) = (schema_columns.get_mut(position), Range::of(&values)) {
                *place = Some(column(plan.name(position), rule, levels, tally, range)?);
            }
        } else {
            spare.push((plan.name(position).to_owned(), values));
        }
    }
    let mut take = |position: usize| schema_columns.get_mut(position).and_then(Option::take).ok_or(ReadError::NoRows);
    let schema = Schema {
        features: plan.features.iter().map(|position| take(*position)).collect::<Result<_, _>>()?,
        target: take(plan.target)?,
    };
    check_classes(&schema.target)?;
    Ok(Table {
        schema,
        features,
        target: Array1::from(target),
        spare,
        categories,
        report: DataReport { unit: plan.unit, rows_read: read, rows_kept: lines.len() as u64, dropped, columns },
        lines,
        hashes,
        ids: plan.id.is_some().then_some(ids),
    })
}

/// Refuses a target that is a category of other than two levels.
pub(super) fn check_classes(target: &Column) -> Result<(), ReadError> {
    if target.kind == Kind::Category && target.levels.len() != 2 {
        return Err(ReadError::Classes { target: target.name.clone(), levels: target.levels.clone() });
    }
    Ok(())
}

/// The levels of each category, and the values as positions in them.
pub(super) fn levels(
    plan: &Plan,
    tallies: &mut [Tally],
    matrix: &mut [f64],
    target: &mut [f64],
) -> Result<Vec<Vec<String>>, ReadError> {
    let mut all = Vec::with_capacity(plan.names.len());
    for (position, (tally, rule)) in tallies.iter_mut().zip(&plan.rules).enumerate() {
        if !rule.takes_levels_of_data() || !plan.roles.get(position).is_some_and(|role| role.is_used()) {
            all.push(rule.levels.clone());
            continue;
        }
        let (levels, map) = std::mem::take(&mut tally.levels).sorted(rule.base.as_deref());
        if let Some(map) = map {
            recode(plan, position, &map, matrix, target);
        }
        if let Some(base) = rule.base.as_ref().filter(|base| levels.first() != Some(*base)) {
            let why = format!("`base` is {base:?}, which no row has; the levels are {}", some(&levels));
            return Err(ReadError::InvalidColumn { column: plan.name(position).to_owned(), why });
        }
        all.push(levels);
    }
    Ok(all)
}

/// The column as the schema freezes it.
pub(super) fn column(
    name: &str,
    rule: &Rule,
    levels: Vec<String>,
    tally: &Tally,
    range: Range,
) -> Result<Column, ReadError> {
    let fill = fill(name, rule, &levels)?;
    let column = Column::new(name, kind(rule, tally), rule.unit.clone(), range);
    Ok(Column { levels, unseen: rule.unseen, fill, ..column })
}

/// The value that stands in for a missing one.
pub(super) fn fill(name: &str, rule: &Rule, levels: &[String]) -> Result<Option<f64>, ReadError> {
    let fill = match &rule.fill {
        None => return Ok(None),
        Some(Fill::Value(value)) => return Ok(Some(*value)),
        Some(Fill::Level(fill)) => fill,
    };
    match levels.iter().position(|level| level == fill) {
        Some(position) => Ok(Some(position as f64)),
        None if rule.unseen == Unseen::Base => Ok(Some(0.0)),
        None => {
            let why = format!(
                "`fill` is {fill:?}, which no row has, so that nothing can be learned of it: take one of the levels \
                 {}, or write `unseen = \"base\"`",
                some(levels)
            );
            Err(ReadError::InvalidColumn { column: name.to_owned(), why })
        }
    }
}

/// What is found in the values of a column, all of them or a sample.
pub(super) struct Found {
    pub(super) distinct: Distinct,
    /// `None`: they are not all numbers.
    pub(super) profile: Option<Profile>,
    /// Of a category, how many rows have each level.
    pub(super) counts: Vec<u64>,
}

impl Found {
    fn of(role: Role, rule: &Rule, levels: &[String], tally: &Tally, values: Option<&[f64]>) -> Self {
        let distinct = match values {
            Some(values) if role.is_used() => distinct(values),
            _ => tally.distinct(),
        };
        let is_category = role.is_used() && rule.is_category();
        let profile = match values {
            Some(values) if is_category => Profile::of_levels(values, levels.len()),
            Some(values) => Profile::of(values),
            None => None,
        };
        let mut counts = vec![0; if is_category { levels.len() } else { 0 }];
        for value in values.unwrap_or_default() {
            if let Some(count) = counts.get_mut(*value as usize) {
                *count += 1;
            }
        }
        Self { distinct, profile, counts }
    }
}

pub(super) fn report(
    name: &str,
    role: Role,
    rule: &Rule,
    levels: &[String],
    tally: &Tally,
    found: Found,
) -> ColumnReport {
    /// How many levels are told of.
    const SHOWN: usize = 50;
    let counts = levels.iter().zip(found.counts).take(SHOWN);
    ColumnReport {
        name: name.to_owned(),
        role,
        kind: found.profile.as_ref().map(|_| kind(rule, tally)),
        unit: rule.unit.clone(),
        missing: tally.missing,
        filled: tally.filled,
        unseen: tally.unseen,
        levels: counts.map(|(level, count)| LevelCount { level: level.clone(), count }).collect(),
        checks: rule.checks(role.is_used()),
        distinct: found.distinct,
        profile: found.profile,
    }
}

fn kind(rule: &Rule, tally: &Tally) -> Kind {
    let inferred = if tally.decimal { Kind::Float } else { Kind::Integer };
    rule.kind.unwrap_or(inferred)
}

fn distinct(values: &[f64]) -> Distinct {
    let mut seen = HashSet::new();
    for value in values {
        seen.insert(value.to_bits());
        if seen.len() > Distinct::LIMIT {
            break;
        }
    }
    Distinct::of(seen.len())
}
