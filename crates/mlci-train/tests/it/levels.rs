//! Which rows decide what the levels of a category are, and which levels are the same.

use mlci_model::{Kind, Unseen};
use mlci_train::{ColumnOptions, Digest, Gathered, ReadOptions, TrainOptions, gather, read_csv};

use crate::{declare, drop_missing, plane, read, refused};

fn category() -> ColumnOptions {
    ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() }
}

/// Reads as a table and in passes, which have to find the same and make the same model.
fn read_both(csv: &str, read: &ReadOptions, train: &TrainOptions) -> Gathered {
    let table = read_csv(csv.as_bytes(), read).unwrap();
    let (gathered, _) = gather(|| Ok(csv.as_bytes()), read, train).unwrap();
    assert_eq!((gathered.schema(), gathered.report()), (table.schema(), table.report()));
    let model = |gathered: &Gathered| {
        let name = "demo".parse().unwrap();
        gathered.train(&name, Digest::of(b"data"), Digest::of(b"config")).unwrap().model.encode().unwrap()
    };
    assert_eq!(model(&gathered), model(&Gathered::of(&table, train)));
    gathered
}

/// Rows with `size`, which is `small` or `large`, and some that lack `lacking` and have a `size` of their own.
fn sized(lacking: &str) -> String {
    let rows = plane(2000);
    let rows = rows.lines().enumerate().map(|(line, row)| {
        let fields: Vec<&str> = row.split(',').collect();
        match (fields.as_slice(), line % 50) {
            (_, 0) if line == 0 => format!("size,{row}\n"),
            ([_, b, y], 7) if lacking == "a" => format!("odd{line},,{b},{y}\n"),
            ([a, b, _], 7) => format!("odd{line},{a},{b},\n"),
            _ => format!("{},{row}\n", ["small", "large"][line % 7 % 2]),
        }
    });
    rows.collect()
}

/// Whether they lack a feature or, as rows without a label do, the target.
#[test]
fn rows_that_are_dropped_have_no_levels() {
    for lacking in ["a", "y"] {
        let mut read = ReadOptions::new("y");
        drop_missing(&mut read);
        read.columns.insert("size".into(), category());
        let gathered = read_both(&sized(lacking), &read, &TrainOptions::default());
        assert_eq!(gathered.schema().features[0].levels, ["large", "small"]);
        assert_eq!(gathered.report().rows_kept, 1960);
    }
}

#[test]
fn rows_that_are_dropped_have_no_classes() {
    let mut read = ReadOptions::new("size");
    drop_missing(&mut read);
    read.columns.insert("size".into(), category());
    let options = TrainOptions { algorithm: mlci_train::Algorithm::Logistic, penalty: vec![1.0], ..Default::default() };
    let gathered = read_both(&sized("a"), &read, &options);
    assert_eq!(gathered.schema().target.levels, ["large", "small"]);
}

/// More levels than there may be do not matter in rows that are left out.
#[test]
fn levels_are_counted_in_rows_that_are_kept() {
    let csv: String = (0..3000).map(|row| format!("odd{row},\nsmall,{row}\nlarge,{row}\n")).collect();
    let mut read = ReadOptions::new("y");
    drop_missing(&mut read);
    read.columns.insert("size".into(), category());
    let table = read_csv(format!("size,y\n{csv}").as_bytes(), &read).unwrap();
    assert_eq!(table.schema().features[0].levels, ["large", "small"]);
}

/// By their texts: their positions differ between chunks, and the base level stands in for any that is unknown.
#[test]
fn unique_levels_are_told_apart_by_their_texts() {
    let unique = || ColumnOptions { unique: true, ..category() };
    let long = |names: [&str; 4]| {
        let [a, b, c, d] = names;
        // More than a chunk of rows that lack it.
        format!("size,y\n{a},1\n{b},2\n{}{c},3\n{d},4\n", ",5\n".repeat(200_000))
    };
    let dropping = |options: &mut ReadOptions| {
        drop_missing(options);
        declare("size", unique())(options);
    };
    assert_eq!(read(long(["a", "b", "c", "d"]), dropping).unwrap().rows(), 4);
    let error = refused(long(["a", "b", "c", "b"]), dropping, &["1 problem", "line 200005", "`b`", "line 3"]);
    assert!(!error.to_string().contains("`c`"), "{error}");

    let lenient = ColumnOptions { levels: vec!["a".into()], unseen: Unseen::Base, ..unique() };
    assert_eq!(read("size,y\nx,1\nz,2\na,3\n", declare("size", lenient.clone())).unwrap().rows(), 3);
    refused("size,y\nx,1\nz,2\nx,3\n", declare("size", lenient), &["line 4", "`x`", "line 2"]);
}
