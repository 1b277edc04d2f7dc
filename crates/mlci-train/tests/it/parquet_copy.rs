//! Rows of a Parquet file that are handed on as another one.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use mlci_train::{Copied, CopyError, Digest, ReadOptions, copy_rows};
use parquet::{
    basic::Compression,
    column::writer::ColumnWriter,
    data_type::ByteArray,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        reader::{FileReader, SerializedFileReader},
        writer::SerializedFileWriter,
    },
    record::Row,
    schema::parser::parse_message_type,
};

/// One row a number: a number that may be missing, and a list of texts that may be missing, empty, or hold nothing.
fn nested(groups: &[&[u8]]) -> Vec<u8> {
    let schema = "message data { optional double a; required int32 n;
        optional group tags (LIST) { repeated group list { optional binary element (UTF8); } } }";
    let notes = vec![KeyValue::new("pandas".to_owned(), "{}".to_owned())];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(notes)).build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    for rows in groups {
        let mut group = file.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            match column.untyped() {
                ColumnWriter::DoubleColumnWriter(writer) => {
                    let levels: Vec<i16> = rows.iter().map(|row| i16::from(row % 3 > 0)).collect();
                    let values: Vec<f64> = rows.iter().filter(|row| **row % 3 > 0).map(|row| f64::from(*row)).collect();
                    writer.write_batch(&values, Some(&levels), None)
                }
                ColumnWriter::Int32ColumnWriter(writer) => {
                    let values: Vec<i32> = rows.iter().map(|row| i32::from(*row)).collect();
                    writer.write_batch(&values, None, None)
                }
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
                    for row in *rows {
                        let elements: &[i16] = match row % 5 {
                            0 => &[0],
                            1 => &[1],
                            2 => &[2],
                            3 => &[3],
                            _ => &[3, 2, 3],
                        };
                        for (place, level) in elements.iter().enumerate() {
                            defined.push(*level);
                            repeated.push(i16::from(place > 0));
                            if *level == 3 {
                                values.push(ByteArray::from(format!("{row}.{place}").into_bytes()));
                            }
                        }
                    }
                    writer.write_batch(&values, Some(&defined), Some(&repeated))
                }
                _ => panic!("a column of another type"),
            }
            .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    file.into_inner().unwrap()
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    let file = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).unwrap();
    file.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

fn copy(path: &Path, lines: &[u64]) -> (Result<Copied, CopyError>, Vec<u8>) {
    let mut out = Vec::new();
    let copied = copy_rows(path, &ReadOptions::new("y"), lines, &mut out);
    (copied, out)
}

/// What is copied are those rows and no others, with all their columns.
#[track_caller]
fn check(path: &Path, lines: &[u64]) {
    let original = std::fs::read(path).unwrap();
    let (copied, copy) = copy(path, lines);
    let copied = copied.unwrap();
    let there = rows(&original);
    let expected: Vec<Row> =
        lines.iter().filter_map(|line| there.get(usize::try_from(line.checked_sub(1)?).ok()?).cloned()).collect();
    assert_eq!(rows(&copy), expected, "{lines:?}");
    assert_eq!(copied, Copied { rows: expected.len() as u64, digest: Digest::of(&original) });
    let about = |bytes: &[u8]| {
        let file = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).unwrap();
        let about = file.metadata().file_metadata().clone();
        (about.schema().clone(), about.key_value_metadata().cloned())
    };
    assert_eq!(about(&copy), about(&original));
}

#[test]
fn rows_are_copied_with_all_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.parquet");
    std::fs::write(&path, crate::parquet::file(Compression::SNAPPY)).unwrap();
    for lines in [&[][..], &[1], &[2, 3], &[1, 2, 3, 4], &[4], &[0, 2, 9]] {
        check(&path, lines);
    }
    let pyarrow = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet/pyarrow.parquet");
    check(&pyarrow, &[1, 3]);
}

#[test]
fn many_rows_of_several_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.parquet");
    let numbers: Vec<u8> = (0..20_000).map(|row: u32| (row % 251) as u8).collect();
    std::fs::write(&path, nested(&[&numbers[..9000], &numbers[9000..9001], &numbers[9001..]])).unwrap();
    let every = |step: usize| (1..=20_000).step_by(step).collect::<Vec<u64>>();
    for lines in [every(1), every(7), every(4999), vec![9001], vec![9002, 20_000]] {
        check(&path, &lines);
    }
}

#[test]
fn what_cannot_be_copied_is_said() {
    struct Full;

    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.parquet");
    let whole = nested(&[&[1, 2, 3, 4]]);
    std::fs::write(&path, &whole).unwrap();
    assert!(matches!(copy_rows(&path, &ReadOptions::new("y"), &[1], Full), Err(CopyError::Write(_))));
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    assert!(matches!(copy(&path, &[1]).0, Err(CopyError::Read(_))));
    for at in 4..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        let _ = copy(&path, &[1, 3]);
    }
}

proptest::proptest! {
    #[test]
    fn any_rows_of_any_groups(
        groups in proptest::collection::vec(proptest::collection::vec(0_u8..20, 1..30), 0..4),
        kept in proptest::collection::btree_set(1_u64..90, 0..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.parquet");
        let groups: Vec<&[u8]> = groups.iter().map(Vec::as_slice).collect();
        std::fs::write(&path, nested(&groups)).unwrap();
        check(&path, &kept.into_iter().collect::<Vec<_>>());
    }
}
