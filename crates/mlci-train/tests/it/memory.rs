//! Columns that are in memory.

use mlci_train::{
    ColumnOptions, Kind, MissingPolicy, ReadError, ReadOptions, Role, RowUnit, Values,
    ndarray::{Array1, Array2},
    read_columns,
};

use crate::read;

#[test]
fn they_are_the_table_that_csv_would_be() {
    let x = Array2::from_shape_fn((9000, 2), |(row, column)| ((row * 7919 + column * 13) % 1009) as f64 / 8.0);
    let colours: Vec<&str> = (0..9000).map(|row| ["red", "green", "blue"][row % 3]).collect();
    let y: Array1<f64> = (0..9000).map(|row| f64::from(row) / 4.0).collect();
    let columns = [
        ("a", Values::Numbers(x.column(0))),
        ("colour", Values::Texts(&colours)),
        (" y ", Values::Numbers(y.view())),
        ("b", Values::Numbers(x.column(1))),
    ];
    let how = |options: &mut ReadOptions| {
        let category = ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() };
        options.columns.insert("colour".into(), category);
        for number in ["a", "b", "y"] {
            let float = ColumnOptions { kind: Some(Kind::Float), ..ColumnOptions::default() };
            options.columns.insert(number.into(), float);
        }
    };
    let mut options = ReadOptions::new("y");
    how(&mut options);
    let table = read_columns(&columns, &options).unwrap();
    let mut csv = String::from("a,colour,y,b\n");
    for row in 0..9000 {
        csv += &format!("{},{},{},{}\n", x[[row, 0]], colours[row], y[row], x[[row, 1]]);
    }
    let same = read(csv, how).unwrap();
    assert_eq!((table.features(), table.target()), (same.features(), same.target()));
    assert_eq!((table.schema(), &table.report().columns), (same.schema(), &same.report().columns));
    // Rows, from 1; there is no header.
    assert_eq!((table.report().unit, table.line(0), table.line(8999)), (RowUnit::Row, Some(1), Some(9000)));
    let roles: Vec<Role> = table.report().columns.iter().map(|column| column.role).collect();
    assert_eq!(roles, [Role::Feature, Role::Feature, Role::Target, Role::Feature]);
    // Equal rows have equal hashes, and others do not.
    assert_ne!(table.row_hash(0), table.row_hash(3));
    let again = read_columns(&columns, &options).unwrap();
    assert!((0..9000).all(|row| table.row_hash(row) == again.row_hash(row)));
}

#[track_caller]
fn refused(columns: &[(&str, Values<'_>)], says: &str) -> ReadError {
    let error = read_columns(columns, &ReadOptions::new("y")).unwrap_err();
    assert!(error.to_string().contains(says), "{error} does not say {says:?}");
    error
}

#[test]
fn what_is_wrong_is_named_with_its_row() {
    let y = Array1::from(vec![1.0, 2.0, 3.0]);
    let odd = Array1::from(vec![1.0, f64::NAN, f64::INFINITY]);
    let target = ("y", Values::Numbers(y.view()));
    let wrong = [("a", Values::Numbers(odd.view())), target];
    refused(&wrong, "row 2, column `a`");
    refused(&wrong, "row 3, column `a`");
    let mut options = ReadOptions::new("y");
    options.missing = MissingPolicy::Drop;
    let kept = read_columns(&wrong, &options).unwrap();
    assert_eq!((kept.rows(), kept.line(0)), (1, Some(1)));

    let short = Array1::from(vec![1.0]);
    let error = refused(&[("a", Values::Numbers(short.view())), target], "`y` has 3 values and `a` has 1");
    assert!(matches!(error, ReadError::Length { found: 3, expected: 1, .. }), "{error:?}");
    refused(&[], "`y`");
    refused(&[target, ("y ", Values::Numbers(y.view()))], "`y`");
    refused(&[target, (" ", Values::Numbers(y.view()))], "column 2");
    let none = Array1::zeros(0);
    refused(&[("a", Values::Numbers(none.view())), ("y", Values::Numbers(none.view()))], "no rows");
    let texts = [("a", Values::Texts(&["1", "2.5", " 7 "])), target];
    assert_eq!(read_columns(&texts, &ReadOptions::new("y")).unwrap().features()[[2, 0]], 7.0);
    refused(&[("a", Values::Texts(&["red", "green", "blue"])), target], "kind = \"category\"");
}
