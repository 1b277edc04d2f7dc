use std::path::Path;

use mlci_model::{Estimator, Kind};
use mlci_train::{
    Digest, Evaluation, Fit as _, GateOptions, Metric, Metrics, Ols, ReadOptions, Scored, Table, TrainOptions, Verdict,
    evaluate, gate, read_csv_file, split, train,
};
use ndarray::array;

use mlci_train::ndarray;

fn wine(set: impl FnOnce(&mut ReadOptions)) -> (Table, Digest) {
    let mut options = ReadOptions::new("quality");
    set(&mut options);
    read_csv_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/winequality-red.csv"), &options)
        .unwrap()
}

#[test]
fn the_file_is_the_one_described_and_the_table_of_linfa() {
    let (table, digest) = wine(|_| {});
    let description = include_str!("../../../../tests/data/winequality-red.md");
    assert!(description.contains(&digest.hex()), "winequality-red.md does not state {}", digest.hex());
    let theirs = linfa_datasets::winequality();
    assert_eq!(table.rows(), 1599);
    assert_eq!(table.features(), theirs.records);
    assert_eq!(table.target(), theirs.targets.mapv(|quality| quality as f64));
    assert_eq!(table.schema().names().collect::<Vec<_>>(), theirs.feature_names());
    assert_eq!(table.schema().target.kind, Kind::Integer);
    assert_eq!(table.line(1598), Some(1600));
}

/// The least-squares solution of the 1,599 rows as doubles, by Gauss-Jordan elimination of the normal equations in exact
/// rational arithmetic (Python 3 `fractions`), rounded at the end. scikit-learn 1.9.1 with NumPy 2.4.6 agrees to 5e-14.
#[test]
fn coefficients_are_exact_to_nine_digits() {
    let expected = array![
        0.024990552671672626,
        -1.0835902586934352,
        -0.1825639484107143,
        0.016331269765476067,
        -1.8742251580991518,
        0.004361333309096635,
        -0.0032645797030685635,
        -17.881163832495854,
        -0.4136531438217564,
        0.9163344127211283,
        0.2761976992268836,
    ];
    let (table, _) = wine(|_| {});
    let names: Vec<&str> = table.schema().names().collect();
    let Estimator::Linear(linear) = Ols.fit(table.features(), table.target(), &names).unwrap() else {
        panic!("least squares gives a linear estimator")
    };
    for ((name, found), expected) in names.iter().zip(&linear.coefficients).zip(&expected) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{name}: {found}, expected {expected}");
    }
    assert!((linear.intercept / 21.965208449448472 - 1.0).abs() < 1e-9, "{}", linear.intercept);

    // The same elimination's residuals: their sum of squares is 666.4107003870314.
    let prediction = (table.features().dot(&ndarray::Array1::from(linear.coefficients)) + linear.intercept).to_vec();
    let truth = table.target().to_vec();
    let metrics = Metrics::of(Scored { truth: &truth, prediction: &prediction }).unwrap();
    for (metric, expected) in [
        (Metric::Rmse, 0.6455750670692045),
        (Metric::Mae, 0.5004899635644882),
        (Metric::MedianAe, 0.39804083646280497),
        (Metric::R2, 0.3605517030386881),
    ] {
        let found = metrics.get(metric).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-9, "{metric}: {found}, expected {expected}");
    }
}

fn trained(table: &Table) -> mlci_train::Trained {
    let digest = Digest::of(b"");
    train(table, &TrainOptions::default(), &"wine".parse().unwrap(), digest, digest).unwrap()
}

#[test]
fn a_worse_model_is_refused_and_a_better_one_is_not() {
    let (whole, _) = wine(|_| {});
    let champion = trained(&whole);
    assert_eq!(gate(&GateOptions::default(), &champion.test, None).verdict, Verdict::Pass);

    let (poor, _) = wine(|options| options.features = Some(vec!["pH".into(), "residual sugar".into()]));
    let challenger = trained(&poor);
    // The rows held out are the same, whatever the features.
    assert_eq!(challenger.test.lines, champion.test.lines);
    let held_out = split(&poor, 0, 0.2).test;
    let on_same_rows: Evaluation = evaluate(&champion.model, &poor, &held_out, 0).unwrap();
    assert_eq!(on_same_rows.prediction, champion.test.prediction);

    let report = gate(&GateOptions::default(), &challenger.test, Some(&on_same_rows));
    assert_eq!(report.verdict, Verdict::Fail, "{report:#?}");
    let comparison = report.comparison.unwrap();
    assert!(comparison.low > comparison.margin, "{comparison:?}");
    let report = gate(&GateOptions::default(), &on_same_rows, Some(&challenger.test));
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
}

#[test]
fn intervals_hold_the_metric_and_cross_validation_agrees_with_the_test() {
    let (table, _) = wine(|_| {});
    let trained = trained(&table);
    for metric in Metric::REGRESSION {
        let (value, interval) = (trained.test.metrics.get(metric).unwrap(), trained.test.intervals[&metric]);
        assert!(interval.low < value && value < interval.high, "{metric}: {value} {interval:?}");
    }
    // The standard error of an RMSE over n rows is about RMSE/√(2n) for normal errors; these have heavier tails.
    let rmse = trained.test.intervals[&Metric::Rmse];
    let width = 2.0 * 1.96 * trained.test.metrics.rmse / (2.0 * trained.test.metrics.rows as f64).sqrt();
    assert!((0.5..2.0).contains(&((rmse.high - rmse.low) / width)), "{rmse:?}, expected a width of about {width}");

    let validation = trained.cross_validation.unwrap();
    assert_eq!((validation.folds.len(), validation.skipped.len()), (5, 0));
    let rows: usize = validation.folds.iter().map(|fold| fold.rows).sum();
    assert_eq!(rows as u64, trained.rows.train);
    let spread = validation.spread[&Metric::Rmse];
    assert!((spread.mean - trained.test.metrics.rmse).abs() < 5.0 * spread.standard_deviation, "{spread:?}");
}
