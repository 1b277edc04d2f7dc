//! Hyper-parameters: which are refused, and how they are chosen.

use mlci_model::{Estimator, Link};
use mlci_train::{
    Algorithm, ColumnOptions, Digest, FitError, HyperParameters, Kind, Metric, OptionError, ReadOptions, TrainError,
    TrainOptions, Trained, train,
};

use crate::{plane, read};

fn options(algorithm: Algorithm) -> TrainOptions {
    TrainOptions { algorithm, ..TrainOptions::default() }
}

fn try_train(csv: &str, options: &TrainOptions) -> Result<Trained, TrainError> {
    try_train_on(csv, |_| {}, options)
}

fn try_train_on(csv: &str, how: impl FnOnce(&mut ReadOptions), options: &TrainOptions) -> Result<Trained, TrainError> {
    let table = read(csv, how).unwrap();
    train(&table, options, &"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config"))
}

#[track_caller]
fn refused(csv: &str, options: &TrainOptions, says: &[&str]) -> TrainError {
    let error = try_train(csv, options).unwrap_err();
    for says in says {
        assert!(error.to_string().contains(says), "{error} does not say {says:?}");
    }
    error
}

#[test]
fn keys_that_do_not_apply() {
    let csv = plane(60);
    let with = |algorithm, set: fn(&mut TrainOptions)| {
        let mut options = options(algorithm);
        set(&mut options);
        options
    };
    let penalty = with(Algorithm::Ols, |options| options.penalty = vec![1.0]);
    let error = refused(&csv, &penalty, &["`[train] penalty` means nothing to `ols`", "`ridge` or `lasso` or"]);
    assert!(matches!(error, TrainError::Option(OptionError::Key { algorithm: Algorithm::Ols, .. })), "{error:?}");
    let share = with(Algorithm::Lasso, |options| options.l1_share = vec![0.5]);
    refused(&csv, &share, &["`[train] l1_share` means nothing to `lasso`", "choose `elastic_net`"]);
    let power = with(Algorithm::Gamma, |options| options.power = Some(1.5));
    refused(&csv, &power, &["`[train] power` means nothing to `gamma`", "choose `tweedie`"]);
    let positive = with(Algorithm::Poisson, |options| options.positive = Some("1".to_owned()));
    refused(&csv, &positive, &["`[train] positive` means nothing to `poisson`", "choose `logistic`"]);
    refused(&csv, &with(Algorithm::Ridge, |options| options.penalty = vec![1.0, -1.0]), &["`[train] penalty` is -1"]);
    refused(&csv, &with(Algorithm::Ridge, |options| options.penalty = vec![f64::NAN]), &["`[train] penalty` is NaN"]);
    refused(&csv, &with(Algorithm::ElasticNet, |options| options.l1_share = vec![0.0]), &["`[train] l1_share` is 0"]);
    refused(&csv, &with(Algorithm::Tweedie, |options| options.power = Some(3.0)), &["`[train] power` is 3"]);
    let no_folds = with(Algorithm::Ridge, |options| options.folds = None);
    refused(&csv, &no_folds, &["`[train] folds` is 0", "one value"]);
    let one = TrainOptions { penalty: vec![1.0], ..no_folds };
    assert_eq!(try_train(&csv, &one).unwrap().parameters.penalty, Some(1.0));
}

/// y depends on a, and on nothing of 30 columns of noise: the lasso finds that, and its penalty is neither the largest nor
/// the smallest tried.
#[test]
fn the_lasso_leaves_noise_out() {
    let noise = |row: u32, column: u32| f64::from((row * 7919 + column * 104_729 + row * row * (column + 3)) % 1009);
    let names: Vec<String> = (0..30).map(|column| format!("n{column}")).collect();
    let mut csv = format!("a,{},y\n", names.join(","));
    for row in 0..150 {
        let numbers: Vec<String> = (0..30).map(|column| noise(row, column).to_string()).collect();
        let a = f64::from(row % 17);
        csv += &format!("{a},{},{}\n", numbers.join(","), a + (noise(row, 77) - 504.0) / 100.0);
    }
    let trained = try_train(&csv, &options(Algorithm::Lasso)).unwrap();
    let choice = trained.choice.unwrap();
    assert_eq!((choice.candidates.len(), choice.metric, choice.at_edge), (20, Metric::Rmse, false), "{choice:?}");
    assert_eq!(choice.chosen, trained.parameters);
    let linear = trained.model.parts().estimator.linear().unwrap();
    let left = linear.coefficients.iter().filter(|weight| **weight != 0.0).count();
    assert!(linear.coefficients[0] > 0.5 && left < 16, "{left}: {linear:?}");
    // Of the candidates none has a better mean, and the chosen one's folds are those reported.
    let mean = |parameters: &HyperParameters| {
        let candidate = choice.candidates.iter().find(|candidate| candidate.parameters == *parameters).unwrap();
        candidate.score.unwrap().mean
    };
    assert!(choice.candidates.iter().all(|other| mean(&other.parameters) >= mean(&choice.chosen)), "{choice:?}");
    assert_eq!(trained.cross_validation.unwrap().spread[&Metric::Rmse].mean, mean(&choice.chosen));
    // The first leaves nothing in.
    let first =
        TrainOptions { penalty: vec![choice.candidates[0].parameters.penalty.unwrap()], ..options(Algorithm::Lasso) };
    let empty = try_train(&csv, &first).unwrap();
    assert!(empty.model.parts().estimator.linear().unwrap().coefficients.iter().all(|weight| *weight == 0.0));
    assert_eq!(empty.choice, None);
}

#[test]
fn the_choice_is_repeatable_and_among_what_was_asked_for() {
    let elastic =
        TrainOptions { penalty: vec![0.01, 0.1, 1.0], l1_share: vec![0.1, 0.9], ..options(Algorithm::ElasticNet) };
    let trained = try_train(&plane(200), &elastic).unwrap();
    let choice = trained.choice.as_ref().unwrap();
    assert_eq!(choice.candidates.len(), 6);
    // Without noise to speak of the smallest penalty is best, and that is said.
    assert_eq!((choice.chosen.penalty, choice.at_edge), (Some(0.01), true));
    // There is none below 0.
    let least = TrainOptions { penalty: vec![0.0, 1.0], l1_share: Vec::new(), ..elastic.clone() };
    let choice = try_train(&plane(200), &least).unwrap().choice.unwrap();
    assert_eq!((choice.chosen.penalty, choice.at_edge), (Some(0.0), false));
    let again = try_train(&plane(200), &elastic).unwrap();
    assert_eq!(again.model.encode().unwrap(), trained.model.encode().unwrap());
    assert_eq!(again.choice, trained.choice);
    // Where none can be evaluated, what is wrong with all rows is said.
    let constant = plane(60).replace("a,b,y", "a,b,c,y").lines().enumerate().fold(String::new(), |csv, (line, row)| {
        if line == 0 { csv + row + "\n" } else { csv + &row.replacen(',', ",7,", 1) + "\n" }
    });
    let error = refused(&constant, &options(Algorithm::Ridge), &["cannot fit `ridge`"]);
    assert!(matches!(error, TrainError::Fit { source: FitError::Constant { .. }, .. }), "{error:?}");
}

#[test]
fn ridge_shrinks_where_rows_are_few() {
    let trained = try_train(&plane(200), &options(Algorithm::Ridge)).unwrap();
    let choice = trained.choice.unwrap();
    assert_eq!(choice.candidates.len(), 15);
    let rows = trained.rows.train as f64;
    let largest = choice.candidates[0].parameters.penalty.unwrap();
    assert!((largest / (100.0 * rows) - 1.0).abs() < 1e-12, "{largest}");
}

/// Counts: the model predicts e to something, never below 0, and its target is checked with the line.
#[test]
fn counts_and_what_is_none() {
    let mut csv = String::from("a,b,y\n");
    for row in 0..300_u32 {
        let (a, b) = (f64::from(row % 17) / 8.0, f64::from(row * row % 23) / 11.0);
        csv += &format!("{a},{b},{}\n", ((0.5 + a - 0.3 * b).exp() + f64::from(row % 7) - 3.0).max(0.0).floor());
    }
    for algorithm in [Algorithm::Poisson, Algorithm::Tweedie] {
        let trained = try_train(&csv, &options(algorithm)).unwrap();
        let Estimator::Generalized(generalized) = &trained.model.parts().estimator else { panic!("{algorithm}") };
        assert_eq!(generalized.link, Link::Log);
        assert!(trained.model.predict_row(&[-50.0, 0.0]).unwrap() >= 0.0);
        assert!(trained.test.metrics.r2.unwrap() > 0.5, "{:?}", trained.test.metrics);
        assert_eq!(trained.parameters.power.is_some(), algorithm == Algorithm::Tweedie);
        assert_eq!(trained.choice, None);
        // Nine of ten rows or so lie within the interval.
        let coverage = trained.test.metrics.coverage.unwrap();
        assert!((0.8..=0.98).contains(&coverage), "{coverage}");
    }
    // Rows 0 to 9 stand in lines 2 to 11; one of them at least is trained on.
    let negative = csv.lines().enumerate().fold(String::new(), |csv, (line, row)| match row.rsplit_once(',') {
        Some((features, _)) if (1..=10).contains(&line) => csv + features + ",-4\n",
        _ => csv + row + "\n",
    });
    let error =
        refused(&negative, &options(Algorithm::Poisson), &["`poisson` wants a target that is 0 or more", "`y` is -4"]);
    let TrainError::Target { line, count, .. } = error else { panic!("{error:?}") };
    assert!((2..=11).contains(&line) && (1..=10).contains(&count), "{line} {count}");
    refused(&csv, &options(Algorithm::Gamma), &["above 0, and `y` is 0 in line"]);
}

fn categories(names: &[&str]) -> impl FnOnce(&mut ReadOptions) {
    let category =
        |name: &&str| ((*name).to_owned(), ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() });
    let columns: Vec<_> = names.iter().map(category).collect();
    |options| options.columns.extend(columns)
}

/// A level of a single row is in no training row without the fold of that one: a penalty leaves it no weight there.
#[test]
fn a_rare_level_is_no_hindrance_to_a_choice() {
    let penalty = vec![0.01, 0.1];
    let given = |algorithm| TrainOptions { penalty: penalty.clone(), ..options(algorithm) };
    let all = [
        options(Algorithm::Ridge),
        options(Algorithm::Lasso),
        options(Algorithm::ElasticNet),
        given(Algorithm::Logistic),
        given(Algorithm::Poisson),
    ];
    for options in all {
        let levels = |on: usize| {
            let mut csv = String::from("level,a,y\n");
            for row in 0..120_usize {
                let level = if row == on { "rare" } else { ["red", "green"][row % 2] };
                let noise = row * row % 13;
                let y = if options.algorithm == Algorithm::Logistic { (row + noise) / 60 % 2 } else { row + noise };
                csv += &format!("{level},{row},{y}\n");
            }
            csv
        };
        // Where it is held out, there is nothing to learn of it.
        let try_on = |on| match try_train_on(&levels(on), categories(&["level"]), &options) {
            Ok(trained) => Some(trained),
            Err(TrainError::Levels { .. }) => None,
            Err(other) => panic!("{}: {other}: {:?}", options.algorithm, std::error::Error::source(&other)),
        };
        let trained = (0..120).find_map(try_on).unwrap();
        let validation = trained.cross_validation.unwrap();
        assert_eq!((validation.folds.len(), validation.skipped.len()), (5, 0), "{:?}", validation.skipped);
        assert!(trained.choice.unwrap().candidates.iter().all(|candidate| candidate.score.is_some()));
    }
}

/// Of few rows a fold may have none, whatever is tried.
#[test]
fn a_fold_without_rows_is_left_out_of_the_choice() {
    let empty = (0..200_u64).find_map(|seed| {
        let trained = try_train(&plane(14), &TrainOptions { seed, ..options(Algorithm::Ridge) }).ok()?;
        (trained.cross_validation.as_ref()?.folds.len() < 5).then_some(trained)
    });
    let trained = empty.unwrap();
    let validation = trained.cross_validation.unwrap();
    assert_eq!(validation.folds.len() + validation.skipped.len(), 5);
    assert!(validation.skipped[0].ends_with("no row is in it"), "{:?}", validation.skipped);
    let choice = trained.choice.unwrap();
    assert!(choice.candidates.iter().all(|candidate| candidate.score.is_some() && !candidate.skipped.is_empty()));
}

/// What can be left out is a feature, not a level of it.
#[test]
fn features_that_determine_each_other_are_named_whole() {
    let mut csv = String::from("country,currency,a,y\n");
    for row in 0..90_usize {
        let (country, currency) = [("DE", "EUR"), ("FR", "EUR"), ("GB", "GBP")][row % 3];
        csv += &format!("{country},{currency},{},{}\n", row * row % 17, row * row % 23);
    }
    let how = || categories(&["country", "currency"]);
    let error = try_train_on(&csv, how(), &options(Algorithm::Ols)).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("`country=GB` = `currency=GBP`") || source.contains("`currency=GBP` = "), "{source}");
    let fix = source.split("`[data] exclude = ").nth(1).unwrap();
    assert!(fix == "[\"country\"]`" || fix == "[\"currency\"]`", "{source}");
}
