//! Which rows decide what the levels of a category are.

use mlci_model::Kind;
use mlci_train::{ColumnOptions, Digest, Gathered, ReadOptions, TrainOptions, gather, read_csv};

use crate::{drop_missing, plane};

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
