use mlci_train::{Accumulator, Block, BlockError, BlockQr, FitError, LinearOptions, Moments, Statistic};

use super::{NAMES, solve, table};

#[track_caller]
fn says(error: &impl std::fmt::Display, words: &[&str]) {
    for word in words {
        assert!(error.to_string().contains(word), "{error} does not say {word:?}");
    }
}

/// `rows` rows of a, b, `of(a, b)` and a target.
fn with(rows: usize, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let values = table(11, rows, 2, 1.0);
    values.chunks(3).flat_map(|row| [row[0], row[1], of(row[0], row[1]), row[2]]).collect()
}

#[test]
fn dependent_columns_are_named_by_qr_and_suspected_by_moments() {
    for (of, named) in [
        ((|a, _| a) as fn(f64, f64) -> f64, "`c` = `a`"),
        (|a, b| 2.0 * a - b + 3.0, "`c` = 2·`a` - `b` + 3"),
        (|a, b| 1e6 * a + 1e6 * b, "`c` = 1000000·`a` + 1000000·`b`"),
    ] {
        let rows = with(3000, of);
        let error = solve::<BlockQr>(&rows, 3, LinearOptions::default()).unwrap_err();
        assert!(matches!(error, FitError::Dependent { .. }), "{error}");
        says(&error, &[named, "[data] exclude = [\"c\"]"]);
        let error = solve::<Moments>(&rows, 3, LinearOptions::default()).unwrap_err();
        assert!(matches!(error, FitError::IllConditioned { condition: None, .. }), "{error}");
        says(&error, &["`a`", "`c`", "BlockQr"]);
    }
}

/// Nearly dependent is not dependent: the QR has the digits, the moments say that they do not.
#[test]
fn nearly_dependent_columns_are_left_to_qr() {
    let rows = with(3000, |a, b| a + 1e-3 * (b * 7.0).sin());
    let error = solve::<Moments>(&rows, 3, LinearOptions::default()).unwrap_err();
    says(&error, &["`a`, `c` nearly, or wholly, determine each other", "condition number", "up to 30"]);
    solve::<BlockQr>(&rows, 3, LinearOptions::default()).unwrap();
    // A penalty makes them independent enough.
    let penalised = LinearOptions { penalty: 1e5, ..LinearOptions::default() };
    solve::<Moments>(&rows, 3, penalised).unwrap();
}

fn constants_and_small_tables<S: Statistic + std::fmt::Debug>() {
    let rows = with(2000, |_, _| 0.1);
    let error = solve::<S>(&rows, 3, LinearOptions::default()).unwrap_err();
    says(&error, &["`c` (0.1) is the same in all 2000 rows", "[data] exclude = [\"c\"]"]);
    let error = solve::<S>(&table(2, 3, 3, 1.0), 3, LinearOptions::default()).unwrap_err();
    says(&error, &["3 rows", "3 coefficients and an intercept", "at least 4 rows"]);
    let through_origin = LinearOptions { intercept: false, ..LinearOptions::default() };
    let error = solve::<S>(&table(2, 2, 3, 1.0), 3, through_origin).unwrap_err();
    says(&error, &["3 coefficients: at least 3 rows"]);
    let error = S::of(Block::new(&rows, 3).unwrap()).unwrap().solve(&NAMES[..2], &LinearOptions::default());
    says(&error.unwrap_err(), &["the list of names has length 2, expected 3"]);
    for penalty in [-1.0, f64::NAN, f64::INFINITY] {
        let error = solve::<S>(&rows, 3, LinearOptions { penalty, ..LinearOptions::default() }).unwrap_err();
        says(&error, &["penalty"]);
    }
}

#[test]
fn constant_columns_and_too_few_rows() {
    constants_and_small_tables::<Moments>();
    constants_and_small_tables::<BlockQr>();
}

fn sizes<S: Statistic + std::fmt::Debug>() {
    let of = |x: [f64; 4]| S::of(Block::new(&[x[0], 1., x[1], 5., x[2], 2., x[3], 4.], 1).unwrap());
    let fit = |x: [f64; 4]| of(x).unwrap().solve(&["a"], &LinearOptions::default());
    for size in [1e-140, 1e140] {
        let linear = fit([0.0, size, size, 2.0 * size]).unwrap().linear;
        super::near(linear.coefficients[0] * size, 1.5, 1e-13);
    }
    says(&fit([0.0, 1e-160, 1e-160, 2e-160]).unwrap_err(), &["`a` differ by too little", "smaller unit"]);
    for largest in [1e160, f64::MAX] {
        assert_eq!(of([largest, -largest, largest, 1.0]).unwrap_err(), BlockError::TooLarge { column: 0 });
    }
}

#[test]
fn numbers_too_small_or_too_large() {
    sizes::<Moments>();
    sizes::<BlockQr>();
}

#[test]
fn what_is_not_finite_has_its_place() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut rows = table(4, 3000, 2, 1.0);
        rows[2500 * 3 + 1] = value;
        let block = Block::new(&rows, 2).unwrap();
        let mut accumulator = Accumulator::<BlockQr>::new(2);
        let in_pieces = accumulator.push(block).and_then(|()| accumulator.finish());
        for error in [Moments::of(block).unwrap_err(), in_pieces.unwrap_err()] {
            assert!(matches!(error, BlockError::NotFinite { row: 2500, column: 1, .. }), "{error:?}");
        }
    }
    let values = [1.0; 6];
    let block = Block::new(&values, 2).unwrap();
    for weight in [f64::NAN, f64::INFINITY, -1.0] {
        says(&block.weighted(&[1.0, weight]).unwrap_err(), &["row 1", "weight"]);
    }
    says(&block.weighted(&[1.0]).unwrap_err(), &["1 is no number of weights"]);
    says(&Block::new(&values, 3).unwrap_err(), &["6 is no number of numbers in whole rows", "of 4 numbers"]);
    says(&Block::new(&[], 0).unwrap_err(), &["0 is no number"]);
    assert_eq!(Moments::of(Block::new(&[], 2).unwrap()).unwrap_err(), BlockError::Empty);
    let mut two = Moments::of(block).unwrap();
    let one = Moments::of(Block::new(&values, 1).unwrap()).unwrap();
    assert_eq!(two.merge(&one).unwrap_err(), BlockError::Features { found: 1, expected: 2 });
}
