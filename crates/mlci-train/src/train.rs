use mlci_core::{Digest, ModelName};
use mlci_model::{
    Column, Design, Estimator, Generalized, Golden, InvalidModel, Kind, Link, Model, Parts, PredictError, Profile,
    Range, Schema,
};
use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::{
    Algorithm, Choice, ClassError, CrossValidation, EvaluateError, EvaluateOptions, Evaluation, FitError,
    HyperParameters, Leak, Metric, Metrics, OptionError, ScoreError, Scored, Split, Table, choice, classes,
    cross_validation::{self, Training, Validated},
    evaluate_with, interval, leakage, split,
    split::sample,
};

/// How a model is trained; the names in the comments are the keys of `mlci.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// `[train] algorithm`. Default [`Algorithm::Ols`].
    pub algorithm: Algorithm,
    /// `[train] penalty`: how much large weights cost, or several to choose from by cross-validation. Default: for
    /// ridge, lasso and elastic net a range that the data decide, for others no penalty.
    pub penalty: Vec<f64>,
    /// `[train] l1_share`: how much of an elastic net's penalty is on the absolute values, or several to choose from.
    /// Default 0.5.
    pub l1_share: Vec<f64>,
    /// `[train] power`: the power of the mean that a Tweedie model's variance grows with, 1 to 2. Default 1.5.
    pub power: Option<f64>,
    /// `[train] positive`: the class whose probability a classifier predicts. Default: the second.
    pub positive: Option<String>,
    /// `[gate] threshold`: from which probability on a row is said to be of that class. Default 0.5.
    pub threshold: f64,
    /// `[train] seed`: decides which rows are held out, the folds, the golden rows and the intervals. Default 0.
    pub seed: u64,
    /// `[train] test_fraction`: about which share of the rows is held out, between 0 and 1. Default 0.2.
    pub test_fraction: f64,
    /// `[train] folds`: how many parts cross-validation has, at least 2; `None` for no cross-validation. Default 5.
    pub folds: Option<u32>,
    /// `[train] golden`: how many held-out rows go into the model with their predictions. Default 5.
    pub golden: usize,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Ols,
            penalty: Vec::new(),
            l1_share: Vec::new(),
            power: None,
            positive: None,
            threshold: 0.5,
            seed: 0,
            test_fraction: 0.2,
            folds: Some(5),
            golden: 5,
        }
    }
}

/// A trained model and how well it does.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model, fitted to the training rows.
    pub model: Model,
    /// Which rows those were.
    pub split: Split,
    /// How well it fits them.
    pub training: Metrics,
    /// How well it does on the rows held out.
    pub test: Evaluation,
    /// How well models fitted to parts of the training rows do on the rest of them; `None` if not asked for.
    pub cross_validation: Option<CrossValidation>,
    /// The hyper-parameters that it was fitted with.
    pub parameters: HyperParameters,
    /// How these were chosen, where there was a choice.
    pub choice: Option<Choice>,
    /// Features that alone predict the target suspiciously well.
    pub leaks: Vec<Leak>,
}

/// Why no model came out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Options that do not go together.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The target does not tell two classes apart, or does where it should not.
    #[error(transparent)]
    Classes(#[from] ClassError),
    /// The algorithm cannot have the target.
    #[error(
        "`{algorithm}` wants a target that is {wants}, and `{target}` is {value} in line {line}, one of {count} such \
        training rows: leave such rows out, or choose another algorithm, such as `ols`"
    )]
    Target {
        /// The algorithm.
        algorithm: Algorithm,
        /// What the target has to be.
        wants: &'static str,
        /// The target.
        target: String,
        /// The first line where it is not.
        line: u64,
        /// Its value there.
        value: f64,
        /// How many such rows there are.
        count: usize,
    },
    /// None of several hyper-parameters can be used.
    #[error("none of the {count} values of `[train] penalty` and `l1_share` that were tried can be fitted and evaluated \
        on all folds; the first: {}", why.first().map_or("there is none", String::as_str))]
    NoChoice {
        /// How many there are.
        count: usize,
        /// Why not.
        why: Vec<String>,
    },
    /// The share to hold out is none.
    #[error("`[train] test_fraction` is {fraction}: it has to lie between 0 and 1, such as 0.2")]
    TestFraction {
        /// The share asked for.
        fraction: f64,
    },
    /// Fewer than two folds, or more than there are rows.
    #[error("`[train] folds` is {folds}: cross-validation takes from 2 to as many as there are training rows ({rows})")]
    Folds {
        /// The number asked for.
        folds: u32,
        /// How many training rows there are.
        rows: usize,
    },
    /// The target has one value, so that there is nothing to explain.
    #[error(
        "the target `{target}` is {value} in all {rows} training rows: there is nothing to learn; check \
        `[data] target`, or add data"
    )]
    ConstantTarget {
        /// The target.
        target: String,
        /// Its value.
        value: f64,
        /// How many training rows there are.
        rows: usize,
    },
    /// No row was held out, so that the model could not be tested.
    #[error(
        "none of the {rows} rows was held out for testing: add data, or raise `[train] test_fraction` ({fraction})"
    )]
    NoTestRows {
        /// How many rows there are.
        rows: usize,
        /// The share to hold out.
        fraction: f64,
    },
    /// The algorithm could not fit.
    #[error("cannot fit `{algorithm}` to {rows} training rows (of {all} rows)")]
    Fit {
        /// The algorithm.
        algorithm: Algorithm,
        /// How many rows it was given.
        rows: usize,
        /// How many rows the table has.
        all: usize,
        /// Why.
        source: FitError,
    },
    /// Numbers are too large for their spread to be computed.
    #[error("the values of `{column}` are too large to be squared and summed: use a larger unit")]
    TooLarge {
        /// The column.
        column: String,
    },
    /// What the algorithm made is no model.
    #[error("the fit gives no usable model")]
    Model(#[source] InvalidModel),
    /// The model cannot predict the rows it was trained on.
    #[error("the model cannot predict its training rows")]
    Predict(#[source] PredictError),
    /// The model's predictions of its training rows cannot be scored.
    #[error("the model's predictions of its training rows cannot be scored")]
    Score(#[source] ScoreError),
    /// The model cannot be evaluated on the rows held out.
    #[error("the model cannot be evaluated on the rows held out")]
    Evaluate(#[source] EvaluateError),
}

/// Splits the rows, fits a model to the training rows and evaluates it on the rest.
///
/// `data` and `config` are the digests of the data and of the configuration, which go into the model. The same table,
/// options and digests give a model of the same bytes (per CPU class: linear algebra takes what vector units there
/// are).
///
/// # Errors
/// [`TrainError`] where the options make no sense, the data is too little, or columns are constant or dependent.
pub fn train(
    table: &Table,
    options: &TrainOptions,
    name: &ModelName,
    data: Digest,
    config: Digest,
) -> Result<Trained, TrainError> {
    options.check()?;
    let target = target(table, options)?;
    let rows = Rows::of(table, target, options)?;
    refuse_constant(table.target(), table)?;
    let design = Design::from(table.schema());
    let names: Vec<&str> = design.names().iter().map(String::as_str).collect();
    let x = expanded(&design, table, &rows.split.train);
    let training = Training {
        table,
        rows: &rows.split.train,
        x: x.view(),
        y: rows.y.view(),
        names: &names,
        threshold: options.algorithm.classifies().then_some(options.threshold),
    };
    let (chosen, fitted) = choose(options, &training)?;
    refuse_constant(rows.y.view(), table)?;
    // Half the width of the interval comes from rows that their model has not seen.
    let half_width = chosen.validated.as_ref().filter(|_| training.threshold.is_none());
    let half_width = half_width.and_then(|validated| interval::half_width(&validated.errors));
    let mut trained = rows.finish(fitted, options, half_width, name, data, config)?;
    trained.cross_validation = chosen.validated.map(|validated| validated.result);
    (trained.parameters, trained.choice) = (chosen.parameters, chosen.choice);
    Ok(trained)
}

/// The target as the algorithm wants it.
fn target(table: &Table, options: &TrainOptions) -> Result<Column, ClassError> {
    let (target, algorithm) = (&table.schema().target, options.algorithm);
    let line = |row| table.line(row).unwrap_or_default();
    match algorithm.classifies() {
        true => classes::column(target, table.target(), options.positive.as_deref(), line),
        false if target.kind == Kind::Category => {
            Err(ClassError::NotNumeric { target: target.name.clone(), algorithm: algorithm.as_str() })
        }
        false => Ok(target.clone()),
    }
}

struct Chosen {
    parameters: HyperParameters,
    choice: Option<Choice>,
    validated: Option<Validated>,
}

/// Chooses hyper-parameters, where there is a choice, and fits with them.
fn choose(options: &TrainOptions, training: &Training<'_>) -> Result<(Chosen, Estimator), TrainError> {
    let Training { table, rows, x, y, names, .. } = *training;
    let algorithm = options.algorithm;
    let failed = |source| match source {
        FitError::Target { wants, row, value, count } => {
            let line = rows.get(row).and_then(|row| table.line(*row)).unwrap_or_default();
            TrainError::Target { algorithm, wants, target: table.schema().target.name.clone(), line, value, count }
        }
        source => TrainError::Fit { algorithm, rows: rows.len(), all: table.rows(), source },
    };
    let candidates = choice::candidates(options, training).map_err(failed)?;
    let fit = |chosen: &HyperParameters| algorithm.fitter(chosen).fit(x, y, names).map_err(failed);
    let validate = |candidates: &[HyperParameters]| {
        let folds = options.folds.map(|folds| folds as usize);
        folds.map_or(Vec::new(), |k| cross_validation::run(training, algorithm, candidates, options.seed, k))
    };
    if let [only] = candidates.as_slice() {
        let fitted = fit(only)?;
        let validated = validate(&candidates).pop();
        return Ok((Chosen { parameters: *only, choice: None, validated }, fitted));
    }
    let mut validated = validate(&candidates);
    let metric = if algorithm.classifies() { Metric::LogLoss } else { Metric::Rmse };
    let Some((at, choice)) = choice::best(&candidates, &validated, metric) else {
        // What is wrong with all rows is said of them rather than of a fold.
        if let Some(first) = candidates.first() {
            fit(first)?;
        }
        let why = validated.into_iter().flat_map(|validated| validated.result.skipped).collect();
        return Err(TrainError::NoChoice { count: candidates.len(), why });
    };
    let fitted = fit(&choice.chosen)?;
    let validated = Some(validated.swap_remove(at));
    Ok((Chosen { parameters: choice.chosen, choice: Some(choice), validated }, fitted))
}

/// Makes a model of an estimator that was fitted elsewhere, to the rows of [`split`](crate::split()) that are trained
/// on, and evaluates it on the rest. Its columns, profiles and golden rows are those of the table.
///
/// Of the options, the algorithm and the folds are of no account.
///
/// # Errors
/// [`TrainError`] where the options make no sense, there are no rows on one side, or the estimator cannot predict them.
pub fn adopt(
    table: &Table,
    estimator: Estimator,
    options: &TrainOptions,
    name: &ModelName,
    data: Digest,
    config: Digest,
) -> Result<Trained, TrainError> {
    let options = TrainOptions { folds: None, ..options.clone() };
    // A probability is one of a class.
    let is_probability = matches!(&estimator, Estimator::Generalized(Generalized { link: Link::Logit, .. }));
    let line = |row| table.line(row).unwrap_or_default();
    let target = match &table.schema().target {
        target if is_probability || target.kind == Kind::Category => {
            classes::column(target, table.target(), options.positive.as_deref(), line)?
        }
        target => target.clone(),
    };
    Rows::of(table, target, &options)?.finish(estimator, &options, None, name, data, config)
}

/// The rows of a table, split.
struct Rows<'t> {
    table: &'t Table,
    target: Column,
    split: Split,
    /// The features and the target of the rows to train on.
    x: Array2<f64>,
    y: Array1<f64>,
}

impl<'t> Rows<'t> {
    fn of(table: &'t Table, target: Column, options: &TrainOptions) -> Result<Self, TrainError> {
        let fraction = options.test_fraction;
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(TrainError::TestFraction { fraction });
        }
        let split = split::split(table, options.seed, fraction);
        // With fewer rows than the default has folds, each row is a fold; more than that nobody means.
        let most = split.train.len().max(TrainOptions::default().folds.unwrap_or_default() as usize);
        if let Some(folds) = options.folds.filter(|folds| !(2..=most).contains(&(*folds as usize))) {
            return Err(TrainError::Folds { folds, rows: split.train.len() });
        }
        let x = table.features.select(Axis(0), &split.train);
        let mut y = table.target.select(Axis(0), &split.train).to_vec();
        let lines: Vec<u64> = split.train.iter().filter_map(|row| table.line(*row)).collect();
        classes::renumber(&mut y, &table.schema().target, &target, &lines)?;
        Ok(Self { table, target, split, x, y: Array1::from(y) })
    }

    /// The model of an estimator, and how well it does.
    fn finish(
        self,
        estimator: Estimator,
        options: &TrainOptions,
        half_width: Option<f64>,
        name: &ModelName,
        data: Digest,
        config: Digest,
    ) -> Result<Trained, TrainError> {
        let Self { table, target, split, x, y } = self;
        if split.test.is_empty() {
            return Err(TrainError::NoTestRows { rows: table.rows(), fraction: options.test_fraction });
        }
        // Profiles exist for one value or more, all finite, and there are more rows than features.
        let no_rows = || TrainError::Score(ScoreError::NoRows);
        let profile = |name: &str, values: &[f64]| {
            let profile = Profile::of(values).ok_or_else(no_rows)?;
            if profile.standard_deviation.is_finite() {
                Ok(profile)
            } else {
                Err(TrainError::TooLarge { column: name.to_owned() })
            }
        };
        let mut profiles = Vec::with_capacity(x.ncols());
        let mut features = Vec::with_capacity(x.ncols());
        for (values, column) in x.columns().into_iter().zip(&table.schema().features) {
            let values = values.to_vec();
            profiles.push(profile(&column.name, &values)?);
            features.push(observed(column, &values).ok_or_else(no_rows)?);
        }
        let truth = y.to_vec();
        let target = observed(&target, &truth).ok_or_else(no_rows)?;
        let threshold = (target.kind == Kind::Category).then_some(options.threshold);
        let mut parts = Parts {
            name: name.clone(),
            schema: Schema { features, target },
            estimator,
            profiles,
            prediction_profile: profile(&table.schema().target.name, &truth)?,
            data,
            config,
            golden: Vec::new(),
        };
        // Its predictions, which its own profile and golden rows are made of, are those of the model without them.
        let draft = Model::new(parts.clone()).map_err(TrainError::Model)?;
        let rows: Vec<f64> = x.iter().copied().collect();
        let prediction = draft.predict(&rows).map_err(TrainError::Predict)?;
        let scored = Scored { truth: &truth, prediction: &prediction };
        let training = match threshold {
            Some(threshold) => Metrics::of_classes(scored, threshold),
            None => Metrics::of(scored),
        };
        let training = training.map_err(TrainError::Score)?;
        parts.prediction_profile = profile("the prediction", &prediction)?;
        for row in sample(table, &split.test, options.seed, options.golden) {
            let row = table.features.row(row).to_vec();
            let prediction = draft.predict_row(&row).map_err(TrainError::Predict)?;
            parts.golden.push(Golden { row, prediction });
        }
        let model = Model::new(parts).map_err(TrainError::Model)?;
        let how = EvaluateOptions { seed: options.seed, threshold: options.threshold, half_width };
        let test = evaluate_with(&model, table, &split.test, &how).map_err(TrainError::Evaluate)?;
        let leaks = leakage::find(table, model.schema(), &split.train, &truth, options.seed);
        let parameters = HyperParameters::default();
        Ok(Trained { model, split, training, test, cross_validation: None, parameters, choice: None, leaks })
    }
}

/// The columns of the design of some rows.
pub(crate) fn expanded(design: &Design, table: &Table, rows: &[usize]) -> Array2<f64> {
    let selected = table.features.select(Axis(0), rows);
    if design.is_plain() {
        return selected;
    }
    let mut columns = Vec::with_capacity(rows.len() * design.width());
    for row in selected.rows() {
        design.expand(&row.to_vec(), &mut columns);
    }
    // The shape is that of the values: one a row and column.
    Array2::from_shape_vec((rows.len(), design.width()), columns).unwrap_or_default()
}

/// The column as it was in these rows; the levels of a category are those of all rows.
fn observed(column: &Column, values: &[f64]) -> Option<Column> {
    Some(Column { range: Range::of(values)?, ..column.clone() })
}

fn refuse_constant(target: ArrayView1<'_, f64>, table: &Table) -> Result<(), TrainError> {
    match target.first() {
        Some(&value) if target.len() > 1 && target.iter().all(|other| *other == value) => {
            Err(TrainError::ConstantTarget { target: table.schema().target.name.clone(), value, rows: target.len() })
        }
        _ => Ok(()),
    }
}
