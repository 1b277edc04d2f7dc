//! What is declared of columns, as a test of the data.

use mlci_model::Kind;
use mlci_train::{ColumnOptions, LevelCount, ProblemKind, ReadError};

use crate::{declare, drop_missing, read, refused};

#[test]
fn allowed_numbers() {
    let allowed = || ColumnOptions { allowed: vec![0.0, 1.0, 2.5], ..ColumnOptions::default() };
    assert!(read("a,y\n0,1\n1.0,2\n2.5,3\n", declare("a", allowed())).is_ok());
    let says = ["line 3, column `a`: `2` is outside", "(one of 0, 1, 2.5)"];
    refused("a,y\n0,1\n2,2\n", declare("a", allowed()), &says);
}

#[test]
fn unique_values() {
    let unique = || ColumnOptions { unique: true, ..ColumnOptions::default() };
    let csv = "id,a,y\nx,1,1\ny,2,2\nx,3,3\n,4,4\n,5,5\n x ,6,6\n";
    let as_id = |column: ColumnOptions| {
        move |options: &mut mlci_train::ReadOptions| {
            options.id = Some("id".into());
            declare("id", column)(options);
        }
    };
    assert!(read(csv, as_id(ColumnOptions::default())).is_ok());
    let says =
        ["2 problems", "line 4, column `id`: `x` stands in line 2 too", "line 7, column `id`: `x` stands in line 2"];
    refused(csv, as_id(unique()), &says);
    // However a number is written; missing ones may stand more than once.
    let says = ["1 problem", "line 4, column `a`: `1.0` stands in line 2 too"];
    refused(
        "a,y\n1,1\n2,2\n1.0,3\nNA,3\nNA,4\n",
        |options| (declare("a", unique())(options), drop_missing(options)).1,
        &says,
    );
    // Over chunks.
    let csv: String = std::iter::once("a,y\n".to_owned())
        .chain((0..80_000).map(|row| format!("{},{row}\n", if row == 79_000 { 5 } else { row })))
        .collect();
    refused(&csv, declare("a", unique()), &["line 79002, column `a`: `5` stands in line 7 too"]);
    let report = read("a,y\n1,1\n2,2\n", declare("a", unique())).unwrap();
    assert_eq!(report.report().columns[0].checks, ["unique"]);
}

#[test]
fn a_share_of_missing_values() {
    let at_most = |share| ColumnOptions { max_missing: Some(share), ..ColumnOptions::default() };
    let csv = "a,b,y\n1,x,1\n,,2\n3,,3\n4,z,4\n";
    let set = |column: &'static str, share| {
        move |options: &mut mlci_train::ReadOptions| {
            drop_missing(options);
            options.exclude = vec!["b".into()];
            declare(column, at_most(share))(options);
        }
    };
    assert!(read(csv, set("a", 0.25)).is_ok());
    let says = ["line 3, column `a`: the first of 1 missing values in 4 rows", "allows a share of 0.2"];
    refused(csv, set("a", 0.2), &says);
    // Of any column.
    refused(csv, set("b", 0.25), &["line 3, column `b`: the first of 2 missing values in 4 rows"]);
}

#[test]
fn violations_are_counted_by_column() {
    let mut csv = String::from("a,b,y\n");
    (0..10).for_each(|_| csv += "NA,1,1\n");
    (0..9).for_each(|_| csv += "inf,9,1\n");
    csv += "1,2\n";
    (0..30).for_each(|row| csv += &format!("{row},1,2\n"));
    let bounded = ColumnOptions { max: Some(5.0.into()), ..ColumnOptions::default() };
    let says = [
        "29 problems in the data",
        "and 24 more; in all rows: 1 of another number of fields; `a`: 10 missing, 9 not finite; `b`: 9 not allowed",
    ];
    let ReadError::Problems { problems, counts, total } = refused(&csv, declare("b", bounded), &says) else { panic!() };
    assert_eq!((problems.len(), total), (5, 29));
    let found: Vec<_> = counts
        .iter()
        .map(|found| (found.column.as_deref(), found.kind, found.count, found.first.first().map(|first| first.line())))
        .collect();
    let expected = [
        (None, ProblemKind::Ragged, 1, Some(21)),
        (Some("a"), ProblemKind::Missing, 10, Some(2)),
        (Some("a"), ProblemKind::NotFinite, 9, Some(12)),
        (Some("b"), ProblemKind::OutOfBounds, 9, Some(12)),
    ];
    assert_eq!(found, expected);
    assert!(counts.iter().all(|found| found.first.len() <= 5));
}

#[test]
fn the_report_shows_levels_and_checks() {
    let column = ColumnOptions {
        levels: vec!["b".into(), "a".into(), "c".into()],
        max_missing: Some(0.5),
        fill: Some("c".into()),
        ..ColumnOptions::default()
    };
    let table = read("x,y\na,1\nb,2\na,3\n,4\n", declare("x", column)).unwrap();
    let report = &table.report().columns[0];
    let count = |level: &str, count| LevelCount { level: level.to_owned(), count };
    assert_eq!(report.levels, [count("b", 1), count("a", 2), count("c", 1)]);
    assert_eq!(report.checks, ["one of 3 levels", "at most 50 % missing"]);
    assert_eq!((report.kind, report.missing, report.filled), (Some(Kind::Category), 1, 1));
}
