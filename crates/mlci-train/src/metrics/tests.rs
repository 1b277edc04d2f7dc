use linfa::prelude::SingleTargetRegression as _;
use ndarray::Array1;
use proptest::prelude::*;

use super::{statistics::*, *};
use crate::bootstrap::Units;

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

/// Errors 1 of truth 2, 3 of -4, and one of truth 0, which is left out: (1/2 + 3/4) / 2.
#[test]
fn percentage_errors_leave_zeros_out() {
    let metrics = Metrics::of(Scored { truth: &[2., -4., 0.], prediction: &[3., -1., 9.] }).unwrap();
    assert_eq!((metrics.mape, metrics.mape_left_out), (Some(0.625), 1));
    let metrics = Metrics::of(Scored { truth: &[0., 0.], prediction: &[3., -1.] }).unwrap();
    assert_eq!((metrics.mape, metrics.mape_left_out), (None, 2));
}

/// Errors 0, 1, 2, 3: three of four are within 2.
#[test]
fn coverage_counts_what_lies_within() {
    let scored = Scored { truth: &[0.; 4], prediction: &[0., 1., -2., 3.] };
    assert_eq!(Metrics::within(scored, 2.0).unwrap().get(Metric::Coverage), Some(0.75));
    assert_eq!(Metrics::of(scored).unwrap().get(Metric::Coverage), None);
}

/// Two bins: of 0.2 and 0.3 none is 1, of 0.9 both are. Gaps 0.5 (two rows) and 0.1 (twice).
#[test]
fn calibration_by_hand() {
    let scored = Scored { truth: &[0., 0., 1., 1.], prediction: &[0.21, 0.29, 0.9, 0.9] };
    let bins = calibration(scored);
    let found: Vec<(f64, u64, f64, f64)> =
        bins.iter().map(|bin| (bin.from, bin.rows, bin.predicted, bin.observed)).collect();
    assert_eq!(found, [(0.2, 2, 0.25, 0.0), (0.9, 2, 0.9, 1.0)]);
    let classes = Metrics::of_classes(scored, 0.5).unwrap().classification.unwrap();
    assert!((classes.calibration_error - (0.5 + 0.2) / 4.0).abs() < 1e-15, "{classes:?}");
    assert_eq!(
        confusion(scored, 0.25),
        Confusion { true_positives: 2, false_positives: 1, false_negatives: 0, true_negatives: 1 }
    );
}

#[test]
fn metrics_of_classes_that_are_undefined() {
    let ones = Metrics::of_classes(Scored { truth: &[1., 1.], prediction: &[0.1, 0.2] }, 0.5).unwrap();
    assert_eq!(
        (ones.get(Metric::RocAuc), ones.get(Metric::PrAuc), ones.get(Metric::Precision)),
        (None, Some(1.0), None)
    );
    let zeros = Metrics::of_classes(Scored { truth: &[0., 0.], prediction: &[0.1, 0.2] }, 0.5).unwrap();
    assert_eq!((zeros.get(Metric::PrAuc), zeros.get(Metric::Recall), zeros.get(Metric::F1)), (None, None, None));
    let refuse =
        |truth: &[f64], prediction: &[f64]| Metrics::of_classes(Scored { truth, prediction }, 0.5).unwrap_err();
    assert!(matches!(refuse(&[0., 2.], &[0.5, 0.5]), ScoreError::NoClass { row: 1, .. }));
    assert!(matches!(refuse(&[0., 1.], &[0.5, 1.5]), ScoreError::NoClass { row: 1, .. }));
}

/// As journals and reports have kept them before there were more.
#[test]
fn metrics_of_before_are_still_read() {
    let old = r#"{"rows":4,"rmse":1.0,"mae":0.5,"median_ae":0.0,"r2":null}"#;
    let metrics: Metrics = serde_json::from_str(old).unwrap();
    assert_eq!(
        (metrics.get(Metric::Rmse), metrics.get(Metric::R2), metrics.get(Metric::Mape)),
        (Some(1.0), None, None)
    );
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
    let weighed = Weighed::new(scored, Some(3.0)).unwrap();
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
        let expected = Metrics::within(Scored { truth: &truth, prediction: &prediction }, 3.0).unwrap();
        for metric in Metric::REGRESSION {
            let (found, expected) = (weighed.metric(metric, &counts).unwrap(), expected.get(metric).unwrap());
            assert!((found - expected).abs() < 1e-9 * expected.abs(), "{metric}: {found}, not {expected}");
        }
    }
}

/// The same of classes.
#[test]
fn groups_of_classes_are_their_rows() {
    let (rows, shares) = many(10_050);
    let truth: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(*row > 1e3))).collect();
    let prediction: Vec<f64> = shares.iter().map(|share| ((share - 985.0) * 3.0).round() / 100.0).collect();
    let weighed = Weighed::of_classes(Scored { truth: &truth, prediction: &prediction }, 0.5).unwrap();
    let counts: Vec<u32> = (0..1000).map(|group| group * group % 4).collect();
    let times = Units::of(truth.len()).of_rows().into_iter().map(|group| counts[usize::from(group)] as usize);
    let times: Vec<usize> = times.collect();
    let repeat = |values: &[f64]| -> Vec<f64> {
        values.iter().zip(&times).flat_map(|(value, times)| std::iter::repeat_n(*value, *times)).collect()
    };
    let (truth, prediction) = (repeat(&truth), repeat(&prediction));
    let expected = Metrics::of_classes(Scored { truth: &truth, prediction: &prediction }, 0.5).unwrap();
    for metric in Metric::CLASSIFICATION {
        let (found, expected) = (weighed.metric(metric, &counts).unwrap(), expected.get(metric).unwrap());
        assert!((found - expected).abs() < 1e-12, "{metric}: {found}, not {expected}");
    }
}

/// Just above and just below the number of rows from which groups are drawn the intervals are as wide.
#[test]
fn groups_give_the_intervals_of_rows() {
    let width = |rows| {
        let (truth, prediction) = many(rows);
        let scored = Scored { truth: &truth, prediction: &prediction };
        let weighed = Weighed::new(scored, Some(3.0)).unwrap();
        Metric::REGRESSION.map(|metric| {
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
        let weighed = Weighed::new(scored, None).unwrap();
        let counts: Vec<u32> = rows.iter().map(|row| row.2).collect();
        for metric in Metric::ALL {
            match (weighed.metric(metric, &counts), metrics.get(metric)) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{metric}: {a} {b}"),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }

    /// The same of classes, with ties.
    #[test]
    fn weights_of_classes_are_repetitions(rows in proptest::collection::vec((0..2_u8, 0..=10_u8, 0..4_u32), 1..30)) {
        let repeated = |of: fn(&(u8, u8, u32)) -> f64| -> Vec<f64> {
            rows.iter().flat_map(|row| std::iter::repeat_n(of(row), row.2 as usize)).collect()
        };
        let (truth, prediction) = (repeated(|row| f64::from(row.0)), repeated(|row| f64::from(row.1) / 10.0));
        prop_assume!(!truth.is_empty());
        let metrics = Metrics::of_classes(Scored { truth: &truth, prediction: &prediction }, 0.5).unwrap();
        let all: (Vec<f64>, Vec<f64>) = rows.iter().map(|row| (f64::from(row.0), f64::from(row.1) / 10.0)).unzip();
        let weighed = Weighed::of_classes(Scored { truth: &all.0, prediction: &all.1 }, 0.5).unwrap();
        let counts: Vec<u32> = rows.iter().map(|row| row.2).collect();
        for metric in Metric::ALL {
            match (weighed.metric(metric, &counts), metrics.get(metric)) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() <= 1e-9, "{metric}: {a} {b}"),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
        // The area is the share of pairs in the right order.
        let pairs = truth.iter().zip(&prediction).filter(|(truth, _)| **truth == 1.0).flat_map(|(_, one)| {
            let zeros = truth.iter().zip(&prediction).filter(|(truth, _)| **truth == 0.0);
            zeros.map(move |(_, zero)| if one > zero { 1.0 } else if one == zero { 0.5 } else { 0.0 })
        });
        let pairs: Vec<f64> = pairs.collect();
        let expected = (!pairs.is_empty()).then(|| pairs.iter().sum::<f64>() / pairs.len() as f64);
        let area = metrics.get(Metric::RocAuc);
        prop_assert!(area.zip(expected).map_or(area == expected, |(a, b)| (a - b).abs() < 1e-12), "{area:?} {expected:?}");
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
