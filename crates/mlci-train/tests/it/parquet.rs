//! Parquet, written here by the `parquet` crate, and one file that pyarrow wrote.

use std::sync::Arc;

use mlci_model::{Kind, Value};
use mlci_train::{
    Algorithm, ColumnOptions, Digest, ReadError, ReadOptions, Table, TrainOptions, ndarray::array, read_bytes,
    read_csv, read_file, split, train,
};
use parquet::{
    basic::{Compression, ZstdLevel},
    column::writer::ColumnWriter,
    data_type::ByteArray,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use crate::declare;

/// The values of a column: those that are there, in their order.
enum Values<'v> {
    Bools(&'v [bool]),
    Ints(&'v [i32]),
    Longs(&'v [i64]),
    Doubles(&'v [f64]),
    Texts(&'v [&'v str]),
}

/// The values of a column in a row group, and which of its rows are there, if it may lack some.
type Part<'v> = (Values<'v>, Option<&'v [bool]>);

/// A file of row groups that each have these columns.
fn write(schema: &str, compression: Compression, groups: &[Vec<Part<'_>>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message data {{ {schema}; }}")).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for group in groups {
        let mut writer = file.next_row_group().unwrap();
        for (values, there) in group {
            let levels = there.map(|there| there.iter().map(|there| i16::from(*there)).collect::<Vec<_>>());
            let levels = levels.as_deref();
            let mut column = writer.next_column().unwrap().unwrap();
            match (column.untyped(), values) {
                (ColumnWriter::BoolColumnWriter(writer), Values::Bools(values)) => {
                    writer.write_batch(values, levels, None)
                }
                (ColumnWriter::Int32ColumnWriter(writer), Values::Ints(values)) => {
                    writer.write_batch(values, levels, None)
                }
                (ColumnWriter::Int64ColumnWriter(writer), Values::Longs(values)) => {
                    writer.write_batch(values, levels, None)
                }
                (ColumnWriter::DoubleColumnWriter(writer), Values::Doubles(values)) => {
                    writer.write_batch(values, levels, None)
                }
                (ColumnWriter::ByteArrayColumnWriter(writer), Values::Texts(values)) => {
                    let values: Vec<ByteArray> = values.iter().map(|value| ByteArray::from(*value)).collect();
                    writer.write_batch(&values, levels, None)
                }
                _ => panic!("a column of another type"),
            }
            .unwrap();
            column.close().unwrap();
        }
        writer.close().unwrap();
    }
    file.into_inner().unwrap()
}

const SCHEMA: &str = "optional double a; required int64 n; optional boolean flag; required binary colour (UTF8);
    required int32 day (DATE); required int64 at (TIMESTAMP(MICROS,true)); required int64 price (DECIMAL(10,2));
    required int32 count (INTEGER(32,false)); required double y";

pub(crate) fn file(compression: Compression) -> Vec<u8> {
    let group = |flags: &'static [bool]| {
        vec![
            (Values::Doubles(&[1.5]), Some(&[true, false][..])),
            (Values::Longs(&[7, -7]), None),
            (Values::Bools(flags), Some(&[true, true][..])),
            (Values::Texts(&["red", " blue "]), None),
            (Values::Ints(&[0, 19_782]), None),
            (Values::Longs(&[0, -43_200_000_000]), None),
            (Values::Longs(&[12_345, -5]), None),
            (Values::Ints(&[-1, 1]), None),
            (Values::Doubles(&[3.0, 4.0]), None),
        ]
    };
    write(SCHEMA, compression, &[group(&[true, false]), group(&[false, false])])
}

fn options() -> ReadOptions {
    let mut options = ReadOptions::new("y");
    let category = ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() };
    declare("colour", category)(&mut options);
    declare("a", ColumnOptions { fill: Some(0.25.into()), ..ColumnOptions::default() })(&mut options);
    options
}

fn check(table: &Table) {
    let rows = array![
        [1.5, 7.0, 1.0, 1.0, 0.0, 0.0, 123.45, 4_294_967_295.0],
        [0.25, -7.0, 0.0, 0.0, 19_782.0, -0.5, -0.05, 1.0],
        [1.5, 7.0, 0.0, 1.0, 0.0, 0.0, 123.45, 4_294_967_295.0],
        [0.25, -7.0, 0.0, 0.0, 19_782.0, -0.5, -0.05, 1.0],
    ];
    assert_eq!(table.features(), rows);
    assert_eq!(table.target(), array![3.0, 4.0, 3.0, 4.0]);
    let kinds: Vec<Kind> = table.schema().features.iter().map(|column| column.kind).collect();
    use Kind::{Category, Date, Float, Integer};
    assert_eq!(kinds, [Float, Integer, Integer, Category, Date, Date, Float, Integer]);
    assert_eq!(table.schema().features[3].levels, ["blue", "red"]);
    assert_eq!((table.line(0), table.line(3)), (Some(1), Some(4)));
    assert_eq!((table.report().columns[0].missing, table.report().columns[0].filled), (2, 2));
    assert_eq!(table.row_hash(1), table.row_hash(3));
    assert_ne!(table.row_hash(0), table.row_hash(2));
}

#[test]
fn columns_of_every_kind() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.parquet");
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(Default::default()), zstd] {
        let bytes = file(compression);
        std::fs::write(&path, &bytes).unwrap();
        let (from_file, digest) = read_file(&path, &options()).unwrap();
        check(&from_file);
        let (from_bytes, same) = read_bytes(bytes.clone(), &options()).unwrap();
        check(&from_bytes);
        assert_eq!([digest, same], [Digest::of(&bytes); 2]);
    }
    // What is no Parquet is read as before.
    std::fs::write(&path, "a,y\n1,2\n").unwrap();
    assert_eq!(read_file(&path, &ReadOptions::new("y")).unwrap().0.rows(), 1);
    assert_eq!(read_bytes(b"a,y\n1,2\n".to_vec(), &ReadOptions::new("y")).unwrap().0.rows(), 1);
    // From a pipe it cannot be read.
    let error = read_csv(file(zstd).as_slice(), &options()).unwrap_err();
    assert!(matches!(error, ReadError::NotText { what: "Parquet" }), "{error:?}");
}

#[track_caller]
fn refused(bytes: Vec<u8>, options: &ReadOptions, says: &[&str]) {
    let error = read_bytes(bytes, options).unwrap_err().to_string();
    for says in says {
        assert!(error.contains(says), "{error} does not say {says:?}");
    }
}

#[test]
fn places_are_rows() {
    let mut strict = options();
    strict.columns.remove("a");
    refused(
        file(Compression::SNAPPY),
        &strict,
        &["2 problems", "row 2, column `a`: an empty cell is a missing value", "row 4"],
    );
    let mut text = options();
    text.columns.remove("colour");
    refused(file(Compression::SNAPPY), &text, &["row 1, column `colour`: `red`", "kind = \"category\""]);
    let mut bounded = options();
    declare(
        "day",
        ColumnOptions { kind: Some(Kind::Date), max: Some("2000-01-01".into()), ..ColumnOptions::default() },
    )(&mut bounded);
    refused(
        file(Compression::SNAPPY),
        &bounded,
        &["row 2, column `day`: `2024-02-29` is outside", "(at most 2000-01-01)"],
    );
    let unique = ColumnOptions { unique: true, ..ColumnOptions::default() };
    let mut twice = options();
    declare("n", unique)(&mut twice);
    refused(file(Compression::SNAPPY), &twice, &["row 3, column `n`: `7` stands in row 1 too"]);
}

/// Where training stops, too.
#[test]
fn places_are_rows_in_training() {
    let a: Vec<f64> = (0..40).map(f64::from).collect();
    let mut y = vec![1.0; 40];
    y[..9].fill(-4.0);
    let columns = vec![(Values::Doubles(&a), None), (Values::Doubles(&y), None)];
    let bytes = write("required double a; required double y", Compression::SNAPPY, &[columns]);
    let table = read_bytes(bytes, &ReadOptions::new("y")).unwrap().0;
    let error = |algorithm| {
        let options = TrainOptions { algorithm, ..TrainOptions::default() };
        train(&table, &options, &"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config")).unwrap_err()
    };
    let first = split(&table, 0, 0.2).train[0] + 1;
    let says = format!("`y` is -4 in row {first}, one of ");
    for algorithm in [Algorithm::Poisson, Algorithm::Logistic] {
        let error = error(algorithm).to_string();
        assert!(error.contains(&says), "{error} does not say {says}");
    }
}

#[test]
fn numbers_that_are_none() {
    let one = |schema: &str, values: Values<'_>| {
        let y = (Values::Doubles(&[1.0, 2.0]), None);
        write(&format!("{schema}; required double y"), Compression::SNAPPY, &[vec![(values, None), y]])
    };
    let plain = ReadOptions::new("y");
    let large = one("required int64 id", Values::Longs(&[1_582_218_195_625_938_945, 1_582_218_195_625_938_947]));
    refused(large, &plain, &["row 1, column `id`: `1582218195625938945` is a whole number beyond 2^53"]);
    let nan = one("required double a", Values::Doubles(&[f64::NAN, f64::INFINITY]));
    refused(nan, &plain, &["row 1, column `a`: `NaN` is a missing value", "row 2, column `a`: `inf` is not a finite"]);
    // Booleans are classes where they are declared as a category.
    let mut classes = ReadOptions::new("good");
    declare("good", ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() })(&mut classes);
    let schema = "required boolean good; required double y";
    let group = vec![(Values::Bools(&[true, false]), None), (Values::Doubles(&[1.0, 2.0]), None)];
    let (table, _) = read_bytes(write(schema, Compression::SNAPPY, &[group]), &classes).unwrap();
    assert_eq!(
        (table.schema().target.levels.as_slice(), table.target()),
        (&["false".to_owned(), "true".to_owned()][..], array![1.0, 0.0].view())
    );
}

#[test]
fn identifiers_keep_their_digits() {
    let schema = "required int64 id; required double a; required double y";
    let ids = [1_582_218_195_625_938_945, 1_582_218_195_625_938_947];
    let group =
        vec![(Values::Longs(&ids), None), (Values::Doubles(&[1.0, 2.0]), None), (Values::Doubles(&[1.0, 2.0]), None)];
    let mut named = ReadOptions::new("y");
    named.id = Some("id".into());
    let (table, _) = read_bytes(write(schema, Compression::SNAPPY, &[group]), &named).unwrap();
    assert_eq!([table.id(0), table.id(1)], [Some("1582218195625938945"), Some("1582218195625938947")]);
}

/// Rows of several blocks and row groups, in order.
#[test]
fn many_rows() {
    let numbers: Vec<f64> = (0..150_000).map(f64::from).collect();
    let groups: Vec<_> =
        numbers.chunks(70_001).map(|part| vec![(Values::Doubles(part), None), (Values::Doubles(part), None)]).collect();
    let bytes = write("required double a; required double y", Compression::SNAPPY, &groups);
    let (table, _) = read_bytes(bytes, &ReadOptions::new("y")).unwrap();
    assert_eq!(table.features().column(0).to_vec(), numbers);
    assert_eq!(table.line(149_999), Some(150_000));
    let empty = write("required double a; required double y", Compression::SNAPPY, &[]);
    assert!(matches!(read_bytes(empty, &ReadOptions::new("y")), Err(ReadError::NoRows)));
}

#[test]
fn nested_columns_are_named() {
    let schema =
        "required double a; optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }
        required double y";
    let schema = Arc::new(parse_message_type(&format!("message data {{ {schema}; }}")).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        match column.untyped() {
            ColumnWriter::DoubleColumnWriter(writer) => writer.write_batch(&[1.0, 2.0], None, None).unwrap(),
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                let values = ["x", "y", "z"].map(ByteArray::from);
                writer.write_batch(&values, Some(&[3, 3, 3]), Some(&[0, 1, 0])).unwrap()
            }
            _ => panic!("a column of another type"),
        };
        column.close().unwrap();
    }
    group.close().unwrap();
    let bytes = file.into_inner().unwrap();
    refused(bytes.clone(), &ReadOptions::new("y"), &["`tags` is nested", "`[data] exclude = [\"tags\"]`"]);
    let mut without = ReadOptions::new("y");
    without.exclude = vec!["tags".into()];
    assert_eq!(read_bytes(bytes, &without).unwrap().0.features(), array![[1.0], [2.0]]);
}

#[test]
fn damaged_files_are_survived() {
    let whole = file(Compression::SNAPPY);
    for length in [4, 5, whole.len() / 2, whole.len() - 1] {
        let error = read_bytes(whole[..length].to_vec(), &options()).unwrap_err();
        assert!(matches!(error, ReadError::Parquet(_)), "{error:?}");
    }
    for at in 4..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = read_bytes(bytes, &options());
    }
}

/// Written by pandas with pyarrow; see `tests/parquet/write.py`.
#[test]
fn a_file_of_pyarrow() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet/pyarrow.parquet");
    let mut options = ReadOptions::new("y");
    options.exclude = vec!["tags".into()];
    for name in ["colour", "grade"] {
        declare(name, ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() })(&mut options);
    }
    declare("a", ColumnOptions { fill: Some(9.0.into()), ..ColumnOptions::default() })(&mut options);
    let (table, _) = read_file(&path, &options).unwrap();
    assert_eq!(table.schema().names().collect::<Vec<_>>(), ["a", "n", "flag", "colour", "grade", "day", "at"]);
    let expected = array![
        [0.5, 1.0, 1.0, 1.0, 0.0, 19_782.0, 19_782.5],
        [9.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        [2.5, 3.0, 1.0, 1.0, 0.0, -1.0, -0.5],
    ];
    assert_eq!(table.features(), expected);
    assert_eq!(table.schema().features[6].shown(19_782.5), Value::from("2024-02-29T12:00:00Z"));
}
