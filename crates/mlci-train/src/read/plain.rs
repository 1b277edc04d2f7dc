//! Rows without quotes whose numbers are plain, straight from the bytes.

use csv::ByteRecord;
use mlci_model::{Kind, is_missing};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    cell::{self, Cell, EXACT, Form},
    chunks::Chunk,
    field::Field,
    number::number,
    plan::Plan,
    rows::Rows,
    rule::Rule,
};
use crate::Role;

/// What is done with a column of the header.
#[derive(Clone, Copy)]
struct Column {
    /// Where its values go; `None`: it is not used.
    place: Option<usize>,
    content: Content,
}

#[derive(Clone, Copy, PartialEq)]
enum Content {
    Number,
    /// Numbers that have to be looked at beyond being numbers.
    Checked,
    Level,
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
    let mut reader = Reader::new(rows.plan, &chunk.bytes, delimiter);
    // A number is a digit and a delimiter at least: empty lines take no room.
    let count = chunk.lines.min(chunk.bytes.len() / (2 * rows.plan.features.len())) + 1;
    rows.matrix.reserve_exact(count * rows.plan.features.len());
    [&mut rows.lines, &mut rows.hashes].into_iter().for_each(|numbers| numbers.reserve_exact(count));
    rows.target.reserve_exact(count);
    let mut record = ByteRecord::new();
    let (mut at, mut line) = (0, chunk.line);
    while at < chunk.bytes.len() {
        match reader.row(rows, at) {
            Row::Empty => at += 1,
            Row::Plain(end) => {
                reader.keep(rows, at, end, line);
                at = end + 1;
            }
            Row::Other => {
                let rest = chunk.bytes.get(at..).unwrap_or_default();
                let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                record.clear();
                for field in rest.get(..end).unwrap_or_default().split(|byte| *byte == delimiter) {
                    record.push_field(field);
                }
                rows.add(line, &record);
                at += end + 1;
            }
        }
        line += 1;
    }
    reader.finish(rows);
}

enum Row {
    Empty,
    /// Its numbers are in `values`; the line ends there.
    Plain(usize),
    Other,
}

struct Reader<'c> {
    plan: &'c Plan,
    bytes: &'c [u8],
    delimiter: u8,
    columns: Vec<Column>,
    /// The features of the present row, and the target.
    values: Vec<f64>,
    /// Which of its numbers have a point or an exponent.
    decimal: Vec<bool>,
    /// Where its columns are that are not used.
    others: Vec<(usize, usize, usize)>,
    /// Of the rows kept.
    kept: u64,
    any_decimal: Vec<bool>,
}

impl<'c> Reader<'c> {
    fn new(plan: &'c Plan, bytes: &'c [u8], delimiter: u8) -> Self {
        let unused = |rule: &Rule| if rule.unique { Content::Other } else { Content::Number };
        let mut columns: Vec<Column> =
            plan.rules.iter().map(|rule| Column { place: None, content: unused(rule) }).collect();
        let used = plan.features.iter().copied().chain([plan.target]);
        for (place, position) in used.enumerate() {
            if let (Some(column), Some(rule)) = (columns.get_mut(position), plan.rules.get(position)) {
                *column = Column { place: Some(place), content: Content::of(rule) };
            }
        }
        let used = plan.features.len() + 1;
        Self {
            plan,
            bytes,
            delimiter,
            values: vec![0.0; used],
            decimal: vec![false; used],
            others: Vec::with_capacity(columns.len() - used.min(columns.len())),
            kept: 0,
            any_decimal: vec![false; used],
            columns,
        }
    }

    /// Reads the row that begins at `start`.
    fn row(&mut self, rows: &mut Rows<'_>, start: usize) -> Row {
        if self.bytes.get(start) == Some(&b'\n') {
            return Row::Empty;
        }
        self.others.clear();
        let mut at = start;
        let last = self.columns.len().saturating_sub(1);
        for (position, column) in self.columns.iter().enumerate() {
            let end = match (column.place, column.content) {
                (_, Content::Other) => return Row::Other,
                (Some(place), Content::Level) => {
                    let end = at + self.length(at);
                    let level = self.bytes.get(at..end).unwrap_or_default();
                    let Some(value) = level_of(rows, position, level) else { return Row::Other };
                    if let (Some(kept), Some(decimal)) = (self.values.get_mut(place), self.decimal.get_mut(place)) {
                        (*kept, *decimal) = (value, false);
                    }
                    end
                }
                (Some(place), content) => {
                    let Some((value, form, end)) = number(self.bytes, at, self.delimiter) else { return Row::Other };
                    if form == Form::Beyond || content == Content::Checked && !self.allows(position, value) {
                        return Row::Other;
                    }
                    if let (Some(kept), Some(decimal)) = (self.values.get_mut(place), self.decimal.get_mut(place)) {
                        (*kept, *decimal) = (value, form == Form::Decimal);
                    }
                    end
                }
                (None, _) => {
                    let length = self.length(at);
                    let field = self.bytes.get(at..at + length).unwrap_or_default();
                    if !field.is_ascii() || field.trim_ascii().len() != length {
                        return Row::Other;
                    }
                    self.others.push((position, at, at + length));
                    at + length
                }
            };
            let is_end = self.bytes.get(end).is_none_or(|byte| *byte == b'\n');
            if is_end != (position == last) {
                return Row::Other;
            }
            at = end + 1;
        }
        Row::Plain(at - 1)
    }

    /// How long the field is that begins here.
    fn length(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        memchr::memchr2(self.delimiter, b'\n', rest).unwrap_or(rest.len())
    }

    /// Whether what is declared about the column allows a value.
    fn allows(&self, position: usize, value: f64) -> bool {
        self.plan.rules.get(position).is_none_or(|rule| {
            let is_whole = value.fract() == 0.0 && value.abs() <= EXACT as f64;
            (rule.kind != Some(Kind::Integer) || is_whole) && rule.allows(value)
        })
    }

    /// Adds the row that was read, which is the bytes from `start` to `end`.
    fn keep(&mut self, rows: &mut Rows<'_>, start: usize, end: usize, line: u64) {
        if let Some((target, features)) = self.values.split_last() {
            rows.matrix.extend_from_slice(features);
            rows.target.push(*target);
        }
        self.any_decimal.iter_mut().zip(&self.decimal).for_each(|(any, this)| *any |= this);
        rows.lines.push(line);
        // No field has white space about it: the line is what `Rows` makes of a record to hash it.
        rows.hashes.push(xxh3_64(self.bytes.get(start..end).unwrap_or_default()));
        self.kept += 1;
        for (position, start, end) in &self.others {
            let field = self.bytes.get(*start..*end).unwrap_or_default();
            let role = self.plan.roles.get(*position).copied().unwrap_or(Role::Unused);
            if let Some(tally) = rows.tallies.get_mut(*position) {
                let cell = cell::parse(field);
                if cell == Cell::Missing {
                    tally.miss(line);
                }
                tally.keep(role, cell, &Field::text(field));
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
            if let Some(place) = column.place {
                tally.numbers += self.kept;
                tally.decimal |= self.any_decimal.get(place).copied().unwrap_or_default();
            }
        }
    }
}

/// The position of a level that is declared, or among those of the data; `None`: it is for [`Rows::add`] to say.
fn level_of(rows: &mut Rows<'_>, position: usize, field: &[u8]) -> Option<f64> {
    if !field.is_ascii() || field.trim_ascii().len() != field.len() {
        return None;
    }
    let text = std::str::from_utf8(field).ok()?;
    let rule = rows.plan.rules.get(position)?;
    let level = match rule.position(text) {
        Some(position) => position,
        None if rule.takes_levels_of_data() && !is_missing(field) => {
            rows.tallies.get_mut(position)?.levels.position(text)
        }
        None => return None,
    };
    Some(level as f64)
}

#[cfg(test)]
mod tests {
    use crate::{
        Table,
        read::{Chunk, ColumnOptions, MissingPolicy, Plan, ReadError, ReadOptions, RowUnit, rows_of},
    };

    use mlci_model::Value;

    fn read(text: &str, has_quotes: bool, options: &ReadOptions) -> Result<Table, ReadError> {
        let header = ["a", "b", "note", "y", "id"].map(str::to_owned).to_vec();
        let plan = Plan::new(header, RowUnit::Line, options).unwrap();
        let chunk = Chunk { bytes: text.as_bytes().to_vec(), line: 2, lines: 0, is_last: true, has_quotes };
        rows_of(&chunk, &plan, options)?.finish()
    }

    fn same(text: &str, set: impl FnOnce(&mut ReadOptions)) -> Result<(), proptest::test_runner::TestCaseError> {
        let mut options = ReadOptions::new("y");
        options.exclude = vec!["note".into()];
        options.id = Some("id".into());
        set(&mut options);
        match (read(text, false, &options), read(text, true, &options)) {
            (Ok(plain), Ok(slow)) => {
                let bits = |table: &Table| -> Vec<u64> {
                    table.features.iter().chain(&table.target).map(|value| value.to_bits()).collect()
                };
                proptest::prop_assert_eq!(bits(&plain), bits(&slow));
                proptest::prop_assert_eq!((&plain.lines, &plain.hashes), (&slow.lines, &slow.hashes));
                proptest::prop_assert_eq!((&plain.spare, &plain.ids), (&slow.spare, &slow.ids));
                proptest::prop_assert_eq!((&plain.schema, &plain.report), (&slow.schema, &slow.report));
            }
            (plain, slow) => {
                let text =
                    |read: Result<Table, ReadError>| read.map(|_| ()).map_err(|error| format!("{error:?} {error}"));
                proptest::prop_assert_eq!(text(plain), text(slow));
            }
        }
        Ok(())
    }

    fn check(text: &str) -> Result<(), proptest::test_runner::TestCaseError> {
        same(text, |_| {})?;
        same(text, |options| options.missing = MissingPolicy::Drop)?;
        same(text, |options| {
            options.missing = MissingPolicy::Drop;
            let (min, max) = (Some(Value::Number(-1.0)), Some(Value::Number(50.0)));
            let bounds = ColumnOptions { min, max, max_missing: Some(0.2), ..ColumnOptions::default() };
            options.columns.insert("a".into(), bounds);
        })?;
        same(text, |options| {
            options.id = None;
            options.features = Some(vec!["b".into()]);
            let whole = ColumnOptions { kind: Some(mlci_model::Kind::Integer), ..ColumnOptions::default() };
            options.columns.insert("b".into(), whole);
        })?;
        for (levels, fill) in [(vec![], None), (vec!["3", "1", "x"], Some("x")), (vec![], Some("9"))] {
            same(text, |options| {
                let levels = levels.iter().map(|level| (*level).to_owned()).collect();
                let fill = fill.map(|fill| Value::Text(fill.to_owned()));
                let kind = Some(mlci_model::Kind::Category);
                options.columns.insert("a".into(), ColumnOptions { kind, levels, fill, ..ColumnOptions::default() });
                let unique = ColumnOptions { unique: true, ..ColumnOptions::default() };
                options.columns.insert("id".into(), unique);
            })?;
        }
        same(text, |options| {
            let kind = Some(mlci_model::Kind::Category);
            options.columns.insert("b".into(), ColumnOptions { kind, ..ColumnOptions::default() });
        })
    }

    #[test]
    fn what_is_not_plain_is_read_as_ever() {
        for text in [
            "",
            "\n",
            "1,2,x,3,r1\n",
            "1,2,x,3,r1",
            "1,2,,3,\n",
            "\n\n1,2,x,3,r1\n\n2,3,4,5,6\n",
            "1,2,x,3\n",
            "1,2,x,3,r,1\n",
            " 1,2,x,3,r1\n",
            "1,2,x ,3,r1\n",
            "1,2,x,3,r1 \n",
            "1,,x,3,r1\n2,2,5,3,r2\n",
            "1,inf,x,3,r1\n",
            ",,,,\n",
            "1,2,\u{e9},3,r1\n",
            "9007199254740993,2,x,3,r1\n",
            "1.5,2.25,7,3,r1\n1,2,8,3,r2\n",
            "-0,-0.0,7,3,\n",
            "1,x,7,3,r\n",
            "60,1,7,3,r\n",
            "1,2.5,7,3,r\n",
            "1,2,NA,3,NA\n",
            "+1,1e3,1e3,.5,5.\n",
        ] {
            check(text).unwrap();
        }
    }

    proptest::proptest! {
        #[test]
        fn plain_rows_are_read_as_others(text in "((-?[0-9]{0,3}(\\.[0-9]{0,3})?|NA|inf| 7|x)(,|\n)){0,30}") {
            check(&text)?;
        }

        #[test]
        fn whole_rows_too(text in "(-?[0-9]{1,3}(\\.[0-9]{0,3})?,-?[0-9]{1,3},[a-z0-9 \u{e9}]{0,2},[0-9.]{1,4},[0-9]?\n){0,6}") {
            check(&text)?;
        }

        #[test]
        fn whatever_comes(text in "[-0-9.,\neNa \t\u{feff}\u{0}]{0,60}") {
            check(&text)?;
        }
    }
}
