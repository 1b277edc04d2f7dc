use std::collections::BTreeMap;

use csv::ByteRecord;
use mlci_model::Kind;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    MissingPolicy, Place, Problem, ProblemKind, ReadError, TextColumn, assemble,
    cell::{Cell, EXACT, Form},
    field::{Field, filled},
    levels::{Levels, replace},
    plan::Plan,
    rule::Rule,
    tally::Tally,
    violations::Violations,
};
use crate::{DropReason, Role, Table};

/// The rows read so far, of the whole data or of a chunk.
pub(super) struct Rows<'p> {
    pub(super) plan: &'p Plan,
    policy: MissingPolicy,
    /// Row by row; of a category whose levels are not declared, positions in the levels of its tally.
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
    violations: Violations,
    // Both are kept from row to row for their room.
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

impl<'p> Rows<'p> {
    pub(super) fn new(plan: &'p Plan, policy: MissingPolicy) -> Self {
        Self {
            tallies: plan.roles.iter().zip(&plan.rules).map(|(role, rule)| Tally::new(*role, rule)).collect(),
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
            violations: Violations::default(),
            bytes: Vec::new(),
        }
    }

    /// Takes in the rows of the chunk after these.
    pub(super) fn append(&mut self, mut next: Self) {
        self.violations.append(std::mem::take(&mut next.violations));
        self.unite_levels(&mut next);
        self.unite_unique(&mut next);
        self.matrix.append(&mut next.matrix);
        self.target.append(&mut next.target);
        self.lines.append(&mut next.lines);
        self.hashes.append(&mut next.hashes);
        self.ids.append(&mut next.ids);
        for (tally, next) in self.tallies.iter_mut().zip(next.tallies) {
            tally.append(next);
        }
        self.read += next.read;
        self.kept += next.kept;
        for (reason, count) in next.dropped {
            *self.dropped.entry(reason).or_default() += count;
        }
    }

    /// Takes in the levels of the chunk after these, whose positions become ours.
    pub(super) fn unite_levels(&mut self, next: &mut Self) {
        for (position, (tally, theirs)) in self.tallies.iter_mut().zip(&mut next.tallies).enumerate() {
            if let Some(map) = tally.levels.unite(&std::mem::take(&mut theirs.levels)) {
                recode(self.plan, position, &map, &mut next.matrix, &mut next.target);
                theirs.positions.iter_mut().flatten().for_each(|value| replace(value, &map));
            }
        }
    }

    /// Takes in the unique values of the chunk after these.
    fn unite_unique(&mut self, next: &mut Self) {
        let plan = self.plan;
        for (position, (tally, theirs)) in self.tallies.iter_mut().zip(&mut next.tallies).enumerate() {
            let violations = &mut self.violations;
            tally.unique.append(std::mem::take(&mut theirs.unique), |line, text, first| {
                let at = || plan.place(line, position, text.as_bytes());
                violations.note(Some(position), ProblemKind::NotUnique, || Problem::NotUnique { at: at(), first });
            });
        }
    }

    /// Lets go of the rows, and keeps what is known of them together.
    pub(super) fn forget(&mut self) {
        self.matrix.clear();
        self.target.clear();
        self.lines.clear();
        self.hashes.clear();
        self.ids.clear();
        let of_rows = self.tallies.iter_mut().flat_map(|tally| [&mut tally.spare, &mut tally.positions]);
        of_rows.flatten().for_each(Vec::clear);
    }

    /// Adds a row that cannot be read at all.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.read += 1;
        self.note(None, problem);
    }

    pub(super) fn add(&mut self, line: u64, record: &ByteRecord) {
        let expected = self.plan.names.len();
        if record.len() != expected {
            return self.refuse(Problem::Ragged { line, expected, found: record.len() });
        }
        if !record.as_slice().is_ascii() && record.iter().any(|field| std::str::from_utf8(field).is_err()) {
            return self.refuse(Problem::NotUtf8 { line });
        }
        self.add_fields(line, record.iter().map(Field::text));
    }

    /// Adds a row that has one field a column.
    pub(super) fn add_fields<'f>(&mut self, line: u64, fields: impl Iterator<Item = Field<'f>> + Clone) {
        self.read += 1;
        if fields.clone().zip(&self.plan.rules).all(|(field, rule)| field.is_missing(rule)) {
            self.tallies.iter_mut().for_each(|tally| tally.miss(line));
            match self.policy {
                MissingPolicy::Stop => self.note(None, Problem::OnlyMissing { line, unit: self.plan.unit }),
                MissingPolicy::Drop => *self.dropped.entry(DropReason::OnlyMissing).or_default() += 1,
            }
            return;
        }
        let mut reason = None;
        let mut sound = true;
        self.cells.clear();
        for (position, field) in fields.clone().enumerate() {
            let (cell, fate) = self.take(position, line, &field);
            self.cells.push(cell);
            match fate {
                Fate::Fine => {}
                // A missing value is the reason that counts when a row has both.
                Fate::Drop(why) => reason = Some(reason.map_or(why, |reason: DropReason| reason.min(why))),
                Fate::Problem => sound = false,
            }
        }
        let is_dropped = sound && reason.is_some();
        let levels = self.tallies.iter_mut().map(|tally| &mut tally.levels);
        levels.for_each(if is_dropped { Levels::take_back } else { Levels::settle });
        if !sound {
            return;
        }
        match reason {
            Some(reason) => *self.dropped.entry(reason).or_default() += 1,
            // Nothing is built from rows once there is a problem.
            None if self.violations.is_empty() => self.keep(line, fields),
            None => {}
        }
    }

    /// Reads and checks one cell, and notes its problem if it has one.
    fn take(&mut self, position: usize, line: u64, field: &Field<'_>) -> (Cell, Fate) {
        let (Some(tally), Some(role), Some(rule)) =
            (self.tallies.get_mut(position), self.plan.roles.get(position), self.plan.rules.get(position))
        else {
            return (Cell::Missing, Fate::Fine);
        };
        let mut cell = if role.is_used() { field.read(rule, tally) } else { field.parse() };
        if cell == Cell::Missing {
            tally.miss(line);
        } else if rule.unique {
            // What stands for a level is its position in this chunk, or that of the base level.
            let value = if rule.is_category() { Cell::Text } else { cell };
            tally.unique.add(value, line, &field.written());
        }
        if !role.is_used() {
            return (cell, Fate::Fine);
        }
        if cell == Cell::Missing
            && let Some(fill) = &rule.fill
        {
            tally.filled += 1;
            cell = filled(fill, tally);
        }
        let kind = match cell {
            Cell::Missing if self.policy == MissingPolicy::Drop => return (cell, Fate::Drop(DropReason::Missing)),
            Cell::NotFinite if self.policy == MissingPolicy::Drop => return (cell, Fate::Drop(DropReason::NotFinite)),
            Cell::Missing => ProblemKind::Missing,
            Cell::NotFinite => ProblemKind::NotFinite,
            Cell::Text => match rule.kind {
                Some(Kind::Category) => ProblemKind::UnknownLevel,
                Some(Kind::Date) => ProblemKind::NotADate,
                _ => ProblemKind::NotANumber,
            },
            Cell::Number(value, form) => {
                tally.numbers += 1;
                match rule.kind {
                    Some(Kind::Integer)
                        if value.fract() != 0.0 || form == Form::Beyond || value.abs() > EXACT as f64 =>
                    {
                        ProblemKind::NotInteger
                    }
                    None if form == Form::Beyond => ProblemKind::BeyondExact,
                    _ if !rule.allows(value) => ProblemKind::OutOfBounds,
                    _ => return (cell, Fate::Fine),
                }
            }
        };
        let problem = || {
            let written = field.written();
            problem(kind, self.plan.place(line, position, &written), rule, &written)
        };
        self.violations.note(Some(position), kind, problem);
        (cell, Fate::Problem)
    }

    fn note(&mut self, column: Option<usize>, problem: Problem) {
        self.violations.note(column, problem.kind(), || problem);
    }

    fn keep<'f>(&mut self, line: u64, mut fields: impl Iterator<Item = Field<'f>> + Clone) {
        let value = |position: &usize| match self.cells.get(*position) {
            Some(Cell::Number(value, _)) => *value,
            // `take` let the row pass, so its used cells are numbers.
            _ => f64::NAN,
        };
        self.matrix.extend(self.plan.features.iter().map(value));
        self.target.push(value(&self.plan.target));
        self.lines.push(line);
        self.kept += 1;
        self.bytes.clear();
        let columns = self.tallies.iter_mut().zip(self.plan.roles.iter().zip(&self.plan.rules));
        for ((field, cell), (tally, (role, rule))) in fields.clone().zip(&self.cells).zip(columns) {
            field.add_to(&mut self.bytes);
            self.bytes.push(self.plan.delimiter);
            tally.keep(*role, *cell, &field);
            tally.keep_level(rule, &field);
        }
        // As many rows are written already, so that those need not be copied to be hashed.
        self.bytes.pop();
        self.hashes.push(xxh3_64(&self.bytes));
        if let Some(id) = self.plan.id.and_then(|id| fields.nth(id)) {
            self.ids.push(String::from_utf8_lossy(&id.written()).into_owned());
        }
    }

    pub(super) fn finish(self) -> Result<Table, ReadError> {
        assemble::table(self.sound()?)
    }

    /// These rows, if there are some and nothing is wrong with any.
    pub(super) fn sound(mut self) -> Result<Self, ReadError> {
        let plan = self.plan;
        let mut texts = Vec::new();
        for (position, (tally, role)) in self.tallies.iter().zip(&plan.roles).enumerate() {
            if role.is_used() && tally.levels.are_too_many() {
                return Err(ReadError::TooManyLevels { column: plan.name(position).to_owned() });
            }
            if let Some((count, Problem::NotANumber { at })) = self.violations.of(position, ProblemKind::NotANumber)
                && count > tally.numbers
            {
                texts.push(TextColumn { first: at.clone(), is_target: *role == Role::Target });
            }
        }
        if !texts.is_empty() {
            return Err(ReadError::TextColumns { columns: texts });
        }
        self.check_missing();
        if !self.violations.is_empty() {
            return Err(self.violations.into_error(plan));
        }
        if self.read == 0 {
            return Err(ReadError::NoRows);
        }
        if self.kept == 0 {
            let used = self.tallies.iter().zip(&plan.names).zip(&plan.roles).filter(|(_, role)| role.is_used());
            let worst = used
                .max_by_key(|((tally, _), _)| tally.missing)
                .map(|((tally, name), _)| (name.clone(), tally.missing));
            let target = plan.name(plan.target).to_owned();
            let worst = worst.filter(|(_, missing)| *missing > 0);
            return Err(ReadError::AllDropped { read: self.read, worst, target });
        }
        Ok(self)
    }

    /// Notes the columns that lack more values than they may.
    fn check_missing(&mut self) {
        let rows = self.read;
        for (position, (tally, rule)) in self.tallies.iter().zip(&self.plan.rules).enumerate() {
            let missing = tally.missing;
            let Some(allowed) = rule.max_missing.filter(|allowed| missing as f64 > allowed * rows as f64) else {
                continue;
            };
            let at = self.plan.place(tally.first_missing.unwrap_or_default(), position, b"");
            self.violations.note(Some(position), ProblemKind::TooManyMissing, || Problem::TooManyMissing {
                at,
                missing,
                rows,
                allowed,
            });
        }
    }
}

/// The problem of a cell at this place.
fn problem(kind: ProblemKind, at: Place, rule: &Rule, field: &[u8]) -> Problem {
    match kind {
        ProblemKind::Missing => Problem::Missing { at },
        ProblemKind::NotFinite => Problem::NotFinite { at },
        ProblemKind::BeyondExact => Problem::BeyondExact { at },
        ProblemKind::NotInteger => Problem::NotInteger { at },
        ProblemKind::OutOfBounds => Problem::OutOfBounds { at, allowed: rule.allowed_values() },
        ProblemKind::UnknownLevel => Problem::UnknownLevel { at, nearest: rule.nearest(field) },
        ProblemKind::NotADate => Problem::NotADate { at },
        _ => Problem::NotANumber { at },
    }
}

/// Replaces the positions of levels in a column, as [`Levels`](super::levels::Levels) says.
pub(super) fn recode(plan: &Plan, position: usize, map: &[f64], matrix: &mut [f64], target: &mut [f64]) {
    if position == plan.target {
        target.iter_mut().for_each(|value| replace(value, map));
    }
    if let Some(feature) = plan.features.iter().position(|feature| *feature == position) {
        for row in matrix.chunks_exact_mut(plan.features.len().max(1)) {
            if let Some(value) = row.get_mut(feature) {
                replace(value, map);
            }
        }
    }
}

enum Fate {
    Fine,
    Drop(DropReason),
    Problem,
}
