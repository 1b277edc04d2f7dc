use mlci_model::{Estimator, Generalized, Linear, Link, PredictError};
use mlci_train::{
    Digest, EvaluateError, EvaluateOptions, Evaluation, FitError, GateOptions, Metric, MissingPolicy, ModelName,
    ReadOptions, Table, TrainError, TrainOptions, Trained, Verdict, adopt, evaluate, evaluate_with, gate, read_csv,
    read_csv_file, split, train,
};

use crate::{Drops, plane, read};

fn name() -> ModelName {
    "demo".parse().unwrap()
}

fn try_train(table: &Table, options: &TrainOptions) -> Result<Trained, TrainError> {
    train(table, options, &name(), Digest::of(b"data"), Digest::of(b"config"))
}

#[track_caller]
fn trained(csv: &str) -> Trained {
    try_train(&read(csv, |_| {}).unwrap(), &TrainOptions::default()).unwrap()
}

#[test]
fn a_plane_is_found_and_described() {
    let csv = plane(400);
    let trained = trained(&csv);
    let parts = trained.model.parts();
    // The rest has 5 values 1/16 apart, so a standard deviation of √2/16.
    assert!((trained.training.rmse - 2.0_f64.sqrt() / 16.0).abs() < 0.01, "{:?}", trained.training);
    assert!((trained.test.metrics.rmse - 2.0_f64.sqrt() / 16.0).abs() < 0.02, "{:?}", trained.test.metrics);
    let table = read(&csv, |_| {}).unwrap();
    let split = split(&table, 0, 0.2);
    assert_eq!(trained.rows.train + trained.rows.test, 400);
    assert_eq!((trained.rows.train, trained.rows.left_out), (split.train.len() as u64, 0));
    assert_eq!((parts.data, parts.config), (Digest::of(b"data"), Digest::of(b"config")));

    // What describes the training data describes the training rows only.
    let values: Vec<f64> = split.train.iter().map(|row| table.features()[[*row, 0]]).collect();
    assert_eq!(parts.profiles[0].count, values.len() as u64);
    assert_eq!(parts.schema.features[0].range.max, values.iter().copied().fold(f64::MIN, f64::max));
    let mean = split.train.iter().map(|row| table.target()[*row]).sum::<f64>() / values.len() as f64;
    assert!((trained.test.baseline - mean).abs() < 1e-9 * mean.abs(), "{} {mean}", trained.test.baseline);

    // Golden rows are rows held out.
    assert_eq!(parts.golden.len(), 5);
    for golden in &parts.golden {
        let held_out = |row: &&usize| table.features().row(**row).to_vec() == golden.row;
        assert!(split.test.iter().find(held_out).is_some());
    }
    let line = |row: &usize| *row as u64 + 2;
    assert_eq!(trained.test.lines, split.test.iter().map(line).collect::<Vec<_>>());
    assert_eq!(trained.cross_validation.unwrap().folds.len(), 5);
}

/// An estimator from elsewhere is described and tested like one that was fitted here.
#[test]
fn an_estimator_can_be_adopted() {
    let table = read(plane(400), |_| {}).unwrap();
    let options = TrainOptions { folds: None, ..TrainOptions::default() };
    let fitted = try_train(&table, &options).unwrap();
    let estimator = fitted.model.parts().estimator.clone();
    let adopted = adopt(&table, estimator, &options, &name(), Digest::of(b"data"), Digest::of(b"config")).unwrap();
    assert_eq!(adopted.model, fitted.model);
    // Where something is fitted, the mean is one of sums that are taken in another order.
    let (baseline, other) = (fitted.test.baseline, adopted.test.baseline);
    assert!((baseline - other).abs() < 1e-12 * baseline.abs(), "{baseline} {other}");
    assert_eq!(Evaluation { baseline, ..adopted.test }, fitted.test);
}

/// What has learnt nothing does not pass the gate, however far its mean prediction is from the mean of the target.
#[test]
fn a_model_that_is_off_everywhere_does_not_beat_the_mean() {
    let table = read(plane(400), |_| {}).unwrap();
    let options = TrainOptions::default();
    // As good as always saying its own mean, and a little better than that.
    let estimator = Estimator::Linear(Linear { intercept: -50.0, coefficients: vec![1e-6, 0.0] });
    let adopted = adopt(&table, estimator, &options, &name(), Digest::of(b"d"), Digest::of(b"c")).unwrap();
    let mean = split(&table, 0, 0.2).train.iter().map(|row| table.target()[*row]).sum::<f64>();
    let mean = mean / adopted.rows.train as f64;
    assert!((adopted.test.baseline - mean).abs() < 1e-9 * mean.abs(), "{} {mean}", adopted.test.baseline);
    let report = gate(&GateOptions::default(), &adopted.test, None);
    assert_eq!(report.checks[0].verdict, Some(Verdict::Fail), "{report:#?}");
}

/// A row is named by its line, however many rows come before it.
#[test]
fn a_row_that_cannot_be_predicted_is_named() {
    let mut csv = String::from("a,y\n");
    (0..9000).for_each(|row| csv += &format!("{}.5,{row}\n", u8::from(row > 8000) * 200));
    let table = read(&csv, |_| {}).unwrap();
    let linear = |intercept| Linear { intercept, coefficients: vec![5.0] };
    let estimator = Estimator::Generalized(Generalized { link: Link::Log, linear: linear(0.0) });
    let adopted = |table: &Table, estimator| {
        adopt(table, estimator, &TrainOptions::default(), &name(), Digest::of(b"d"), Digest::of(b"c"))
    };
    let error = adopted(&table, estimator.clone()).unwrap_err();
    let TrainError::Predict { at: Some(at), source: PredictError::Overflow { row } } = &error else {
        panic!("{error:?}")
    };
    let of = split(&table, 0, 0.2).train[*row];
    assert!(*row > 4096 && of > 8000 && at.row == *row, "{error:?}");
    let says = format!("the model cannot predict line {} of the data (row {row} of those given, from 0)", of + 2);
    assert_eq!(error.to_string(), says);

    // The same of a model that is evaluated on other rows.
    let model = adopted(&read(csv.replace("200.5", "0.5"), |_| {}).unwrap(), estimator).unwrap().model;
    let rows: Vec<usize> = (1..9000).collect();
    let error = evaluate(&model, &table, &rows, 0).unwrap_err();
    assert_eq!(error.to_string(), "`demo` cannot predict line 8003 of the data (row 8000 of those given, from 0)");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("row 8000: the prediction overflows"));

    // A prediction that is finite, and its squared error is not.
    let linear = Linear { intercept: 0.0, coefficients: vec![1.8] };
    let error = adopted(&table, Estimator::Generalized(Generalized { link: Link::Log, linear })).unwrap_err();
    let says =
        says.replace("the model cannot predict", "the model's predictions of its training rows cannot be scored:");
    assert_eq!(error.to_string(), says);
}

/// Case A1, to the end: the same bytes of a model from a file, in one piece and in drops, with and without the mark.
#[test]
fn the_same_data_gives_the_same_bytes() {
    let plain = plane(100)
        .replace(",y\n", ",y,note\n")
        .lines()
        .enumerate()
        .fold(String::new(), |csv, (line, row)| csv + row + if line == 0 { "\n" } else { ",\"two\nlines\"\n" });
    let marked = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    let mut options = ReadOptions::new("y");
    options.exclude = vec!["note".into()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    std::fs::write(&path, &marked).unwrap();
    let tables = [
        read_csv_file(&path, &options).unwrap().0,
        read_csv(marked.as_bytes(), &options).unwrap(),
        read_csv(Drops(marked.as_bytes()), &options).unwrap(),
        read_csv(plain.as_bytes(), &options).unwrap(),
    ];
    let bytes = |table: &Table| try_train(table, &TrainOptions::default()).unwrap().model.encode().unwrap();
    let first = bytes(&tables[0]);
    for table in &tables {
        assert_eq!(bytes(table), first);
    }
    let other = TrainOptions { seed: 1, ..TrainOptions::default() };
    assert_ne!(try_train(&tables[0], &other).unwrap().model.encode().unwrap(), first);
}

#[track_caller]
fn refused(csv: &str, options: &TrainOptions, says: &[&str]) -> TrainError {
    let error = try_train(&read(csv, |options| options.missing = MissingPolicy::Drop).unwrap(), options).unwrap_err();
    let text = format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
    for says in says {
        assert!(text.contains(says), "{text} does not say {says:?}");
    }
    error
}

#[test]
fn too_little_to_learn_from() {
    let options = TrainOptions::default();
    let error = refused("a,y\n1,2\n", &options, &["training rows (of 1 rows)", "cannot determine 1 coefficients"]);
    assert!(matches!(error, TrainError::Fit { source: FitError::TooFewRows { .. }, .. }), "{error:?}");
    refused("a,b,c,y\n1,2,3,4\n2,1,5,4.5\n", &options, &["cannot determine 3 coefficients", "at least 4 rows"]);
    let error = refused("a,y\n1,5\n2,5\n3,5\n4,5\n", &options, &["the target `y` is 5 in all 4"]);
    assert!(matches!(error, TrainError::ConstantTarget { .. }), "{error:?}");
    let few = TrainOptions { test_fraction: 1e-9, ..options };
    let error = refused(&plane(20), &few, &["none of the 20 rows was held out", "`[train] test_fraction`"]);
    assert!(matches!(error, TrainError::NoTestRows { .. }), "{error:?}");
}

#[test]
fn options_that_make_no_sense() {
    for test_fraction in [0.0, 1.0, -0.1, f64::NAN] {
        let options = TrainOptions { test_fraction, ..TrainOptions::default() };
        assert!(matches!(refused(&plane(20), &options, &["between 0 and 1"]), TrainError::TestFraction { .. }));
    }
    for folds in [0, 1, 21, u32::MAX] {
        let options = TrainOptions { folds: Some(folds), ..TrainOptions::default() };
        assert!(matches!(refused(&plane(20), &options, &["from 2 to as many"]), TrainError::Folds { .. }));
    }
}

#[test]
fn numbers_whose_squares_overflow() {
    let csv: String = (0..40).map(|row| format!("{row}e200,{}\n", row % 7)).collect();
    refused(&format!("a,y\n{csv}"), &TrainOptions::default(), &["the values of `a` are too large", "a larger unit"]);
}

#[test]
fn dependent_columns_reach_the_reader() {
    let csv: String = plane(60)
        .lines()
        .enumerate()
        .map(|(line, row)| match (line, row.split_once(',')) {
            (0, _) => format!("twice,{row}\n"),
            (_, Some((a, _))) => format!("{},{row}\n", 2.0 * a.parse::<f64>().unwrap()),
            _ => unreachable!(),
        })
        .collect();
    refused(&csv, &TrainOptions::default(), &["cannot fit `ols`", "`a` = 0.5·`twice`", "`[data] exclude = [\"a\"]`"]);
}

/// Cross-validation tells of a model; where a fold cannot be fitted, the model is none the worse.
#[test]
fn a_fold_that_cannot_be_fitted_is_skipped() {
    // One row alone has a `rare`: without its fold the column is constant.
    let rare = |on: usize| -> String {
        let rows = plane(60);
        let add = |(line, row): (usize, &str)| match line {
            0 => format!("rare,{row}\n"),
            line => format!("{},{row}\n", u8::from(line == on)),
        };
        rows.lines().enumerate().map(add).collect()
    };
    let (trained, _) = (1..=60)
        .find_map(|on| {
            try_train(&read(rare(on), |_| {}).unwrap(), &TrainOptions::default()).ok().map(|model| (model, on))
        })
        .unwrap();
    let validation = trained.cross_validation.unwrap();
    assert_eq!((validation.folds.len(), validation.skipped.len()), (4, 1), "{:?}", validation.skipped);
    assert!(validation.skipped[0].contains("`rare` (0) is the same"), "{:?}", validation.skipped);
    assert!(validation.spread.contains_key(&Metric::Rmse));
    let none = TrainOptions { folds: None, golden: 0, ..TrainOptions::default() };
    let trained = try_train(&read(plane(60), |_| {}).unwrap(), &none).unwrap();
    assert!(trained.cross_validation.is_none() && trained.model.parts().golden.is_empty());
}

#[test]
fn models_that_do_not_fit_the_data() {
    let model = trained(&plane(60)).model;
    let other = read("a,z,y\n1,2,3\n4,5,6\n", |_| {}).unwrap();
    let error = evaluate(&model, &other, &[0], 0).unwrap_err();
    assert!(matches!(&error, EvaluateError::Columns { source, .. } if source.absent == ["b"]), "{error:?}");
    let other = read("a,b,z\n1,2,3\n", |options| options.target = "z".into()).unwrap();
    let error = evaluate(&model, &other, &[0], 0).unwrap_err();
    assert_eq!(error.to_string(), "`demo` predicts `y`, and the target of the data is `z`");
    let table = read(plane(60), |_| {}).unwrap();
    assert!(matches!(evaluate(&model, &table, &[60], 0).unwrap_err(), EvaluateError::Row { row: 60, rows: 60 }));
    assert!(matches!(evaluate(&model, &table, &[], 0).unwrap_err(), EvaluateError::Score { .. }));
    let large = read("a,b,y\n1,2,3\n1e308,-1e308,3\n", |_| {}).unwrap();
    let error = evaluate(&model, &large, &[0, 1], 0).unwrap_err();
    assert_eq!(error.to_string(), "`demo` cannot predict line 3 of the data (row 1 of those given, from 0)");
    let far = read("a,b,y\n1,2,3\n\n1,2,1e200\n", |_| {}).unwrap();
    let error = evaluate(&model, &far, &[0, 1], 0).unwrap_err();
    let place = "line 4 of the data (row 1 of those given, from 0)";
    assert_eq!(error.to_string(), format!("the predictions of `demo` cannot be compared with `y`: {place}"));
}

#[test]
fn intervals_are_repeatable() {
    let trained = trained(&plane(200));
    let table = read(plane(200), |_| {}).unwrap();
    let split = split(&table, 0, 0.2);
    let again = |seed| {
        let Evaluation { half_width, baseline, .. } = trained.test;
        let options = EvaluateOptions { seed, half_width, baseline: Some(baseline), ..EvaluateOptions::default() };
        evaluate_with(&trained.model, &table, &split.test, &options).unwrap()
    };
    assert_eq!(again(0), trained.test);
    assert_ne!(again(1).intervals, trained.test.intervals);
    assert_eq!(again(1).metrics, trained.test.metrics);
}
