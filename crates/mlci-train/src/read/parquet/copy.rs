use std::{
    fs::File,
    io::{self, Write},
    sync::Arc,
};

use ::parquet::{
    basic::Compression,
    column::{
        reader::{ColumnReader, ColumnReaderImpl},
        writer::{ColumnWriter, ColumnWriterImpl},
    },
    data_type::DataType,
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        reader::{FileReader, SerializedFileReader},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnDescriptor,
};

use super::guarded;
use crate::{CopyError, ReadError};

/// Why some rows could not be copied.
enum Failure {
    Read(ParquetError),
    Write(ParquetError),
}

/// Writes those of the rows, counted from 1, that `rows` names, with all their columns, nested ones too, in the groups in
/// which they stand; and how many they were. Schema and notes about it (pandas' index, Arrow's types) go with them.
///
/// Memory: some rows of a column, and of the row group that is written its compressed pages.
pub(in crate::read) fn copy(
    file: File,
    rows: &[u64],
    out: impl Write + Send,
    at: impl Fn(ReadError) -> CopyError,
) -> Result<u64, CopyError> {
    let copied = guarded(|| Ok(copy_groups(file, rows, out))).map_err(&at)?;
    copied.map_err(|failure| match failure {
        Failure::Read(error) => at(ReadError::Parquet(Box::new(error))),
        Failure::Write(ParquetError::External(error)) => CopyError::Write(io::Error::other(error)),
        Failure::Write(error) => CopyError::Write(io::Error::other(error)),
    })
}

fn copy_groups(file: File, rows: &[u64], out: impl Write + Send) -> Result<u64, Failure> {
    let file = SerializedFileReader::new(file).map_err(Failure::Read)?;
    let about = file.metadata().file_metadata();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(about.key_value_metadata().cloned())
        .build();
    let schema = about.schema_descr().root_schema_ptr();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(Failure::Write)?;
    let (mut first, mut copied) = (1, 0);
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).map_err(Failure::Read)?;
        let end = first + u64::try_from(group.metadata().num_rows()).unwrap_or_default();
        let from = rows.partition_point(|row| *row < first);
        let kept = rows.get(from..rows.partition_point(|row| *row < end)).unwrap_or_default();
        if !kept.is_empty() {
            let mut to = writer.next_row_group().map_err(Failure::Write)?;
            for leaf in 0..group.num_columns() {
                let mut reader = group.get_column_reader(leaf).map_err(Failure::Read)?;
                let Some(mut column) = to.next_column().map_err(Failure::Write)? else { break };
                let descriptor = group.metadata().column(leaf).column_descr();
                copy_column(&mut reader, column.untyped(), descriptor, kept.iter().map(|row| row - first))?;
                column.close().map_err(Failure::Write)?;
            }
            to.close().map_err(Failure::Write)?;
            copied += kept.len() as u64;
        }
        first = end;
    }
    writer.close().map_err(Failure::Write)?;
    Ok(copied)
}

fn copy_column(
    reader: &mut ColumnReader,
    writer: &mut ColumnWriter<'_>,
    descriptor: &ColumnDescriptor,
    rows: impl Iterator<Item = u64>,
) -> Result<(), Failure> {
    use {ColumnReader as R, ColumnWriter as W};
    match (reader, writer) {
        (R::BoolColumnReader(from), W::BoolColumnWriter(to)) => copy_values(from, to, descriptor, rows),
        (R::Int32ColumnReader(from), W::Int32ColumnWriter(to)) => copy_values(from, to, descriptor, rows),
        (R::Int64ColumnReader(from), W::Int64ColumnWriter(to)) => copy_values(from, to, descriptor, rows),
        (R::Int96ColumnReader(from), W::Int96ColumnWriter(to)) => copy_values(from, to, descriptor, rows),
        (R::FloatColumnReader(from), W::FloatColumnWriter(to)) => copy_values(from, to, descriptor, rows),
        (R::DoubleColumnReader(from), W::DoubleColumnWriter(to)) => copy_values(from, to, descriptor, rows),
        (R::ByteArrayColumnReader(from), W::ByteArrayColumnWriter(to)) => copy_values(from, to, descriptor, rows),
        (R::FixedLenByteArrayColumnReader(from), W::FixedLenByteArrayColumnWriter(to)) => {
            copy_values(from, to, descriptor, rows)
        }
        _ => Err(Failure::Read(ParquetError::General("a column has two types".to_owned()))),
    }
}

/// Copies the values of some of the rows of a row group, counted from 0, with their levels: a value is there where the
/// definition level is the greatest, and a row begins where the repetition level is 0 (Melnik et al., *Dremel*, VLDB 2010).
fn copy_values<T: DataType>(
    from: &mut ColumnReaderImpl<T>,
    to: &mut ColumnWriterImpl<'_, T>,
    descriptor: &ColumnDescriptor,
    rows: impl Iterator<Item = u64>,
) -> Result<(), Failure> {
    const AT_ONCE: usize = 4096;
    let (most, repeats) = (descriptor.max_def_level(), descriptor.max_rep_level() > 0);
    let mut rows = rows.peekable();
    let mut next_row = 0;
    let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
    while rows.peek().is_some() {
        defined.clear();
        repeated.clear();
        values.clear();
        let (records, _, levels) =
            from.read_records(AT_ONCE, Some(&mut defined), Some(&mut repeated), &mut values).map_err(Failure::Read)?;
        if records == 0 {
            return Err(Failure::Read(ParquetError::General("a column is shorter than its row group".to_owned())));
        }
        let mut kept = (Vec::new(), Vec::new(), Vec::new());
        let mut values = values.drain(..);
        let mut keeps = false;
        for level in 0..levels {
            let repetition = repeated.get(level).copied().unwrap_or(0);
            if repetition == 0 {
                keeps = rows.next_if_eq(&next_row).is_some();
                next_row += 1;
            }
            let definition = defined.get(level).copied().unwrap_or(most);
            let value = if definition == most { values.next() } else { None };
            if keeps {
                kept.0.push(definition);
                kept.1.push(repetition);
                kept.2.extend(value);
            }
        }
        let (defined, repeated, values) = kept;
        to.write_batch(&values, (most > 0).then_some(&defined[..]), repeats.then_some(&repeated[..]))
            .map_err(Failure::Write)?;
    }
    Ok(())
}
