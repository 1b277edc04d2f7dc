use std::collections::BTreeMap;

use csv::ByteRecord;
use mlci_model::Kind;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    MissingPolicy, Place, Problem, ReadError, TextColumn, assemble,
    cell::{self, Cell, EXACT, Form},
    plan::Plan,
    tally::Tally,
};
use crate::{DropReason, Role, Table};

/// How many problems an error shows.
const SHOWN: usize = 5;

/// The rows read so far, of the whole data or of a chunk.
pub(super) struct Rows<'p> {
    pub(super) plan: &'p Plan,
    policy: MissingPolicy,
    pub(super) matrix: Vec<f64>,
    pub(super) target: Vec<f64>,
    pub(super) lines: Vec<u64>,
    pub(super) hashes: Vec<u64>,
    pub(super) ids: Vec<String>,
    pub(super) tallies: Vec<Tally>,
    pub(super) read: u64,
    /// How many rows are kept, whether or not their values still are.
    pub(super) kept: u64,
    pub(super) dropped: BTreeMap<DropReason, u64>,
    problems: Vec<Problem>,
    total: u64,
    // Both are kept from row to row for their room.
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

impl<'p> Rows<'p> {
    pub(super) fn new(plan: &'p Plan, policy: MissingPolicy) -> Self {
        Self {
            tallies: plan.roles.iter().map(|role| Tally::new(*role)).collect(),
            cells: Vec::with_capacity(plan.names.len()),
            plan,
            policy,
            matrix: Vec::new(),
            target: Vec::new(),
            lines: Vec::new(),
            hashes: Vec::new(),
            ids: Vec::new(),
            read: 0,
            kept: 0,
            dropped: BTreeMap::new(),
            problems: Vec::new(),
            total: 0,
            bytes: Vec::new(),
        }
    }

    /// Takes in the rows of the chunk after these.
    pub(super) fn append(&mut self, mut next: Self) {
        self.matrix.append(&mut next.matrix);
        self.target.append(&mut next.target);
        self.lines.append(&mut next.lines);
        self.hashes.append(&mut next.hashes);
        self.ids.append(&mut next.ids);
        for (tally, next) in self.tallies.iter_mut().zip(next.tallies) {
            tally.append(next, SHOWN);
        }
        self.read += next.read;
        self.kept += next.kept;
        for (reason, count) in next.dropped {
            *self.dropped.entry(reason).or_default() += count;
        }
        self.problems.append(&mut next.problems);
        self.problems.truncate(SHOWN);
        self.total += next.total;
    }

    /// Adds a row that cannot be read at all.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.read += 1;
        self.note(problem);
    }

    pub(super) fn add(&mut self, line: u64, record: &ByteRecord) {
        let expected = self.plan.names.len();
        if record.len() != expected {
            return self.refuse(Problem::Ragged { line, expected, found: record.len() });
        }
        if !record.as_slice().is_ascii() && record.iter().any(|field| std::str::from_utf8(field).is_err()) {
            return self.refuse(Problem::NotUtf8 { line });
        }
        self.read += 1;
        if record.iter().all(|field| cell::is_missing(field.trim_ascii())) {
            self.tallies.iter_mut().for_each(|tally| tally.missing += 1);
            match self.policy {
                MissingPolicy::Stop => self.note(Problem::OnlyMissing { line }),
                MissingPolicy::Drop => *self.dropped.entry(DropReason::OnlyMissing).or_default() += 1,
            }
            return;
        }
        let mut reason = None;
        let mut sound = true;
        self.cells.clear();
        for (position, field) in record.iter().enumerate() {
            let field = field.trim_ascii();
            let cell = cell::parse(field);
            self.cells.push(cell);
            match self.check(position, cell, line, field) {
                Fate::Fine => {}
                // A missing value is the reason that counts when a row has both.
                Fate::Drop(why) => reason = Some(reason.map_or(why, |reason: DropReason| reason.min(why))),
                Fate::Problem => sound = false,
            }
        }
        if !sound {
            return;
        }
        match reason {
            Some(reason) => *self.dropped.entry(reason).or_default() += 1,
            // Nothing is built from rows once there is a problem.
            None if self.total == 0 => self.keep(line, record),
            None => {}
        }
    }

    /// Checks one cell, and notes its problem if it has one.
    fn check(&mut self, position: usize, cell: Cell, line: u64, field: &[u8]) -> Fate {
        let (Some(tally), Some(role), Some(declared)) =
            (self.tallies.get_mut(position), self.plan.roles.get(position), self.plan.declared.get(position))
        else {
            return Fate::Fine;
        };
        let used = role.is_used();
        if cell == Cell::Missing {
            tally.missing += 1;
        }
        if !used {
            return Fate::Fine;
        }
        let at = || Place::new(line, self.plan.name(position), field);
        let problem = match cell {
            Cell::Missing if self.policy == MissingPolicy::Drop => return Fate::Drop(DropReason::Missing),
            Cell::NotFinite if self.policy == MissingPolicy::Drop => return Fate::Drop(DropReason::NotFinite),
            Cell::Missing => Problem::Missing { at: at() },
            Cell::NotFinite => Problem::NotFinite { at: at() },
            Cell::Text => {
                tally.texts += 1;
                self.total += 1;
                if tally.text_problems.len() < SHOWN {
                    tally.text_problems.push(Problem::NotANumber { at: at() });
                }
                return Fate::Problem;
            }
            Cell::Number(value, form) => {
                tally.numbers += 1;
                match declared.kind {
                    Some(Kind::Integer)
                        if value.fract() != 0.0 || form == Form::Beyond || value.abs() > EXACT as f64 =>
                    {
                        Problem::NotInteger { at: at() }
                    }
                    None if form == Form::Beyond => Problem::BeyondExact { at: at() },
                    _ if declared.min.is_some_and(|min| value < min) || declared.max.is_some_and(|max| value > max) => {
                        Problem::OutOfBounds { at: at(), min: declared.min, max: declared.max }
                    }
                    _ => return Fate::Fine,
                }
            }
        };
        self.note(problem);
        Fate::Problem
    }

    fn note(&mut self, problem: Problem) {
        self.total += 1;
        if self.problems.len() < SHOWN {
            self.problems.push(problem);
        }
    }

    fn keep(&mut self, line: u64, record: &ByteRecord) {
        let value = |position: &usize| match self.cells.get(*position) {
            Some(Cell::Number(value, _)) => *value,
            // `check` let the row pass, so its used cells are numbers.
            _ => f64::NAN,
        };
        self.matrix.extend(self.plan.features.iter().map(value));
        self.target.push(value(&self.plan.target));
        self.lines.push(line);
        self.kept += 1;
        self.bytes.clear();
        for ((field, cell), (tally, role)) in
            record.iter().zip(&self.cells).zip(self.tallies.iter_mut().zip(&self.plan.roles))
        {
            let field = field.trim_ascii();
            self.bytes.extend(field);
            self.bytes.push(self.plan.delimiter);
            tally.keep(*role, *cell, field);
        }
        // As many rows are written already, so that those need not be copied to be hashed.
        self.bytes.pop();
        self.hashes.push(xxh3_64(&self.bytes));
        if let Some(id) = self.plan.id.and_then(|id| record.get(id)) {
            self.ids.push(String::from_utf8_lossy(id.trim_ascii()).into_owned());
        }
    }

    pub(super) fn finish(self) -> Result<Table, ReadError> {
        assemble::table(self.sound()?)
    }

    /// These rows, if there are some and nothing is wrong with any.
    pub(super) fn sound(mut self) -> Result<Self, ReadError> {
        let mut texts = Vec::new();
        for (tally, role) in self.tallies.iter_mut().zip(&self.plan.roles) {
            if tally.texts > tally.numbers
                && let Some(Problem::NotANumber { at }) = tally.text_problems.first()
            {
                texts.push(TextColumn { first: at.clone(), is_target: *role == Role::Target });
            }
            self.problems.append(&mut tally.text_problems);
        }
        if !texts.is_empty() {
            return Err(ReadError::TextColumns { columns: texts });
        }
        if self.total > 0 {
            let mut problems = self.problems;
            problems.sort_by_key(Problem::line);
            problems.truncate(SHOWN);
            return Err(ReadError::Problems { problems, total: self.total });
        }
        if self.read == 0 {
            return Err(ReadError::NoRows);
        }
        if self.kept == 0 {
            let used =
                self.tallies.iter().zip(&self.plan.names).zip(&self.plan.roles).filter(|(_, role)| role.is_used());
            let worst = used
                .max_by_key(|((tally, _), _)| tally.missing)
                .map(|((tally, name), _)| (name.clone(), tally.missing));
            let target = self.plan.name(self.plan.target).to_owned();
            let worst = worst.filter(|(_, missing)| *missing > 0);
            return Err(ReadError::AllDropped { read: self.read, worst, target });
        }
        Ok(self)
    }
}

enum Fate {
    Fine,
    Drop(DropReason),
    Problem,
}
