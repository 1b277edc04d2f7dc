use std::collections::HashMap;

use csv::ByteRecord;
use mlci_model::{Column, Kind, Range, Unseen};

use super::{Key, Place, ReadError, ReadOptions, RowUnit, rule::Rule};
use crate::Role;

/// What each column of the header is for.
pub(super) struct Plan {
    /// The header.
    pub(super) names: Vec<String>,
    /// What each column of the header is for.
    pub(super) roles: Vec<Role>,
    /// What each column of the header has to keep to.
    pub(super) rules: Vec<Rule>,
    /// The position in the header of each feature, in the order of the schema.
    pub(super) features: Vec<usize>,
    /// The position of the target.
    pub(super) target: usize,
    /// The position of the identifier.
    pub(super) id: Option<usize>,
    /// What rows are counted by.
    pub(super) unit: RowUnit,
    /// The byte between fields.
    pub(super) delimiter: u8,
}

impl Plan {
    /// What each column of these names, none of which stands twice, is for.
    pub(super) fn new(names: Vec<String>, unit: RowUnit, options: &ReadOptions) -> Result<Self, ReadError> {
        let positions: HashMap<&str, usize> =
            names.iter().enumerate().map(|(position, name)| (name.as_str(), position)).collect();
        let find = |key, name: &str| {
            positions.get(name).copied().ok_or_else(|| ReadError::UnknownColumn {
                key,
                name: name.to_owned(),
                nearest: nearest(name, &names),
                columns: names.clone(),
            })
        };
        let find_all = |key, list: &[String]| -> Result<Vec<usize>, ReadError> {
            let mut found = Vec::with_capacity(list.len());
            for name in list {
                let position = find(key, name)?;
                if found.contains(&position) {
                    return Err(ReadError::Conflict { column: name.clone(), first: key, second: key });
                }
                found.push(position);
            }
            Ok(found)
        };

        let target = find(Key::Target, &options.target)?;
        let id = options.id.as_deref().map(|name| find(Key::Id, name)).transpose()?;
        let excluded = find_all(Key::Exclude, &options.exclude)?;
        let listed = options.features.as_deref().map(|list| find_all(Key::Features, list)).transpose()?;
        let conflict = |position: usize, first, second| {
            Err(ReadError::Conflict { column: names.get(position).cloned().unwrap_or_default(), first, second })
        };
        if id == Some(target) {
            return conflict(target, Key::Target, Key::Id);
        }
        if excluded.contains(&target) {
            return conflict(target, Key::Target, Key::Exclude);
        }
        for &position in listed.iter().flatten() {
            if position == target {
                return conflict(position, Key::Target, Key::Features);
            }
            if id == Some(position) {
                return conflict(position, Key::Id, Key::Features);
            }
            if excluded.contains(&position) {
                return conflict(position, Key::Features, Key::Exclude);
            }
        }

        let mut rules: Vec<Rule> = std::iter::repeat_with(Rule::default).take(names.len()).collect();
        for (name, column) in &options.columns {
            let position = find(Key::Columns, name)?;
            let rule = Rule::new(name, column, position == target)?;
            if let Some(place) = rules.get_mut(position) {
                *place = rule;
            }
        }

        let is_free = |position: &usize| *position != target && id != Some(*position) && !excluded.contains(position);
        let features = listed.unwrap_or_else(|| (0..names.len()).filter(is_free).collect());
        if features.is_empty() {
            return Err(ReadError::NoFeatures);
        }
        let mut roles = vec![Role::Unused; names.len()];
        let assigned = features.iter().map(|feature| (*feature, Role::Feature)).chain([(target, Role::Target)]);
        for (position, role) in assigned.chain(id.map(|id| (id, Role::Id))) {
            if let Some(place) = roles.get_mut(position) {
                *place = role;
            }
        }
        Ok(Self { roles, rules, features, target, id, names, unit, delimiter: options.delimiter })
    }

    /// Whether levels of a column that is used are those that the data has.
    pub(super) fn takes_levels_of_data(&self) -> bool {
        self.rules.iter().zip(&self.roles).any(|(rule, role)| role.is_used() && rule.takes_levels_of_data())
    }

    /// Which columns are categories that are not used.
    pub(super) fn unused_categories(&self) -> impl Iterator<Item = usize> {
        let columns = self.rules.iter().zip(&self.roles).enumerate();
        columns.filter(|(_, (rule, role))| **role == Role::Unused && rule.is_category()).map(|(position, _)| position)
    }

    /// Takes the levels of each column that were found in the data.
    pub(super) fn freeze(&mut self, levels: Vec<Vec<String>>) -> Result<(), ReadError> {
        let rules = self.rules.iter_mut().zip(&self.names).zip(&self.roles).zip(levels);
        for (((rule, name), role), levels) in rules {
            if role.is_used() && rule.takes_levels_of_data() {
                let fill = super::assemble::fill(name, rule, &levels)?;
                rule.freeze(levels, fill);
            }
        }
        Ok(())
    }

    /// The features and, last, the target, as far as they are known before the data is read.
    pub(super) fn known_columns(&self) -> Vec<Column> {
        let column = |position: &usize| {
            let levels = self.rules.get(*position).map(|rule| rule.levels.clone()).unwrap_or_default();
            if levels.is_empty() {
                Column::new(self.name(*position), Kind::Float, None, Range { min: 0.0, max: 0.0 })
            } else {
                Column::category(self.name(*position), levels, Unseen::default())
            }
        };
        self.features.iter().chain([&self.target]).map(column).collect()
    }

    /// Where a value of a column stands.
    pub(super) fn place(&self, line: u64, position: usize, cell: &[u8]) -> Place {
        Place::new(line, self.unit, self.name(position), cell)
    }

    pub(super) fn name(&self, position: usize) -> &str {
        self.names.get(position).map_or("", String::as_str)
    }
}

/// The names in the header: each there, each once, and not all in one field.
pub(super) fn header(record: &ByteRecord, delimiter: u8) -> Result<Vec<String>, ReadError> {
    let texts: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
    let names = names(texts.map_err(|_| ReadError::HeaderNotUtf8)?.into_iter())?;
    if let [name] = names.as_slice() {
        let mut usual = [';', '\t', '|', ','].into_iter().filter(|usual| *usual != char::from(delimiter));
        if let Some(found) = usual.find(|usual| name.contains(*usual)) {
            return Err(ReadError::WrongDelimiter { header: name.clone(), found });
        }
    }
    Ok(names)
}

/// The names of columns without the white space about them. None is empty, and none stands twice.
pub(super) fn names<'n>(names: impl Iterator<Item = &'n str>) -> Result<Vec<String>, ReadError> {
    let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    let mut positions = HashMap::with_capacity(names.len());
    for (position, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(ReadError::EmptyName { position: position + 1 });
        }
        if let Some(first) = positions.insert(name.as_str(), position) {
            return Err(ReadError::DuplicateName { name: name.clone(), first: first + 1, second: position + 1 });
        }
    }
    Ok(names)
}

/// The most similar name, if one is similar enough to be what was meant (Jaro-Winkler similarity of at least 0.8).
pub(super) fn nearest(name: &str, names: &[String]) -> Option<String> {
    // The time is quadratic in the length, and what is so long is no slip.
    const LONGEST: usize = 200;
    if name.len() > LONGEST {
        return None;
    }
    let wanted = name.to_lowercase();
    names
        .iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.clone())
}
