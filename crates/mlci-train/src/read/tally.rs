use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    Problem,
    cell::{Cell, Form},
};
use crate::{Distinct, Role};

/// What is known about one column of the header.
pub(super) struct Tally {
    /// How many rows lack it.
    pub(super) missing: u64,
    /// How many values of a used column are numbers.
    pub(super) numbers: u64,
    /// How many are not.
    pub(super) texts: u64,
    /// The first of those.
    pub(super) text_problems: Vec<Problem>,
    /// Whether a number kept is not [`Form::Whole`].
    pub(super) decimal: bool,
    /// The values of an unused column, as long as all are numbers.
    pub(super) spare: Option<Vec<f64>>,
    /// Hashes of the different texts of a column that is not used.
    distinct: HashSet<u64>,
}

impl Tally {
    pub(super) fn new(role: Role) -> Self {
        Self {
            missing: 0,
            numbers: 0,
            texts: 0,
            text_problems: Vec::new(),
            decimal: false,
            spare: (role == Role::Unused).then(Vec::new),
            distinct: HashSet::new(),
        }
    }

    /// Takes in what is known of the rows after these; of problems at most `shown` are kept.
    pub(super) fn append(&mut self, mut next: Self, shown: usize) {
        self.missing += next.missing;
        self.numbers += next.numbers;
        self.texts += next.texts;
        self.text_problems.append(&mut next.text_problems);
        self.text_problems.truncate(shown);
        self.decimal |= next.decimal;
        self.spare = match (self.spare.take(), next.spare) {
            (Some(mut spare), Some(mut next)) => {
                spare.append(&mut next);
                Some(spare)
            }
            _ => None,
        };
        // One more than the limit says that there are more.
        let room = (Distinct::LIMIT + 1).saturating_sub(self.distinct.len());
        let new: Vec<u64> = next.distinct.difference(&self.distinct).copied().take(room).collect();
        self.distinct.extend(new);
    }

    /// Takes in a cell of a row that is kept.
    pub(super) fn keep(&mut self, role: Role, cell: Cell, field: &[u8]) {
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
            self.distinct.insert(xxh3_64(field));
        }
    }

    /// How many different texts a column that is not used has.
    pub(super) fn distinct(&self) -> Distinct {
        Distinct::of(self.distinct.len())
    }
}
