use std::io;

use mlci_model::Kind;
use mlci_train::{
    ColumnOptions, Digest, Distinct, DropReason, Problem, ReadError, ReadOptions, ndarray::array, read_csv,
    read_csv_file,
};
use proptest::prelude::*;

use crate::{Drops, declare, drop_missing, exclude, read, refused};

/// Case A1: a byte order mark, a quoted name, a quoted line break, `\r\n`; as a file, in one piece and in drops.
#[test]
fn byte_order_mark_and_line_ends() {
    let bytes = b"\xef\xbb\xbf\"x1\",x2,note,y\r\n1,2,\"a\r\nb\",3\r\n4,5,c,6\r\n";
    let mut options = ReadOptions::new("y");
    exclude(&["note"])(&mut options);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a1.csv");
    std::fs::write(&path, bytes).unwrap();
    let (from_file, digest) = read_csv_file(&path, &options).unwrap();
    assert_eq!(digest, Digest::of(bytes));
    for table in [from_file, read_csv(&bytes[..], &options).unwrap(), read_csv(Drops(bytes), &options).unwrap()] {
        assert_eq!(table.schema().names().collect::<Vec<_>>(), ["x1", "x2"]);
        assert_eq!(table.features(), array![[1.0, 2.0], [4.0, 5.0]]);
        assert_eq!(table.target(), array![3.0, 6.0]);
        assert_eq!((table.line(0), table.line(1), table.line(2)), (Some(2), Some(4), None));
    }
}

const A2: &str = "a,b,y\n1,2,1\n3,NA,2\n5,\"NA\",3\n7, 6 ,4\n9,inf,5\n11,NaN,6\n";

/// Case A2, by default: the lines and columns at fault, all in one error.
#[test]
fn missing_values_stop() {
    let says = [
        "4 problems in the data",
        "line 3, column `b`: `NA` is a missing value",
        "line 4, column `b`: `NA` is a missing value",
        "line 6, column `b`: `inf` is not a finite number",
        "line 7, column `b`: `NaN` is a missing value",
        "`[data] missing = \"drop\"`",
    ];
    match refused(A2, |_| {}, &says) {
        ReadError::Problems { problems, total: 4, .. } => {
            assert_eq!(problems.iter().map(Problem::line).collect::<Vec<_>>(), [3, 4, 6, 7]);
        }
        other => panic!("{other:?}"),
    }
}

/// Case A2, with "drop": rows 2 and 5 are kept, and the rest is counted.
#[test]
fn missing_values_drop_their_rows() {
    let table = read(A2, drop_missing).unwrap();
    assert_eq!(table.features(), array![[1.0, 2.0], [7.0, 6.0]]);
    assert_eq!((table.line(0), table.line(1), table.rows()), (Some(2), Some(5), 2));
    let report = table.report();
    assert_eq!((report.rows_read, report.rows_kept), (6, 2));
    let dropped: Vec<_> = report.dropped.iter().map(|(reason, count)| (*reason, *count)).collect();
    assert_eq!(dropped, [(DropReason::Missing, 3), (DropReason::NotFinite, 1)]);
    assert_eq!(report.columns[1].missing, 3);
}

const A3: &str = "id,x,y\n1582218195625938945,1,2\n,2,4\n1582218195625938947,3,6\n";

/// Case A3: as identifier, and as an unused column, every digit stays; as a feature it is refused.
#[test]
fn large_integers() {
    let table = read(A3, |options| options.id = Some("id".into())).unwrap();
    assert_eq!(
        [table.id(0), table.id(1), table.id(2)],
        [Some("1582218195625938945"), None, Some("1582218195625938947")]
    );
    let table = read(A3, exclude(&["id"])).unwrap();
    assert_eq!((table.rows(), table.id(0)), (3, None));
    assert_eq!(table.report().columns[0].distinct, Distinct::Exactly(2));

    let says = ["line 2, column `id`: `1582218195625938945`", "beyond 2^53", "`[data] id = \"id\"`"];
    refused(A3, |_| {}, &["line 3, column `id`: an empty cell is a missing value"]);
    let error = refused(A3, drop_missing, &says);
    assert!(matches!(error, ReadError::Problems { total: 2, .. }), "{error:?}");
    refused("a,y\n1,9007199254740993\n2,1\n", |_| {}, &["line 2, column `y`"]);
    // 2^53 itself is exact, and rounding can be allowed.
    assert!(read("a,y\n9007199254740992,1\n-9007199254740992,1\n", |_| {}).is_ok());
    let float = ColumnOptions { kind: Some(Kind::Float), ..ColumnOptions::default() };
    assert!(read("a,y\n9007199254740993,1\n2,1\n", declare("a", float)).is_ok());
}

#[test]
fn nothing_to_read() {
    assert!(matches!(refused("", |_| {}, &["empty"]), ReadError::Empty));
    assert!(matches!(refused("\u{feff}", |_| {}, &["empty"]), ReadError::Empty));
    assert!(matches!(refused("a,y\n", |_| {}, &["a header and no rows"]), ReadError::NoRows));
    let error = refused("a,y\nNA,1\n,2\n", drop_missing, &["all 2 rows were dropped", "`a` in 2 of them"]);
    assert!(matches!(error, ReadError::AllDropped { read: 2, .. }));
    let error = refused("a,y\n1,NA\n2,\n", drop_missing, &["(the target `y` in 2 of them)"]);
    assert!(!error.to_string().contains("exclude"), "{error}");
}

#[test]
fn a_header_whose_quote_is_never_closed() {
    let data = format!("a,\"y\n{}", "1,2\n".repeat(1000));
    let error = refused(&data, |_| {}, &["line 1", "a quote is opened and never closed"]);
    assert!(error.to_string().len() < 200, "{error}");
}

#[test]
fn text_columns() {
    let csv = "a,note,y\n1,x,1\n2,7,2\n3,z,3\n";
    let says = ["line 2, column `note`: `x`", "`[data] exclude = [\"note\"]`", "`[data] features`"];
    assert!(matches!(refused(csv, |_| {}, &says), ReadError::TextColumns { .. }));
    assert!(read(csv, exclude(&["note"])).is_ok());
    let says = ["the target is text (line 2, column `y`: `good`)", "`[data] target`"];
    refused("a,y\n1,good\n2,bad\n", |_| {}, &says);
    // One slip in a column of numbers is a slip, not a column of text.
    let says = ["1 problem in the data", "line 3, column `a`: `2,5` is not a number: write a decimal point"];
    let error = refused("a,y\n1,1\n\"2,5\",2\n3,3\n", |_| {}, &says);
    assert!(matches!(error, ReadError::Problems { total: 1, .. }));
}

#[test]
fn rows_that_cannot_be_used() {
    refused("a,b,y\n1,2,3\n4,5\n", |_| {}, &["line 3: expected 3 fields as in the header, found 2"]);
    refused("a,b,y\n1,2,3,4\n", |_| {}, &["line 2: expected 3 fields as in the header, found 4"]);
    refused(b"a,note,y\n1,ok,3\n4,\xe4,6\n", exclude(&["note"]), &["line 3: not valid UTF-8"]);
    refused("a,b,y\n1,2,3\n,NA,\n", |_| {}, &["1 problem in the data", "line 3: every value is missing"]);
    let table = read("a,b,y\n1,2,3\n,NA,\n", drop_missing).unwrap();
    assert_eq!(table.report().dropped[&DropReason::OnlyMissing], 1);
    // The rest of the data would silently be a note.
    for end in ["", "\n"] {
        let csv = format!("a,y,note\n1,2,fine\n3,4,\"oops\n5,6,lost{end}");
        refused(csv, exclude(&["note"]), &["line 3: a quote is opened and never closed"]);
    }
    // A number that was cut short would be another number, and nothing would be a missing value.
    for cut in ["\"20", "\"", "\"200\"\""] {
        let csv = format!("\"a\",\"y\"\n\"1\",\"100\"\n\"2\",{cut}");
        refused(&csv, drop_missing, &["line 3: a quote is opened and never closed"]);
    }
    let table = read("a,y,note\n1,2,\"b\nc\"d", exclude(&["note"])).unwrap();
    assert_eq!((table.rows(), table.line(0)), (1, Some(2)));
    for csv in ["a,note,y\n1,\"b\nc\",2", "a,y,note\n1,2,\"b\nc\"", "a,y,note\n1,2,\"b\nc\"\n"] {
        assert_eq!(read(csv, exclude(&["note"])).unwrap().line(0), Some(2), "{csv:?}");
    }
}

#[test]
fn the_first_few_problems_and_how_many() {
    let csv = format!("a,b,y\n{}x,2,3\n1,2,3\n4,5,6\n7,8,9\n1\n", "1,NA,3\n".repeat(4));
    let error =
        refused(csv, |_| {}, &["6 problems in the data", "line 6, column `a`: `x` is not a number", "and 1 more"]);
    match error {
        ReadError::Problems { problems, .. } => {
            assert_eq!(problems.iter().map(Problem::line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        }
        other => panic!("{other:?}"),
    }
}

/// Lines are those of an editor, whatever ends them, and with empty lines between.
#[test]
fn lines_are_counted_as_editors_do() {
    for end in ["\n", "\r\n", "\r"] {
        let csv = "a,y,\"n\nn\"||1,2,x|3,4,\"y|y\"||5,6,z|7,oops,z".replace('|', end);
        let error = read(&csv, exclude(&["n\nn"])).unwrap_err();
        assert!(error.to_string().contains("line 9, column `y`: `oops`"), "{end:?}: {error}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let error = read_csv(Broken, &ReadOptions::new("y")).unwrap_err();
    assert!(matches!(&error, ReadError::Io(source) if source.to_string() == "broken"), "{error:?}");
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("none.csv"), folder.path().to_owned()] {
        let error = read_csv_file(&path, &ReadOptions::new("y")).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(matches!(error.source, ReadError::Io(_)), "{error:?}");
    }
}

proptest! {
    /// Any bytes give a table or an error, and the same in one piece as in drops.
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), missing: bool) {
        survive(&bytes, missing)?;
    }

    /// The same with bytes that are often CSV.
    #[test]
    fn any_text_is_survived(text in "(\u{feff})?a,y(\r\n|\n|\r)([0-9.,\"eNAx \r\n-]|\r\n|\n[0-9]{1,3},[0-9]){0,60}", missing: bool) {
        survive(text.as_bytes(), missing)?;
    }
}

fn survive(bytes: &[u8], missing: bool) -> Result<(), TestCaseError> {
    let mut options = ReadOptions::new("y");
    if missing {
        drop_missing(&mut options);
    }
    match (read_csv(bytes, &options), read_csv(Drops(bytes), &options)) {
        (Ok(whole), Ok(drops)) => {
            prop_assert_eq!(whole.features(), drops.features());
            prop_assert_eq!(whole.target(), drops.target());
            prop_assert!((0..whole.rows()).all(|row| whole.row_hash(row) == drops.row_hash(row)));
            prop_assert!((0..whole.rows()).all(|row| whole.line(row) == drops.line(row)));
            prop_assert_eq!(whole.report(), drops.report());
            prop_assert!(whole.features().iter().chain(&whole.target()).all(|value| value.is_finite()));
        }
        (Err(whole), Err(drops)) => prop_assert_eq!(whole.to_string(), drops.to_string()),
        (whole, drops) => prop_assert!(false, "in one piece {whole:?}, in drops {drops:?}"),
    }
    Ok(())
}
