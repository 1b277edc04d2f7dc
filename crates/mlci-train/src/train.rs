use mlci_core::{Digest, ModelName};
use mlci_model::{
    Column, Design, Estimator, Golden, InvalidModel, Kind, Model, Parts, PredictError, Profile, Range, Schema,
};
use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::{
    Algorithm, CrossValidation, EvaluateError, Evaluation, FitError, Metrics, ScoreError, Scored, Split, Table,
    cross_validation, evaluate, levels, split, split::sample,
};

/// How a model is trained; the names in the comments are the keys of `mlci.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// `[train] algorithm`. Default [`Algorithm::Ols`].
    pub algorithm: Algorithm,
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
        Self { algorithm: Algorithm::Ols, seed: 0, test_fraction: 0.2, folds: Some(5), golden: 5 }
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
}

/// Why no model came out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
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
    /// A category has levels of which no training row tells anything.
    #[error("{}", levels::explain(column, levels, others, *rows))]
    Levels {
        /// The category.
        column: String,
        /// Those levels.
        levels: Vec<String>,
        /// The other levels, the base level first; a single one is in all rows.
        others: Vec<String>,
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
    let rows = Rows::of(table, options)?;
    refuse_constant(table.target(), table)?;
    levels::refuse_unlearnable(table, &rows.split.train)?;
    let design = Design::from(table.schema());
    let names: Vec<&str> = design.names().iter().map(String::as_str).collect();
    let fitter = options.algorithm.fitter();
    let x = expanded(&design, table, &rows.split.train);
    let estimator = fitter.fit(x.view(), rows.y.view(), &names).map_err(|source| TrainError::Fit {
        algorithm: options.algorithm,
        rows: rows.split.train.len(),
        all: table.rows(),
        source,
    })?;
    refuse_constant(rows.y.view(), table)?;
    let mut trained = rows.finish(estimator, options, name, data, config)?;
    trained.cross_validation = options.folds.map(|folds| {
        let (model, train) = (&trained.model, &trained.split.train);
        cross_validation::run(table, train, folds as usize, options.seed, fitter.as_ref(), model)
    });
    Ok(trained)
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
    Rows::of(table, &options)?.finish(estimator, &options, name, data, config)
}

/// The rows of a table, split.
struct Rows<'t> {
    table: &'t Table,
    split: Split,
    /// The features and the target of the rows to train on.
    x: Array2<f64>,
    y: Array1<f64>,
}

impl<'t> Rows<'t> {
    fn of(table: &'t Table, options: &TrainOptions) -> Result<Self, TrainError> {
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
        let y = table.target.select(Axis(0), &split.train);
        Ok(Self { table, split, x, y })
    }

    /// The model of an estimator, and how well it does.
    fn finish(
        self,
        estimator: Estimator,
        options: &TrainOptions,
        name: &ModelName,
        data: Digest,
        config: Digest,
    ) -> Result<Trained, TrainError> {
        let Self { table, split, x, y } = self;
        if split.test.is_empty() {
            return Err(TrainError::NoTestRows { rows: table.rows(), fraction: options.test_fraction });
        }
        // Profiles exist for one value or more, all finite, and there are more rows than features.
        let no_rows = || TrainError::Score(ScoreError::NoRows);
        let checked = |name: &str, profile: Option<Profile>| {
            let profile = profile.ok_or_else(no_rows)?;
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
            let of = if column.kind == Kind::Category {
                Profile::of_levels(&values, column.levels.len())
            } else {
                Profile::of(&values)
            };
            profiles.push(checked(&column.name, of)?);
            features.push(observed(column, &values).ok_or_else(no_rows)?);
        }
        let truth = y.to_vec();
        let target = observed(&table.schema().target, &truth).ok_or_else(no_rows)?;
        let mut parts = Parts {
            name: name.clone(),
            schema: Schema { features, target },
            estimator,
            profiles,
            prediction_profile: checked(&table.schema().target.name, Profile::of(&truth))?,
            data,
            config,
            golden: Vec::new(),
        };
        // Its predictions, which its own profile and golden rows are made of, are those of the model without them.
        let draft = Model::new(parts.clone()).map_err(TrainError::Model)?;
        let rows: Vec<f64> = x.iter().copied().collect();
        let prediction = draft.predict(&rows).map_err(TrainError::Predict)?;
        let training = Metrics::of(Scored { truth: &truth, prediction: &prediction }).map_err(TrainError::Score)?;
        parts.prediction_profile = checked("the prediction", Profile::of(&prediction))?;
        for row in sample(table, &split.test, options.seed, options.golden) {
            let row = table.features.row(row).to_vec();
            let prediction = draft.predict_row(&row).map_err(TrainError::Predict)?;
            parts.golden.push(Golden { row, prediction });
        }
        let model = Model::new(parts).map_err(TrainError::Model)?;
        let test = evaluate(&model, table, &split.test, options.seed).map_err(TrainError::Evaluate)?;
        Ok(Trained { model, split, training, test, cross_validation: None })
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
