use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{
    cell::{Cell, Form},
    field::Field,
    levels::Levels,
    rule::Rule,
};
use crate::{Distinct, Role, table::OtherLevels};

/// What is known about one column of the header.
pub(super) struct Tally {
    /// How many rows lack it, and the line of the first.
    pub(super) missing: u64,
    pub(super) first_missing: Option<u64>,
    /// In how many rows the fill stands in for it.
    pub(super) filled: u64,
    /// In how many rows the base level stands in for a level that is none.
    pub(super) unseen: u64,
    /// How many values of a used column are numbers.
    pub(super) numbers: u64,
    /// Whether a number kept is not [`Form::Whole`].
    pub(super) decimal: bool,
    /// The levels found, of a category whose levels are not declared or which is not used.
    pub(super) levels: Levels,
    /// Which of them each row has, of a category that is not used; a missing value is the level of no name.
    pub(super) positions: Option<Vec<f64>>,
    /// The values of an unused column, as long as all are numbers.
    pub(super) spare: Option<Vec<f64>>,
    /// The values of a column that has to be unique.
    pub(super) unique: Unique,
    /// Hashes of the different texts of a column that is not used.
    distinct: HashSet<u64>,
}

impl Tally {
    pub(super) fn new(role: Role, rule: &Rule) -> Self {
        Self {
            missing: 0,
            first_missing: None,
            filled: 0,
            unseen: 0,
            numbers: 0,
            decimal: false,
            levels: Levels::default(),
            positions: (role == Role::Unused && rule.is_category()).then(Vec::new),
            spare: (role == Role::Unused).then(Vec::new),
            unique: Unique::default(),
            distinct: HashSet::new(),
        }
    }

    /// Takes in what is known of the rows after these, but for levels and unique values.
    pub(super) fn append(&mut self, next: Self) {
        self.missing += next.missing;
        self.first_missing = self.first_missing.or(next.first_missing);
        self.filled += next.filled;
        self.unseen += next.unseen;
        self.numbers += next.numbers;
        self.decimal |= next.decimal;
        self.spare = match (self.spare.take(), next.spare) {
            (Some(mut spare), Some(mut next)) => {
                spare.append(&mut next);
                Some(spare)
            }
            _ => None,
        };
        if let (Some(positions), Some(mut next)) = (&mut self.positions, next.positions) {
            positions.append(&mut next);
        }
        // One more than the limit says that there are more.
        let room = (Distinct::LIMIT + 1).saturating_sub(self.distinct.len());
        let new: Vec<u64> = next.distinct.difference(&self.distinct).copied().take(room).collect();
        self.distinct.extend(new);
    }

    /// Takes in a missing cell.
    pub(super) fn miss(&mut self, line: u64) {
        self.missing += 1;
        self.first_missing.get_or_insert(line);
    }

    /// Takes in a cell of a row that is kept.
    pub(super) fn keep(&mut self, role: Role, cell: Cell, field: &Field<'_>) {
        match cell {
            Cell::Number(value, form @ (Form::Whole | Form::Decimal)) => {
                self.decimal |= form == Form::Decimal;
                if let Some(spare) = &mut self.spare {
                    spare.push(value);
                }
            }
            // Digits beyond 2^53 would change as an `f64`; a used column got here only by being declared as float.
            Cell::Number(_, Form::Beyond) => (self.decimal, self.spare) = (true, None),
            Cell::Missing | Cell::NotFinite | Cell::Text => self.spare = None,
        }
        if !role.is_used() && cell != Cell::Missing && self.distinct.len() <= Distinct::LIMIT {
            self.distinct.insert(xxh3_64(&field.written()));
        }
    }

    /// Takes in the level that a row has which is kept, of a category that is not used: of those nothing is refused.
    pub(super) fn keep_level(&mut self, rule: &Rule, field: &Field<'_>) {
        if let Some(positions) = &mut self.positions {
            let text = field.written();
            let level = if field.is_missing(rule) { "".into() } else { String::from_utf8_lossy(&text) };
            positions.push(self.levels.position(&level) as f64);
            self.levels.settle();
        }
    }

    /// The levels of this column, if it is a category that is not used and they are not too many.
    pub(super) fn other_levels(&self, name: &str) -> Option<OtherLevels> {
        self.positions.as_ref().filter(|_| !self.levels.are_too_many())?;
        let (levels, map) = self.levels.clone().sorted(None);
        Some(OtherLevels { name: name.to_owned(), levels, map })
    }

    /// How many different texts a column that is not used has.
    pub(super) fn distinct(&self) -> Distinct {
        Distinct::of(self.distinct.len())
    }
}

/// The values of a column in which each may stand once: 128 bits of a hash each, since 64 would meet by chance.
#[derive(Default)]
pub(super) struct Unique {
    /// Those of a chunk, with the line and the text.
    new: Vec<(u128, u64, String)>,
    /// The lines of those of the chunks before.
    lines: HashMap<u128, u64>,
}

impl Unique {
    /// Adds what is written in a field, or the number that it is.
    pub(super) fn add(&mut self, value: Cell, line: u64, field: &[u8]) {
        let key = match value {
            // However a number is written.
            Cell::Number(value, Form::Whole | Form::Decimal) => u128::from((value + 0.0).to_bits()),
            _ => xxh3_128(field),
        };
        self.new.push((key, line, String::from_utf8_lossy(field).into_owned()));
    }

    /// Takes in those of the chunk after these, and tells of each that was there before: its line, its text and the line
    /// before.
    pub(super) fn append(&mut self, next: Self, mut twice: impl FnMut(u64, &str, u64)) {
        for (key, line, text) in next.new {
            match self.lines.get(&key) {
                Some(first) => twice(line, &text, *first),
                None => drop(self.lines.insert(key, line)),
            }
        }
    }
}
