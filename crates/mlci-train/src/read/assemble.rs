use std::collections::HashSet;

use mlci_model::{Column, Kind, Profile, Schema, Unseen};
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
    let mut spare = Vec::new();
    let found = tallies.iter_mut().zip(&plan.rules).zip(levels);
    for (position, ((tally, rule), levels)) in found.enumerate() {
        let role = plan.roles.get(position).copied().unwrap_or(Role::Unused);
        let feature = plan.features.iter().position(|feature| *feature == position);
        let values = match (role, feature) {
            (Role::Feature, Some(feature)) => Some(features.column(feature).to_vec()),
            (Role::Target, _) => Some(target.clone()),
            _ => tally.spare.take(),
        };
        columns.push(report(plan.name(position), role, rule, &levels, tally, values.as_deref()));
        let Some(values) = values else { continue };
        if role.is_used() {
            if let Some(place) = schema_columns.get_mut(position) {
                *place = column(plan.name(position), rule, levels, tally, &values)?;
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
    let classes = &schema.target;
    if classes.kind == Kind::Category && classes.levels.len() != 2 {
        return Err(ReadError::Classes { target: classes.name.clone(), levels: classes.levels.clone() });
    }
    Ok(Table {
        schema,
        features,
        target: Array1::from(target),
        spare,
        report: DataReport { rows_read: read, rows_kept: lines.len() as u64, dropped, columns },
        lines,
        hashes,
        ids: plan.id.is_some().then_some(ids),
    })
}

/// The levels of each category, and the values as positions in them.
fn levels(
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
fn column(
    name: &str,
    rule: &Rule,
    levels: Vec<String>,
    tally: &Tally,
    values: &[f64],
) -> Result<Option<Column>, ReadError> {
    let fill = match &rule.fill {
        None => None,
        Some(Fill::Value(value)) => Some(*value),
        Some(Fill::Level(fill)) => match levels.iter().position(|level| level == fill) {
            Some(position) => Some(position as f64),
            None if rule.unseen == Unseen::Base => Some(0.0),
            None => {
                let why = format!(
                    "`fill` is {fill:?}, which no row has, so that nothing can be learned of it: take one of the levels \
                     {}, or write `unseen = \"base\"`",
                    some(&levels)
                );
                return Err(ReadError::InvalidColumn { column: name.to_owned(), why });
            }
        },
    };
    let observed = Column::observed(name, kind(rule, tally), rule.unit.clone(), values);
    Ok(observed.map(|column| Column { levels, unseen: rule.unseen, fill, ..column }))
}

fn report(
    name: &str,
    role: Role,
    rule: &Rule,
    levels: &[String],
    tally: &Tally,
    values: Option<&[f64]>,
) -> ColumnReport {
    let kind = kind(rule, tally);
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
    ColumnReport {
        name: name.to_owned(),
        role,
        kind: values.map(|_| kind),
        unit: rule.unit.clone(),
        missing: tally.missing,
        filled: tally.filled,
        unseen: tally.unseen,
        levels: if is_category { counts(levels, values.unwrap_or_default()) } else { Vec::new() },
        checks: rule.checks(role.is_used()),
        distinct,
        profile,
    }
}

/// How often each of the first levels is there.
fn counts(levels: &[String], values: &[f64]) -> Vec<LevelCount> {
    const SHOWN: usize = 50;
    let mut counts: Vec<LevelCount> =
        levels.iter().take(SHOWN).map(|level| LevelCount { level: level.clone(), count: 0 }).collect();
    for value in values {
        if let Some(level) = counts.get_mut(*value as usize) {
            level.count += 1;
        }
    }
    counts
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
