//! Features that know the target.

use mlci_train::{Algorithm, Digest, Suspicion, TrainOptions, train};

use crate::read;

/// A feature, made of the row's number and its target.
type Made = (&'static str, fn(u32, f64) -> f64);

/// The suspicious among features that are made of the target `y` and of noise.
fn found(rows: u32, algorithm: Algorithm, target: fn(u32) -> f64, more: &[Made]) -> Vec<(String, Suspicion)> {
    let names: Vec<&str> = more.iter().map(|(name, _)| *name).collect();
    let mut csv = format!("a,{},y\n", names.join(","));
    for row in 0..rows {
        let y = target(row);
        let columns: Vec<String> = more.iter().map(|(_, of)| of(row, y).to_string()).collect();
        csv += &format!("{},{},{y}\n", row * 7919 % 101, columns.join(","));
    }
    let table = read(csv, |_| {}).unwrap();
    let options = TrainOptions { algorithm, penalty: vec![1.0], folds: None, ..TrainOptions::default() };
    let trained =
        train(&table, &options, &"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config")).unwrap();
    trained.leaks.into_iter().map(|leak| (leak.column, leak.suspicion)).collect()
}

fn number(row: u32) -> f64 {
    f64::from(row * row % 997)
}

#[test]
fn of_numbers() {
    let more: &[Made] = &[
        ("same", |_, y| 1.8 * y + 32.0),
        ("near", |row, y| y + f64::from(row % 17)),
        ("bent", |_, y| (y / 100.0).exp()),
        ("falls", |_, y| -(y * y * y)),
        ("honest", |row, y| y + f64::from(row * 7907 % 500)),
    ];
    let expected = [
        ("same", Suspicion::Identical),
        ("near", Suspicion::Linear),
        ("bent", Suspicion::Monotone),
        ("falls", Suspicion::Monotone),
    ];
    let expected: Vec<_> = expected.map(|(name, suspicion)| (name.to_owned(), suspicion)).into();
    assert_eq!(found(400, Algorithm::Ridge, number, more), expected);
    // Of so few rows anything may be true.
    assert_eq!(found(18, Algorithm::Ridge, number, more), []);
}

/// A number that counts rows which are sorted by the target.
#[test]
fn a_row_number_of_sorted_rows() {
    let more: &[Made] = &[("id", |row, _| f64::from(row))];
    let sorted = |row: u32| f64::from(row).powi(5);
    assert_eq!(found(400, Algorithm::Ridge, sorted, more), [("id".to_owned(), Suspicion::Monotone)]);
}

#[test]
fn of_classes() {
    let class = |row: u32| f64::from(u8::from(row * row % 23 < 9));
    let more: &[Made] = &[
        ("code", |row, y| if y == 1.0 { 3.0 + f64::from(row % 5) } else { f64::from(row % 2) }),
        ("honest", |row, y| y + f64::from(row % 5)),
    ];
    assert_eq!(found(400, Algorithm::Logistic, class, more), [("code".to_owned(), Suspicion::TellsClasses)]);
}
