//! Rows without quotes whose numbers are plain, straight from the bytes.

#[cfg(test)]
mod tests;

use csv::ByteRecord;
use mlci_model::{Kind, is_missing};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    cell::{self, Cell, EXACT, Form},
    chunks::Chunk,
    ends::ends,
    field::Field,
    levels::Levels,
    number::number,
    plan::Plan,
    rows::Rows,
    rule::Rule,
    tally::Tally,
};
use crate::Role;

/// What is done with a column of the header.
#[derive(Clone, Copy)]
struct Column {
    content: Content,
    /// Where its values go: the target has the place behind those of the features.
    place: usize,
    /// Whether a number of it has had a point or an exponent.
    is_decimal: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Content {
    Number,
    /// Numbers that have to be looked at beyond being numbers.
    Checked,
    Level,
    /// What is not used.
    Unused,
    /// Nothing that is plain.
    Other,
}

impl Content {
    fn of(rule: &Rule) -> Self {
        match rule.kind {
            _ if rule.unique => Self::Other,
            Some(Kind::Category) => Self::Level,
            Some(Kind::Integer) => Self::Checked,
            None | Some(Kind::Float) if rule.is_bounded() => Self::Checked,
            None | Some(Kind::Float) => Self::Number,
            Some(_) => Self::Other,
        }
    }
}

/// Adds the lines of a chunk in which there is no quote, so that each is a record. What is not plain about a row is left
/// to [`Rows::add`], and the outcome is the same as if every row were.
pub(super) fn add(rows: &mut Rows<'_>, chunk: &Chunk, delimiter: u8) {
    let (bytes, used, columns) = (&chunk.bytes, rows.plan.features.len(), rows.plan.names.len());
    let mut reader = Reader::new(rows.plan, bytes);
    // A number is a digit and a delimiter at least: empty lines take no room.
    let count = chunk.lines.min(bytes.len() / (2 * used)) + 1;
    rows.matrix.reserve_exact(count * used);
    [&mut rows.lines, &mut rows.hashes].into_iter().for_each(|numbers| numbers.reserve_exact(count));
    rows.target.reserve_exact(count);
    let all_ends = ends(bytes, delimiter, (count * columns).min(bytes.len()));
    let mut ends = all_ends.as_slice();
    let mut record = ByteRecord::new();
    let (mut at, mut line) = (0, chunk.line);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let end = at + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        // The line has one field a column where it ends with that of the last.
        let fields = ends.get(..columns).filter(|fields| fields.last() == Some(&(end as u32)));
        if end == at {
            ends = ends.get(1..).unwrap_or_default();
        } else if let Some(fields) = fields.filter(|fields| reader.add(rows, (at, end), fields, line)) {
            ends = ends.get(fields.len()..).unwrap_or_default();
        } else {
            record.clear();
            let text = bytes.get(at..end).unwrap_or_default();
            text.split(|byte| *byte == delimiter).for_each(|field| record.push_field(field));
            rows.add(line, &record);
            ends = ends.get(record.len()..).unwrap_or_default();
        }
        at = end + 1;
        line += 1;
    }
    reader.finish(rows);
}

struct Reader<'c> {
    plan: &'c Plan,
    bytes: &'c [u8],
    columns: Vec<Column>,
    /// The target of the present row.
    target: f64,
    /// The positions of its numbers that are the first of their columns to have a point or an exponent. What is written
    /// for each number goes nowhere but into the matrix: small allocations of two threads may lie side by side, and each
    /// would wait for the other's.
    decimal: Vec<usize>,
    /// Which columns take their levels of the data.
    open: Vec<usize>,
    /// Where its columns are that are not used.
    others: Vec<(usize, usize, usize)>,
    /// Of the rows kept.
    kept: u64,
}

impl<'c> Reader<'c> {
    fn new(plan: &'c Plan, bytes: &'c [u8]) -> Self {
        let unused = |rule: &Rule| Column {
            content: if rule.unique { Content::Other } else { Content::Unused },
            place: usize::MAX,
            is_decimal: false,
        };
        let mut columns: Vec<Column> = plan.rules.iter().map(unused).collect();
        let used = plan.features.iter().copied().chain([plan.target]);
        for (place, position) in used.enumerate() {
            if let (Some(column), Some(rule)) = (columns.get_mut(position), plan.rules.get(position)) {
                *column = Column { content: Content::of(rule), place, is_decimal: false };
            }
        }
        let used = plan.features.len() + 1;
        let rules = plan.rules.iter().zip(&plan.roles).enumerate();
        let takes = rules.filter(|(_, (rule, role))| role.is_used() && rule.takes_levels_of_data());
        Self {
            open: takes.map(|(position, _)| position).collect(),
            plan,
            bytes,
            target: 0.0,
            decimal: Vec::with_capacity(used),
            others: Vec::with_capacity(columns.len() - used.min(columns.len())),
            kept: 0,
            columns,
        }
    }

    /// Adds the row of the bytes from `start` to `end` and of the fields, one a column, that end where `ends` says, if
    /// it is plain; whether it is.
    fn add(&mut self, rows: &mut Rows<'_>, (start, end): (usize, usize), ends: &[u32], line: u64) -> bool {
        let before = rows.matrix.len();
        rows.matrix.resize(before + self.plan.features.len(), 0.0);
        let is_plain = self.is_plain(rows, before, start, ends);
        if is_plain {
            self.keep(rows, start, end, line);
        } else {
            rows.matrix.truncate(before);
            self.each_level(rows, Levels::take_back);
        }
        is_plain
    }

    /// Reads the row that begins at `start` into the end of the matrix, which begins at `before`; whether it is plain.
    fn is_plain(&mut self, rows: &mut Rows<'_>, before: usize, start: usize, ends: &[u32]) -> bool {
        let Rows { matrix, tallies, .. } = rows;
        let features = matrix.get_mut(before..).unwrap_or_default();
        self.others.clear();
        self.decimal.clear();
        let mut at = start;
        for ((position, column), end) in self.columns.iter().enumerate().zip(ends) {
            let end = *end as usize;
            let value = match column.content {
                Content::Number | Content::Checked => match number(self.bytes, at, end) {
                    None | Some((_, Form::Beyond)) => return false,
                    Some((value, _)) if column.content == Content::Checked && !self.allows(position, value) => {
                        return false;
                    }
                    Some((value, form)) => {
                        if form == Form::Decimal && !column.is_decimal {
                            self.decimal.push(position);
                        }
                        value
                    }
                },
                Content::Level => {
                    let field = self.bytes.get(at..end).unwrap_or_default();
                    match level_of(self.plan, tallies, position, field) {
                        Some(value) => value,
                        None => return false,
                    }
                }
                Content::Unused => {
                    let field = self.bytes.get(at..end).unwrap_or_default();
                    if !field.is_ascii() || field.trim_ascii().len() != field.len() {
                        return false;
                    }
                    self.others.push((position, at, end));
                    at = end + 1;
                    continue;
                }
                Content::Other => return false,
            };
            match features.get_mut(column.place) {
                Some(feature) => *feature = value,
                None => self.target = value,
            }
            at = end + 1;
        }
        true
    }

    fn each_level(&self, rows: &mut Rows<'_>, then: impl Fn(&mut Levels)) {
        for position in &self.open {
            if let Some(tally) = rows.tallies.get_mut(*position) {
                then(&mut tally.levels);
            }
        }
    }

    /// Whether what is declared about the column allows a value.
    fn allows(&self, position: usize, value: f64) -> bool {
        self.plan.rules.get(position).is_none_or(|rule| {
            let is_whole = value.fract() == 0.0 && value.abs() <= EXACT as f64;
            (rule.kind != Some(Kind::Integer) || is_whole) && rule.allows(value)
        })
    }

    /// Adds what there is of a plain row, which is the bytes from `start` to `end`, beside its features.
    fn keep(&mut self, rows: &mut Rows<'_>, start: usize, end: usize, line: u64) {
        rows.target.push(self.target);
        for position in &self.decimal {
            if let Some(column) = self.columns.get_mut(*position) {
                column.is_decimal = true;
            }
        }
        rows.lines.push(line);
        // No field has white space about it: the line is what `Rows` makes of a record to hash it.
        rows.hashes.push(xxh3_64(self.bytes.get(start..end).unwrap_or_default()));
        self.kept += 1;
        self.each_level(rows, Levels::settle);
        for (position, start, end) in &self.others {
            let field = self.bytes.get(*start..*end).unwrap_or_default();
            let role = self.plan.roles.get(*position).copied().unwrap_or(Role::Unused);
            if let Some(tally) = rows.tallies.get_mut(*position) {
                let cell = cell::parse(field);
                if cell == Cell::Missing {
                    tally.miss(line);
                }
                tally.keep(role, cell, &Field::text(field));
                if let Some(rule) = self.plan.rules.get(*position) {
                    tally.keep_level(rule, &Field::text(field));
                }
            }
            if role == Role::Id {
                rows.ids.push(String::from_utf8_lossy(field).into_owned());
            }
        }
    }

    fn finish(self, rows: &mut Rows<'_>) {
        rows.read += self.kept;
        rows.kept += self.kept;
        for (tally, column) in rows.tallies.iter_mut().zip(&self.columns) {
            if column.place <= self.plan.features.len() {
                tally.numbers += self.kept;
                tally.decimal |= column.is_decimal;
            }
        }
    }
}

/// The position of a level that is declared, or among those of the data; `None`: it is for [`Rows::add`] to say.
fn level_of(plan: &Plan, tallies: &mut [Tally], position: usize, field: &[u8]) -> Option<f64> {
    if !field.is_ascii() || field.trim_ascii().len() != field.len() {
        return None;
    }
    let text = std::str::from_utf8(field).ok()?;
    let rule = plan.rules.get(position)?;
    let level = match rule.position(text) {
        Some(position) => position,
        None if rule.takes_levels_of_data() && !is_missing(field) => tallies.get_mut(position)?.levels.position(text),
        None => return None,
    };
    Some(level as f64)
}
