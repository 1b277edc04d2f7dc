//! Parquet, in blocks of rows straight from its columns.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ::parquet::{
    column::reader::ColumnReader,
    errors::ParquetError,
    file::{
        reader::{ChunkReader, FileReader, SerializedFileReader},
        serialized_reader::ReadOptionsBuilder,
    },
};
use mlci_model::Kind;

use self::column::{Meaning, Value};
use super::{
    ReadError, ReadOptions, RowUnit, parallel,
    plan::{self, Plan},
    rows::Rows,
};
use crate::Table;

mod column;
mod copy;

pub(super) use self::copy::copy;

/// What begins and ends a Parquet file.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// Reads Parquet by the rules of [`read_csv`](super::read_csv); memory is that of the table and of some blocks of rows,
/// besides what a page of each column takes.
pub(super) fn read(source: impl ChunkReader + 'static, options: &ReadOptions) -> Result<Table, ReadError> {
    let file = guarded(|| SerializedFileReader::new_with_options(source, ReadOptionsBuilder::new().build()))?;
    let columns = columns(&file);
    let names = plan::names(columns.iter().map(|column| column.name.as_str()))?;
    let mut plan = Plan::new(names, RowUnit::Row, options)?;
    for ((column, rule), role) in columns.iter().zip(&mut plan.rules).zip(&plan.roles) {
        if let (Err(what), true) = (&column.content, role.is_used()) {
            return Err(ReadError::Unreadable { column: column.name.clone(), what });
        }
        // The format says what is a date.
        if rule.kind.is_none() && column.content.as_ref().is_ok_and(|(_, meaning)| meaning.is_date()) {
            rule.kind = Some(Kind::Date);
        }
    }
    let mut blocks = Blocks::new(&file, &columns);
    let of_block = |block: Block| Ok::<_, ReadError>(rows_of(&block, &plan, options));
    let mut rows = Rows::new(&plan, options.missing);
    parallel::in_order(|| guarded(|| blocks.next()), of_block, |next| rows.append(next))?;
    rows.finish()
}

/// The crate has panicked at damaged files, and may again.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| ReadError::Parquet(Box::new(error))),
        Err(_) => Err(ReadError::Parquet("its content contradicts itself".into())),
    }
}

/// A column at the top of the schema.
struct Column {
    name: String,
    /// Which of the columns below it that is and what its values mean, or why it has not one value a row.
    content: Result<(usize, Meaning), &'static str>,
}

fn columns(file: &impl FileReader) -> Vec<Column> {
    let schema = file.metadata().file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields().iter();
    let mut columns: Vec<Column> =
        fields.map(|field| Column { name: field.name().trim().to_owned(), content: Err("without values") }).collect();
    for leaf in 0..schema.num_columns() {
        let (root, descriptor) = (schema.get_column_root_idx(leaf), schema.column(leaf));
        if let Some(column) = columns.get_mut(root) {
            let is_nested = descriptor.max_rep_level() > 0 || descriptor.path().parts().len() > 1;
            column.content =
                if is_nested { Err("nested") } else { Meaning::of(&descriptor).map(|meaning| (leaf, meaning)) };
        }
    }
    columns
}

/// Some rows that follow each other.
struct Block {
    /// The number of the first, from 1.
    first: u64,
    rows: usize,
    /// Column by column; nothing of a column that has not one value a row.
    columns: Vec<Option<Vec<Value>>>,
}

/// The rows of a file, in their order, block by block.
struct Blocks<'f, F> {
    file: &'f F,
    columns: &'f [Column],
    /// How many rows a block has at most.
    size: usize,
    group: usize,
    readers: Vec<Option<(ColumnReader, i16, Meaning)>>,
    /// How many rows of the present row group are left.
    left: usize,
    first: u64,
}

impl<'f, F: FileReader> Blocks<'f, F> {
    fn new(file: &'f F, columns: &'f [Column]) -> Self {
        // As of CSV: worth a hand-over, and small enough to stay in a cache.
        const CELLS: usize = 1 << 16;
        let size = CELLS.div_ceil(columns.len().max(1));
        Self { file, columns, size, group: 0, readers: Vec::new(), left: 0, first: 1 }
    }

    fn next(&mut self) -> Result<Option<Block>, ParquetError> {
        while self.left == 0 {
            if self.group == self.file.num_row_groups() {
                return Ok(None);
            }
            self.open()?;
        }
        let rows = self.left.min(self.size);
        let mut columns = Vec::with_capacity(self.readers.len());
        for reader in &mut self.readers {
            let values = match reader {
                Some((reader, most, meaning)) => Some(meaning.read(reader, *most, rows)?),
                None => None,
            };
            columns.push(values);
        }
        self.left -= rows;
        let first = self.first;
        self.first += rows as u64;
        Ok(Some(Block { first, rows, columns }))
    }

    /// Opens the next row group.
    fn open(&mut self) -> Result<(), ParquetError> {
        let group = self.file.get_row_group(self.group)?;
        let rows = group.metadata().num_rows();
        self.left = usize::try_from(rows)
            .map_err(|_| ParquetError::General(format!("the row group {} has {rows} rows", self.group)))?;
        self.readers.clear();
        for column in self.columns {
            let reader = match &column.content {
                Ok((leaf, meaning)) => {
                    let most = group.metadata().column(*leaf).column_descr().max_def_level();
                    Some((group.get_column_reader(*leaf)?, most, *meaning))
                }
                Err(_) => None,
            };
            self.readers.push(reader);
        }
        self.group += 1;
        Ok(())
    }
}

fn rows_of<'p>(block: &Block, plan: &'p Plan, options: &ReadOptions) -> Rows<'p> {
    let mut rows = Rows::new(plan, options.missing);
    for row in 0..block.rows {
        let fields = block.columns.iter().zip(&plan.rules).map(|(column, rule)| {
            let value = column.as_ref().and_then(|values| values.get(row)).unwrap_or(&Value::Missing);
            value.field(rule)
        });
        rows.add_fields(block.first + row as u64, fields);
    }
    rows
}
