use mlci_model::{Estimator, Linear};
use mlci_train::{
    Fit as _, FitError, Ols,
    ndarray::{Array1, Array2, array},
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[track_caller]
fn fitted(x: &Array2<f64>, y: &Array1<f64>) -> Linear {
    match Ols.fit(x.view(), y.view(), &NAMES[..x.ncols()]).unwrap() {
        Estimator::Linear(linear) => linear,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(x: &Array2<f64>, y: &Array1<f64>, coefficients: &[f64], intercept: f64) {
    let linear = fitted(x, y);
    for (found, expected) in
        linear.coefficients.iter().chain([&linear.intercept]).zip(coefficients.iter().chain([&intercept]))
    {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{linear:?}");
    }
}

/// For (0,1), (1,0), (2,2): Sxy = 1, Sxx = 2, means (1, 1), so y = x/2 + 1/2.
#[test]
fn three_points_off_a_line() {
    check(&array![[0.], [1.], [2.]], &array![1., 0., 2.], &[0.5], 0.5);
}

/// As many rows as unknowns: the plane y = 2·a - b + 1 through three points.
#[test]
fn a_plane_through_three_points() {
    check(&array![[0., 0.], [1., 0.], [0., 1.]], &array![1., 3., 0.], &[2.0, -1.0], 1.0);
}

/// The same three points a billion away, and in units a billion times larger or smaller.
#[test]
fn offsets_and_units_cost_no_digits() {
    let linear = fitted(&array![[1e9], [1e9 + 1.], [1e9 + 2.]], &(array![1., 0., 2.] + 1e9));
    assert!((linear.coefficients[0] - 0.5).abs() < 1e-12, "{linear:?}");
    check(&array![[0., 0.], [1e-150, 0.], [0., 1e150]], &array![1., 3., 0.], &[2e150, -1e-150], 1.0);
}

#[track_caller]
fn refused(x: &Array2<f64>, y: &Array1<f64>, says: &[&str]) -> FitError {
    let error = Ols.fit(x.view(), y.view(), &NAMES[..x.ncols()]).unwrap_err();
    for says in says {
        assert!(error.to_string().contains(says), "{error} does not say {says:?}");
    }
    error
}

#[test]
fn shapes_and_numbers_that_do_not_fit() {
    let y = array![1., 2., 3.];
    refused(&array![[1.], [2.]], &y, &["the target has length 3, expected 2"]);
    refused(&Array2::zeros((3, 0)), &y, &["a row of features has length 0"]);
    let error = Ols.fit(array![[1.], [2.], [3.]].view(), y.view(), &[]).unwrap_err();
    assert!(matches!(error, FitError::Shape { what: "the list of names", found: 0, expected: 1 }), "{error}");
    refused(&array![[1.], [f64::NAN], [3.]], &y, &["row 1 of `a` is NaN"]);
    refused(&array![[1.], [2.], [3.]], &array![1., 2., f64::INFINITY], &["row 2 of `the target` is inf"]);
    let error =
        refused(&array![[1., 2., 4.], [2., 5., 1.], [3., 1., 1.]], &y, &["3 rows", "3 coefficients", "at least 4"]);
    assert!(matches!(error, FitError::TooFewRows { rows: 3, features: 3, intercept: true }), "{error}");
    refused(&Array2::zeros((0, 2)), &array![], &["0 rows"]);
    refused(&array![[f64::MAX], [f64::MAX], [-f64::MAX]], &y, &["`a` are too large"]);
}

#[test]
fn constant_columns_are_named() {
    let x = array![[1., 7., 0.1 + 0.2], [2., 7., 0.3], [4., 7., 0.3], [3., 7., 0.3], [5., 7., 0.3]];
    let error = refused(
        &x,
        &array![1., 2., 3., 5., 4.],
        &["`b` (7), `c`", "the same in all 5 rows", "[data] exclude = [\"b\", \"c\"]"],
    );
    assert!(matches!(error, FitError::Constant { .. }), "{error}");
}

/// Rows of `a` and `b` that nothing relates, with columns made of them.
fn dependent(more: &[&dyn Fn(f64, f64) -> f64]) -> Array2<f64> {
    let rows: Vec<(f64, f64)> = (0..40).map(|row| (f64::from(row * row % 23), f64::from(row * 7 % 31) / 8.0)).collect();
    Array2::from_shape_fn((rows.len(), 2 + more.len()), |(row, column)| {
        let (a, b) = rows[row];
        match column {
            0 => a,
            1 => b,
            column => more[column - 2](a, b),
        }
    })
}

#[track_caller]
fn depends(x: &Array2<f64>, says: &str) {
    let y = Array1::from_shape_fn(x.nrows(), |row| f64::from((row * 13 % 11) as u32));
    let error = refused(x, &y, &[says, "[data] exclude = ["]);
    assert!(matches!(error, FitError::Dependent { .. }), "{error}");
}

#[test]
fn dependent_columns_are_named_with_what_they_depend_on() {
    depends(&dependent(&[&|a, b| 2.0 * a - b]), "`c` = 2·`a` - `b`:");
    depends(&dependent(&[&|a, _| a]), "`c` = `a`:");
    depends(&dependent(&[&|_, b| 1.8 * b + 32.0]), "`c` = 1.8·`b` + 32:");
    depends(&dependent(&[&|a, _| -0.5 * a - 3.0]), "`c` = -0.5·`a` - 3:");
    depends(&dependent(&[&|a, b| a + b, &|a, b| a - b]), "`c` = `a` + `b`, `d` = `a` - `b`:");
    // The independent `c` lies between; the dependent one is still found.
    depends(&dependent(&[&|a, b| a * b, &|a, b| a + a * b]), "`d` = `a` + `c`:");
    // One column for each of all categories: they sum up to 1.
    let one_hot = Array2::from_shape_fn((30, 3), |(row, column)| f64::from(u8::from(row % 3 == column)));
    depends(&one_hot, "`c` = -`a` - `b` + 1:");
    // Units far apart, and an offset that takes digits from the column.
    depends(&dependent(&[&|a, b| 1e12 * a + 1e-3 * b]), "`c` = 1e12·`a`");
    depends(&dependent(&[&|a, _| a + 1e9]), "`c` = `a` + 1e9:");
}

/// A column so far from zero that few of its digits vary does not make others look dependent.
#[test]
fn the_rounding_of_one_column_is_not_held_against_others() {
    let x = dependent(&[&|a, _| a * a + 1e15, &|a, b| a + 1e-4 * b * b]);
    let y = x.column(1).to_owned() + x.column(3);
    let linear = fitted(&x, &y);
    assert!((linear.coefficients[3] - 1.0).abs() < 1e-6, "{linear:?}");
}

/// What is nearly dependent is fitted: c differs from a + b by a millionth.
#[test]
fn nearly_dependent_columns_are_fitted() {
    let x = dependent(&[&|a, b| a + b + 1e-6 * (a * b).sin()]);
    let y = x.column(0).to_owned() + 3.0 * &x.column(2) + 1.0;
    let linear = fitted(&x, &y);
    for (found, expected) in linear.coefficients.iter().zip([1.0, 0.0, 3.0]) {
        assert!((found - expected).abs() < 1e-7, "{linear:?}");
    }
}

/// An independent solution: the normal equations of small whole numbers, which an f64 sums exactly.
#[test]
fn normal_equations_agree() {
    let x = dependent(&[]);
    let y = Array1::from_shape_fn(x.nrows(), |row| f64::from((row * 13 % 11) as u32));
    let n = x.nrows() as f64;
    let (a, b) = (x.column(0), x.column(1));
    let centred = |u: &mlci_train::ndarray::ArrayView1<'_, f64>, v: &mlci_train::ndarray::ArrayView1<'_, f64>| {
        n * u.dot(v) - u.sum() * v.sum()
    };
    let (aa, ab, bb) = (centred(&a, &a), centred(&a, &b), centred(&b, &b));
    let (ay, by) = (centred(&a, &y.view()), centred(&b, &y.view()));
    // Cramer's rule.
    let determinant = aa * bb - ab * ab;
    let (wa, wb) = ((ay * bb - ab * by) / determinant, (aa * by - ab * ay) / determinant);
    check(&x, &y, &[wa, wb], (y.sum() - wa * a.sum() - wb * b.sum()) / n);
}
