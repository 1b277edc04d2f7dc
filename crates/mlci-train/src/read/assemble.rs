use std::collections::HashSet;

use mlci_model::{Column, Kind, Profile, Schema};
use ndarray::{Array1, Array2};

use super::{ReadError, plan::Plan, rows::Rows, tally::Tally};
use crate::{ColumnReport, DataReport, Distinct, Role, Table};

/// Turns sound rows, of which there is at least one, into a table.
pub(super) fn table(rows: Rows<'_>) -> Result<Table, ReadError> {
    let Rows { plan, matrix, target, lines, hashes, ids, mut tallies, read, dropped, .. } = rows;
    // No error here can happen with at least one row of finite numbers, but it costs nothing not to rely on it.
    let features = Array2::from_shape_vec((lines.len(), plan.features.len()), matrix).map_err(|_| ReadError::NoRows)?;
    let mut columns = Vec::with_capacity(plan.names.len());
    let mut schema_columns: Vec<Option<Column>> = vec![None; plan.names.len()];
    let mut spare = Vec::new();
    for (position, tally) in tallies.iter_mut().enumerate() {
        let role = plan.roles.get(position).copied().unwrap_or(Role::Unused);
        let feature = plan.features.iter().position(|feature| *feature == position);
        let values = match (role, feature) {
            (Role::Feature, Some(feature)) => Some(features.column(feature).to_vec()),
            (Role::Target, _) => Some(target.clone()),
            _ => tally.spare.take(),
        };
        columns.push(report(plan, position, role, tally, values.as_deref()));
        let Some(values) = values else { continue };
        if role.is_used() {
            let (kind, unit) = kind_and_unit(plan, position, tally);
            let column = Column::observed(plan.name(position), kind, unit, &values);
            if let Some(place) = schema_columns.get_mut(position) {
                *place = column;
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

fn report(plan: &Plan, position: usize, role: Role, tally: &Tally, values: Option<&[f64]>) -> ColumnReport {
    let (kind, unit) = kind_and_unit(plan, position, tally);
    let distinct = match values {
        Some(values) if role.is_used() => distinct(values),
        _ => tally.distinct(),
    };
    ColumnReport {
        name: plan.name(position).to_owned(),
        role,
        kind: values.map(|_| kind),
        unit,
        missing: tally.missing,
        distinct,
        profile: values.and_then(Profile::of),
    }
}

pub(super) fn kind_and_unit(plan: &Plan, position: usize, tally: &Tally) -> (Kind, Option<String>) {
    let inferred = if tally.decimal { Kind::Float } else { Kind::Integer };
    let declared = plan.declared.get(position);
    (
        declared.and_then(|declared| declared.kind).unwrap_or(inferred),
        declared.and_then(|declared| declared.unit.clone()),
    )
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
