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

/// Rows whose truth and error have nothing to do with each other.
fn many(rows: u32) -> (Vec<f64>, Vec<f64>) {
    let row = |row: u32| {
        let truth = (f64::from(row) * 0.37).sin() * 5.0 + 1e3;
        (truth, truth + (f64::from(row) * 0.73).cos() * f64::from(row % 7))
    };
    (0..rows).map(row).unzip()
}

/// A group taken n times is each of its rows taken n times; also where the median is far from that of all rows.
#[test]
fn groups_are_their_rows() {
    let (truth, prediction) = many(10_050);
    let scored = Scored { truth: &truth, prediction: &prediction };
    let errors = errors(scored);
    let weighed = Weighed::new(scored, &errors).unwrap();
    let groups = Units::of(truth.len()).of_rows();
    let worst = |group: u16| {
        let largest = errors.iter().zip(&groups).filter(|(_, of)| **of == group).map(|(error, _)| *error);
        largest.fold(0.0_f64, f64::max)
    };
    let some: Vec<u32> = (0..1000).map(|group| group * group % 4).collect();
    let small: Vec<u32> = (0..1000).map(|group| u32::from(worst(group) < 4.5)).collect();
    assert!(small.iter().any(|count| *count > 0));
    for counts in [some, small] {
        let times: Vec<u32> = groups.iter().map(|group| counts[usize::from(*group)]).collect();
        let repeat = |values: &[f64]| -> Vec<f64> {
            let rows = values.iter().zip(&times);
            rows.flat_map(|(value, times)| std::iter::repeat_n(*value, *times as usize)).collect()
        };
        let (truth, prediction) = (repeat(&truth), repeat(&prediction));
        let expected = Metrics::of(Scored { truth: &truth, prediction: &prediction }).unwrap();
        for metric in Metric::ALL {
            let (found, expected) = (weighed.metric(metric, &counts).unwrap(), expected.get(metric).unwrap());
            assert!((found - expected).abs() < 1e-9 * expected.abs(), "{metric}: {found}, not {expected}");
        }
    }
}

/// Just above and just below the number of rows from which groups are drawn the intervals are as wide.
#[test]
fn groups_give_the_intervals_of_rows() {
    let width = |rows| {
        let (truth, prediction) = many(rows);
        let scored = Scored { truth: &truth, prediction: &prediction };
        let errors = errors(scored);
        let weighed = Weighed::new(scored, &errors).unwrap();
        Metric::ALL.map(|metric| {
            let mut sample = Vec::new();
            crate::bootstrap::resample(truth.len(), 1000, 1, |counts| {
                sample.push(weighed.metric(metric, counts).unwrap());
            });
            let interval = crate::bootstrap::percentiles(sample, 0.95).unwrap();
            interval.high - interval.low
        })
    };
    // Each width has a standard error of some 4 %, that of groups 2 % more.
    for (rows, groups) in width(10_000).into_iter().zip(width(10_010)) {
        assert!((groups / rows - 1.0).abs() < 0.2, "{groups} beside {rows}");
    }
}

proptest! {
    #[test]
    fn the_median_is_linfas(rows in proptest::collection::vec((-9.0..9.0, -9.0..9.0), 1..30)) {
        let (truth, prediction): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
        let ours = Metrics::of(Scored { truth: &truth, prediction: &prediction }).unwrap().median_ae;
        let theirs = Array1::from(prediction).median_absolute_error(&Array1::from(truth)).unwrap();
        prop_assert!((ours - theirs).abs() <= 1e-12, "{ours} {theirs}");
    }

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
        let scored = Scored { truth: &all.0, prediction: &all.1 };
        let errors = errors(scored);
        let weighed = Weighed::new(scored, &errors).unwrap();
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
