use std::collections::HashMap;

use mlci_model::{Column, Kind, Range, Unseen, Value, parse_date};

use super::{ColumnOptions, ReadError};
use crate::number::short;

/// What is declared about a column, checked and prepared for its cells.
#[derive(Default)]
pub(super) struct Rule {
    pub(super) kind: Option<Kind>,
    pub(super) unit: Option<String>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) allowed: Vec<f64>,
    /// The levels declared, the base level first; empty: those of the data.
    pub(super) levels: Vec<String>,
    /// Whether those are what a first pass over the data has found.
    found: bool,
    /// Where each of them stands.
    positions: HashMap<String, usize>,
    pub(super) base: Option<String>,
    pub(super) unseen: Unseen,
    pub(super) fill: Option<Fill>,
    pub(super) unique: bool,
    pub(super) max_missing: Option<f64>,
}

/// What stands in for a missing value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fill {
    /// A number, or the days of a date, or the position of a level that is declared.
    Value(f64),
    /// A level among those of the data.
    Level(String),
}

impl Rule {
    pub(super) fn new(name: &str, options: &ColumnOptions, is_target: bool) -> Result<Self, ReadError> {
        let invalid = |why: String| ReadError::InvalidColumn { column: name.to_owned(), why };
        let kind = options.kind.or((!options.levels.is_empty()).then_some(Kind::Category));
        let mut rule = Self {
            kind,
            unit: options.unit.clone(),
            allowed: options.allowed.clone(),
            levels: options.levels.clone(),
            base: options.base.clone(),
            unseen: options.unseen,
            unique: options.unique,
            max_missing: options.max_missing,
            ..Self::default()
        };
        rule.set_levels().map_err(invalid)?;
        if rule.is_category() && (options.min.is_some() || options.max.is_some() || !options.allowed.is_empty()) {
            return Err(invalid("a category has `levels`, and no `min`, `max` or `allowed`".to_owned()));
        }
        if kind == Some(Kind::Date) && !options.allowed.is_empty() {
            return Err(invalid("dates have `min` and `max`, and no `allowed`".to_owned()));
        }
        if let Some(value) = options.allowed.iter().find(|value| !value.is_finite()) {
            return Err(invalid(format!("`allowed` has {value}, which is not a finite number")));
        }
        if let Some(share) = options.max_missing.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(invalid(format!("`max_missing` is {share}: it is a share of the rows, from 0 to 1")));
        }
        let bound = |key: &str, value: &Option<Value>| {
            value.as_ref().map(|value| rule.number(value).map_err(|why| invalid(format!("`{key}` {why}")))).transpose()
        };
        let (min, max) = (bound("min", &options.min)?, bound("max", &options.max)?);
        if let (Some(least), Some(most), Some(min), Some(max)) = (min, max, &options.min, &options.max)
            && least > most
        {
            return Err(ReadError::InvalidBounds { column: name.to_owned(), min: min.clone(), max: max.clone() });
        }
        (rule.min, rule.max) = (min, max);
        if let Some(fill) = &options.fill {
            if is_target {
                return Err(invalid("a target that is missing cannot be filled in: `missing = \"drop\"`".to_owned()));
            }
            rule.fill = Some(rule.fill_of(fill).map_err(|why| invalid(format!("`fill` {why}")))?);
        }
        Ok(rule)
    }

    /// Takes the levels that a first pass has found in the data as if they were declared, and the value that stands in
    /// for a missing one.
    pub(super) fn freeze(&mut self, levels: Vec<String>, fill: Option<f64>) {
        self.positions = levels.iter().cloned().enumerate().map(|(position, level)| (level, position)).collect();
        (self.levels, self.found, self.fill) = (levels, true, fill.map(Fill::Value));
    }

    pub(super) fn is_category(&self) -> bool {
        self.kind == Some(Kind::Category)
    }

    /// Whether its levels are those that the data has.
    pub(super) fn takes_levels_of_data(&self) -> bool {
        self.is_category() && self.levels.is_empty()
    }

    /// Whether its levels are all that the rows kept have, as a first pass has found.
    pub(super) fn has_found_levels(&self) -> bool {
        self.found
    }

    /// Where a level stands among those declared.
    pub(super) fn position(&self, level: &str) -> Option<usize> {
        self.positions.get(level).copied()
    }

    /// The level declared that is most like this text.
    pub(super) fn nearest(&self, field: &[u8]) -> Option<String> {
        super::plan::nearest(&String::from_utf8_lossy(field), &self.levels)
    }

    /// Whether [`Self::allows`] refuses some values.
    pub(super) fn is_bounded(&self) -> bool {
        self.min.is_some() || self.max.is_some() || !self.allowed.is_empty()
    }

    /// Whether a value is within the bounds, and one of those allowed.
    pub(super) fn allows(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min)
            && self.max.is_none_or(|max| value <= max)
            && (self.allowed.is_empty() || self.allowed.contains(&value))
    }

    /// The values that [`Self::allows`] lets pass, for people.
    pub(super) fn allowed_values(&self) -> String {
        const SHOWN: usize = 8;
        let shown = |value: f64| self.shown(value).to_string();
        let bounds = match (self.min, self.max) {
            (Some(min), Some(max)) => Some(format!("{} to {}", shown(min), shown(max))),
            (Some(min), None) => Some(format!("at least {}", shown(min))),
            (None, Some(max)) => Some(format!("at most {}", shown(max))),
            (None, None) => None,
        };
        let mut values: Vec<String> = self.allowed.iter().take(SHOWN).map(f64::to_string).collect();
        if self.allowed.len() > SHOWN {
            values.push("…".to_owned());
        }
        let values = (!values.is_empty()).then(|| format!("one of {}", values.join(", ")));
        bounds.into_iter().chain(values).collect::<Vec<_>>().join(", ")
    }

    /// The checks that all rows of a table have passed, for people; some are of columns that are used only.
    pub(super) fn checks(&self, is_used: bool) -> Vec<String> {
        let bounds = Some(self.allowed_values()).filter(|text| is_used && !text.is_empty());
        let levels = (is_used && !self.levels.is_empty() && !self.found && self.unseen == Unseen::Refuse)
            .then(|| format!("one of {} levels", self.levels.len()));
        let unique = self.unique.then(|| "unique".to_owned());
        let missing = self.max_missing.map(|share| format!("at most {} % missing", short(share * 100.0)));
        bounds.into_iter().chain(levels).chain(unique).chain(missing).collect()
    }

    fn shown(&self, value: f64) -> Value {
        let kind = self.kind.unwrap_or(Kind::Float);
        Column::new("", kind, None, Range { min: value, max: value }).shown(value)
    }

    fn set_levels(&mut self) -> Result<(), String> {
        let has_levels = !self.levels.is_empty() || self.base.is_some() || self.unseen != Unseen::default();
        if has_levels && !self.is_category() {
            return Err("`levels`, `base` and `unseen` go with `kind = \"category\"`".to_owned());
        }
        for (position, level) in self.levels.iter().enumerate() {
            if level.trim_ascii() != level || level.is_empty() {
                return Err(format!(
                    "the level {level:?} is empty, or has white space around it, which does not count"
                ));
            }
            if self.positions.insert(level.clone(), position).is_some() {
                return Err(format!("`levels` has {level:?} twice"));
            }
        }
        match (&self.base, self.levels.first()) {
            (Some(base), Some(first)) if base != first => {
                Err(format!("the first of `levels` is the base level, {first:?}, and `base` says {base:?}"))
            }
            _ => Ok(()),
        }
    }

    /// The value of a bound or a fill in a column without levels.
    fn number(&self, value: &Value) -> Result<f64, String> {
        match (self.kind, value) {
            (Some(Kind::Date), Value::Text(text)) => {
                parse_date(text).ok_or_else(|| format!("is {text:?}, which is no date, such as \"2024-02-29\""))
            }
            (Some(Kind::Date), Value::Number(number)) => {
                Err(format!("is {number}: a date is a text, such as \"2024-02-29\""))
            }
            (_, Value::Number(number)) if number.is_finite() => Ok(*number),
            (_, Value::Number(number)) => Err(format!("is {number}, which is not a finite number")),
            (_, Value::Text(text)) => Err(format!(
                "is the text {text:?}, and the column has numbers: of a text, `kind` has to say `category` or `date`"
            )),
        }
    }

    fn fill_of(&self, fill: &Value) -> Result<Fill, String> {
        if self.is_category() {
            let level = fill.to_string();
            return match self.position(&level) {
                Some(position) => Ok(Fill::Value(position as f64)),
                None if self.levels.is_empty() && !level.trim_ascii().is_empty() => {
                    Ok(Fill::Level(level.trim_ascii().to_owned()))
                }
                None => Err(format!("is {level:?}, which is none of `levels`")),
            };
        }
        let value = self.number(fill)?;
        if self.kind == Some(Kind::Integer) && value.fract() != 0.0 {
            return Err(format!("is {value}, which is not a whole number"));
        }
        if !self.allows(value) {
            return Err(format!("is {fill}, which is not allowed ({})", self.allowed_values()));
        }
        Ok(Fill::Value(value))
    }
}
