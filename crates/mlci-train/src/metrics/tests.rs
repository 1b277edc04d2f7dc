use linfa::prelude::SingleTargetRegression as _;
use ndarray::Array1;
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(truth: &[f64], prediction: &[f64], rmse: f64, mae: f64, median_ae: f64, r2: Option<f64>) {
    let metrics = Metrics::of(Scored { truth, prediction }).unwrap();
    let close = |a: f64, b: f64| (a - b).abs() < 1e-15;
    assert!(close(metrics.rmse, rmse) && close(metrics.mae, mae) && close(metrics.median_ae, median_ae), "{metrics:?}");
    assert!(metrics.r2.zip(r2).map_or(metrics.r2 == r2, |(a, b)| close(a, b)), "{metrics:?}");
    assert_eq!(metrics.rows, truth.len());
}

/// Errors 0, 0, 0, 2: Σe² = 4, Σ|e| = 2; the truth's mean is 2.5 and its Σ(t - 2.5)² = 5.
#[test]
fn one_error_of_two() {
    check(&[1., 2., 3., 4.], &[1., 2., 3., 6.], 1.0, 0.5, 0.0, Some(1.0 - 4.0 / 5.0));
}

/// The same numbers the other way round: the mean is 3 and Σ(t - 3)² = 4 + 1 + 0 + 9 = 14, so R² tells them apart.
#[test]
fn truth_and_prediction_are_not_exchangeable() {
    check(&[1., 2., 3., 6.], &[1., 2., 3., 4.], 1.0, 0.5, 0.0, Some(1.0 - 4.0 / 14.0));
}

/// Errors 1 and 3: RMSE √5, mean and median both 2; the truth is constant.
#[test]
fn a_constant_truth_has_no_r2() {
    check(&[5., 5.], &[6., 2.], 5.0_f64.sqrt(), 2.0, 2.0, None);
    // The mean of three 0.1 is not 0.1.
    check(&[0.1; 3], &[0.1; 3], 0.0, 0.0, 0.0, None);
}

/// Predicting the mean gives R² = 0, and worse than that is negative: truth 0, 2; prediction 2, 0: 1 - 8/2.
#[test]
fn r2_of_poor_models() {
    check(&[0., 2.], &[1., 1.], 1.0, 1.0, 1.0, Some(0.0));
    check(&[0., 2.], &[2., 0.], 2.0, 2.0, 2.0, Some(-3.0));
}

#[track_caller]
fn refused(truth: &[f64], prediction: &[f64], says: &str) {
    let error = Metrics::of(Scored { truth, prediction }).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn what_cannot_be_scored() {
    refused(&[], &[], "no rows");
    refused(&[1.], &[], "1 rows have 0 predictions");
    refused(&[1., 2.], &[1., f64::NAN], "row 1");
    refused(&[f64::INFINITY], &[1.], "row 0");
    refused(&[1e200], &[1.], "no finite squared error");
}

proptest! {
    /// Counting a row n times is the same as having it n times.
    #[test]
    fn weights_are_repetitions(rows in proptest::collection::vec((-9.0..9.0, -9.0..9.0, 0..4_u32), 1..30)) {
        let repeated = |of: fn(&(f64, f64, u32)) -> f64| -> Vec<f64> {
            rows.iter().flat_map(|row| std::iter::repeat_n(of(row), row.2 as usize)).collect()
        };
        let (truth, prediction) = (repeated(|row| row.0), repeated(|row| row.1));
        prop_assume!(!truth.is_empty());
        let metrics = Metrics::of(Scored { truth: &truth, prediction: &prediction }).unwrap();
        let all: (Vec<f64>, Vec<f64>) = rows.iter().map(|row| (row.0, row.1)).unzip();
        let weighed = Weighed::new(Scored { truth: &all.0, prediction: &all.1 }).unwrap();
        let counts: Vec<u32> = rows.iter().map(|row| row.2).collect();
        for metric in Metric::ALL {
            match (weighed.metric(metric, &counts), metrics.get(metric)) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{metric}: {a} {b}"),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }

    /// linfa's R² is the definition, but for the 1e-10 in its denominator.
    #[test]
    fn r2_is_linfas(rows in proptest::collection::vec((-9.0..9.0, -9.0..9.0), 3..30)) {
        let (truth, prediction): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
        let ours = Metrics::of(Scored { truth: &truth, prediction: &prediction }).unwrap().r2.unwrap();
        let theirs = Array1::from(prediction).r2(&Array1::from(truth)).unwrap();
        prop_assert!((ours - theirs).abs() <= 1e-6 * ours.abs().max(1.0), "{ours} {theirs}");
    }
}
