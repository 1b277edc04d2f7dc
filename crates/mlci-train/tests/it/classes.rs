//! Classifiers.

use mlci_model::{Estimator, Kind, Link};
use mlci_train::{
    Algorithm, ClassError, Digest, EvaluateError, EvaluateOptions, Evaluation, FitError, GateOptions, Metric,
    TrainError, TrainOptions, Trained, Verdict, evaluate, evaluate_with, gate, split, train,
};

use crate::{plane, read};

/// `rows` rows whose `y` is 1 the more often the larger `a` is.
fn flags(rows: u32) -> String {
    let mut csv = String::from("a,b,y\n");
    for row in 0..rows {
        let (a, b) = (f64::from(row % 17) / 8.0 - 1.0, f64::from(row * row % 31));
        let draw = f64::from(row * 7919 % 101) / 101.0;
        csv += &format!("{a},{b},{}\n", u8::from(draw < 1.0 / (1.0 + (-2.0 * a).exp())));
    }
    csv
}

fn options() -> TrainOptions {
    TrainOptions { algorithm: Algorithm::Logistic, ..TrainOptions::default() }
}

fn try_train(csv: &str, options: &TrainOptions) -> Result<Trained, TrainError> {
    let table = read(csv, |_| {}).unwrap();
    train(&table, options, &"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config"))
}

#[test]
fn numbers_of_0_and_1_become_classes() {
    let trained = try_train(&flags(500), &options()).unwrap();
    let target = &trained.model.schema().target;
    assert_eq!((target.kind, target.levels.as_slice()), (Kind::Category, ["0".to_owned(), "1".to_owned()].as_slice()));
    let Estimator::Generalized(generalized) = &trained.model.parts().estimator else { panic!("no probability") };
    assert_eq!(generalized.link, Link::Logit);
    assert!((generalized.linear.coefficients[0] - 2.0).abs() < 0.6, "{generalized:?}");
    let classes = trained.test.metrics.classification.unwrap();
    assert!(classes.roc_auc.unwrap() > 0.7 && classes.log_loss < 0.69, "{classes:?}");
    for metric in Metric::CLASSIFICATION {
        let (value, interval) = (trained.test.metrics.get(metric).unwrap(), trained.test.intervals[&metric]);
        assert!(interval.low <= value && value <= interval.high || metric == Metric::CalibrationError, "{metric}");
    }
    assert_eq!(trained.test.metrics.get(Metric::Rmse), None);
    assert_eq!(trained.test.half_width, None);
    assert_eq!(trained.cross_validation.unwrap().folds.len(), 5);
}

/// The other class: probabilities turn round, and the truth with them.
#[test]
fn positive_decides_which_class_is_predicted() {
    let (csv, table) = (flags(500), read(flags(500), |_| {}).unwrap());
    let one = try_train(&csv, &options()).unwrap();
    let zero = try_train(&csv, &TrainOptions { positive: Some("0".to_owned()), ..options() }).unwrap();
    assert_eq!(zero.model.schema().target.levels, ["1", "0"]);
    let row = [0.3, 4.0];
    let sum = one.model.predict_row(&row).unwrap() + zero.model.predict_row(&row).unwrap();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    let (a, b) = (one.test.metrics.classification.unwrap(), zero.test.metrics.classification.unwrap());
    assert!((a.log_loss - b.log_loss).abs() < 1e-9 && (a.roc_auc.unwrap() - b.roc_auc.unwrap()).abs() < 1e-9);
    assert!(one.test.truth.iter().zip(&zero.test.truth).all(|(a, b)| a + b == 1.0));
    // The same when the model comes from elsewhere.
    let (evaluated, baseline) =
        (evaluate(&zero.model, &table, &split(&table, 0, 0.2).test, 0).unwrap(), zero.test.baseline);
    // A maximum of the likelihood has the mean of the target; the model alone knows its own mean only.
    assert!((evaluated.baseline - baseline).abs() < 1e-6, "{} {baseline}", evaluated.baseline);
    assert_eq!(Evaluation { baseline, ..evaluated }, zero.test);
    // The share of the class that is predicted.
    let (train, values) = (split(&table, 0, 0.2).train, table.target());
    let share = train.iter().map(|row| values[*row]).sum::<f64>() / train.len() as f64;
    assert!((one.test.baseline - share).abs() < 1e-12 && (baseline - (1.0 - share)).abs() < 1e-12, "{share}");
    let same = try_train(&csv, &TrainOptions { positive: Some("1".to_owned()), ..options() }).unwrap();
    assert_eq!(same.model, one.model);
}

/// After a change of `[train] positive` the champion says the probability of the other class.
#[test]
fn a_champion_of_the_other_class_is_compared() {
    let table = read(flags(500), |_| {}).unwrap();
    let champion = try_train(&flags(500), &options()).unwrap();
    let zero = TrainOptions { positive: Some("0".to_owned()), ..options() };
    let challenger = try_train(&flags(500), &zero).unwrap();
    let rows = split(&table, 0, 0.2).test;
    let positive = |class: &str| EvaluateOptions { positive: Some(class.to_owned()), ..EvaluateOptions::default() };
    let seen = evaluate_with(&champion.model, &table, &rows, &positive("0")).unwrap();
    assert_eq!(seen.truth, challenger.test.truth);
    for metric in Metric::CLASSIFICATION {
        let (seen, expected) = (seen.metrics.get(metric).unwrap(), challenger.test.metrics.get(metric).unwrap());
        assert!((seen - expected).abs() < 1e-6, "{metric}: {seen}, not {expected}");
    }
    assert!((seen.baseline - challenger.test.baseline).abs() < 1e-6, "{}", seen.baseline);
    let report = gate(&GateOptions::default(), &challenger.test, Some(&seen));
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    // Its own class changes nothing, and one that it does not tell apart is refused.
    let own = evaluate_with(&champion.model, &table, &rows, &positive("1")).unwrap();
    assert_eq!(own, evaluate(&champion.model, &table, &rows, 0).unwrap());
    let error = evaluate_with(&champion.model, &table, &rows, &positive("yes")).unwrap_err();
    assert!(matches!(error, EvaluateError::Classes { source: ClassError::Positive { .. }, .. }), "{error:?}");
}

#[test]
fn the_threshold_moves_what_is_said() {
    let at = |threshold| {
        let trained = try_train(&flags(500), &TrainOptions { threshold, ..options() }).unwrap();
        trained.test.metrics.classification.unwrap()
    };
    let (low, high) = (at(0.2), at(0.8));
    assert!(low.confusion.recall() > high.confusion.recall(), "{low:?} {high:?}");
    assert!(low.confusion.precision() < high.confusion.precision(), "{low:?} {high:?}");
    assert_eq!((low.log_loss, low.roc_auc), (high.log_loss, high.roc_auc));
}

#[track_caller]
fn refused(csv: &str, options: &TrainOptions, says: &[&str]) -> TrainError {
    let error = try_train(csv, options).unwrap_err();
    let text = format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
    for says in says {
        assert!(text.contains(says), "{text} does not say {says:?}");
    }
    error
}

#[test]
fn targets_that_are_no_classes() {
    let error = refused(&plane(60), &options(), &["`y` is 0.3125 in line 3, one of 47 training rows"]);
    assert!(matches!(error, TrainError::Classes(ClassError::NotBinary { line: 3, .. })), "{error:?}");
    let positive = TrainOptions { positive: Some("yes".to_owned()), ..options() };
    refused(&flags(60), &positive, &["`[train] positive` is \"yes\"", "\"0\", \"1\""]);
    let ones = flags(60)
        .lines()
        .skip(1)
        .filter(|row| row.ends_with(",1"))
        .fold("a,b,y\n".to_owned(), |csv, row| csv + row + "\n");
    let error = refused(&ones, &options(), &["`y` is 1 in all"]);
    assert!(matches!(error, TrainError::ConstantTarget { .. }), "{error:?}");
    // A feature that is the class.
    let told = flags(200).lines().enumerate().fold(String::new(), |csv, (line, row)| {
        let last = if line == 0 { "answer" } else { row.rsplit_once(',').unwrap().1 };
        csv + last + "," + row + "\n"
    });
    let error = refused(&told, &options(), &["told apart by `answer`,", "`[train] penalty`"]);
    assert!(matches!(error, TrainError::Fit { source: FitError::Separated { .. }, .. }), "{error:?}");
}

/// A classifier on data of other numbers.
#[test]
fn a_class_that_the_model_does_not_know() {
    let model = try_train(&flags(200), &options()).unwrap().model;
    let table = read("a,b,y\n1,2,0\n1,3,2\n", |_| {}).unwrap();
    let error = evaluate(&model, &table, &[0, 1], 0).unwrap_err();
    let EvaluateError::Classes { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "line 3 is of class \"2\", and the model tells \"0\", \"1\" apart");
}
