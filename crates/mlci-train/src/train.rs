use std::{panic::resume_unwind, thread};

use mlci_core::{Digest, ModelName};
use mlci_model::{Column, Estimator, Generalized, Golden, Kind, Link, Model, Parts, Profile, Schema};

use crate::{
    Algorithm, Choice, ClassError, CrossValidation, EvaluateError, EvaluateOptions, Evaluation, Gathered,
    HyperParameters, Leak, LinearFit, Metrics, RowCounts, RowPlace, ScoreError, Scored, Table, UnlearnedLevels,
    classes,
    evaluate::{Unpredicted, evaluate_with, predict},
    interval, leakage, levels,
    read::parallel,
    split,
    stream::{MOST_FOLDS, Marginal},
    table::RowNumbers,
};

mod error;

pub use self::error::TrainError;

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
    /// `[train] folds`: how many parts cross-validation has, from 2 to 1,000; `None` for no cross-validation. Default 5.
    pub folds: Option<u32>,
    /// `[train] golden`: how many held-out rows go into the model with their predictions. Default 5.
    pub golden: usize,
    /// `[train] command`: whether the estimator is fitted elsewhere, see [`Gathered::adopt`]. Default: not.
    pub elsewhere: bool,
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
            elsewhere: false,
        }
    }
}

/// A trained model and how well it does.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model, fitted to the training rows.
    pub model: Model,
    /// How many rows those were, and what became of the others.
    pub rows: RowCounts,
    /// What least squares says of the errors, where that was the algorithm.
    pub fit: Option<LinearFit>,
    /// How well it fits them; of more than [`Gathered`] keeps, a sample.
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
    /// Levels that no training row has, and the model so counts as the base level.
    pub unlearned: Vec<UnlearnedLevels>,
}

/// Splits the rows, fits a model to the training rows and evaluates it on the rest.
///
/// `data` and `config` are the digests of the data and of the configuration, which go into the model. The same table,
/// options and digests give a model of the same bytes (per CPU class: linear algebra takes what vector units there
/// are), and so does [`gather`](crate::gather()) of the data that the table was read from.
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
    Gathered::of(table, options).train(name, data, config)
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
    let options = TrainOptions { folds: None, elsewhere: true, ..options.clone() };
    Gathered::of(table, &options).adopt(estimator, name, data, config)
}

impl Gathered {
    /// Fits a model to the training rows and evaluates it on those held out.
    ///
    /// # Errors
    /// As [`train`], and where the estimator was to be fitted elsewhere.
    pub fn train(&self, name: &ModelName, data: Digest, config: Digest) -> Result<Trained, TrainError> {
        self.options.check()?;
        self.check()?;
        let target = &self.schema.target;
        let classifies = self.options.algorithm.classifies();
        if target.kind == Kind::Category && !classifies {
            let algorithm = self.options.algorithm.as_str();
            return Err(ClassError::NotNumeric { target: target.name.clone(), algorithm }.into());
        }
        if !classifies {
            refuse_constant(&target.name, target.range.min, target.range.max, self.rows.all())?;
        }
        levels::refuse_unlearnable(self)?;
        let fitted = self.fit()?;
        if let Some(column) = self.columns.last().filter(|_| !classifies) {
            refuse_constant(&target.name, column.low, column.high, column.count)?;
        }
        // Half the width of the interval comes from rows that their model has not seen.
        let validated = fitted.validated.as_ref().filter(|_| !classifies);
        let half_width = validated.and_then(|validated| interval::half_width(&validated.errors));
        let mut trained = self.finish(fitted.estimator, fitted.target, half_width, name, data, config)?;
        trained.cross_validation = fitted.validated.map(|validated| validated.result);
        (trained.parameters, trained.choice, trained.fit) = (fitted.parameters, fitted.choice, fitted.least_squares);
        Ok(trained)
    }

    /// Makes a model of an estimator that was fitted elsewhere, to the rows of [`split`](crate::split()) that are
    /// trained on, and evaluates it on those held out.
    ///
    /// # Errors
    /// As [`adopt`].
    pub fn adopt(
        &self,
        estimator: Estimator,
        name: &ModelName,
        data: Digest,
        config: Digest,
    ) -> Result<Trained, TrainError> {
        self.check()?;
        // A probability is one of a class.
        let is_probability = matches!(&estimator, Estimator::Generalized(Generalized { link: Link::Logit, .. }));
        let target = match &self.schema.target {
            target if is_probability || target.kind == Kind::Category => {
                let (rows, positive) = (&self.sample, self.options.positive.as_deref());
                classes::column(target, rows.target(), positive, rows.row_numbers())?
            }
            target => target.clone(),
        };
        self.finish(estimator, target, None, name, data, config)
    }

    fn check(&self) -> Result<(), TrainError> {
        let options = &self.options;
        let fraction = options.test_fraction;
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(TrainError::TestFraction { fraction });
        }
        // With fewer rows than the default has folds, each row is a fold; more than that nobody means.
        let rows = self.rows.train as usize;
        let most = rows.max(TrainOptions::default().folds.unwrap_or_default() as usize).min(MOST_FOLDS as usize);
        match options.folds.filter(|folds| !(2..=most).contains(&(*folds as usize))) {
            Some(folds) => Err(TrainError::Folds { folds, rows }),
            None => Ok(()),
        }
    }

    /// The model of an estimator, and how well it does.
    fn finish(
        &self,
        estimator: Estimator,
        target: Column,
        half_width: Option<f64>,
        name: &ModelName,
        data: Digest,
        config: Digest,
    ) -> Result<Trained, TrainError> {
        let (options, sample) = (&self.options, &self.sample);
        if self.held_out.rows() == 0 {
            let rows = self.rows.all() as usize;
            return Err(TrainError::NoTestRows { rows, fraction: options.test_fraction });
        }
        // Profiles exist for one value or more, all finite, and there are more rows than features.
        let no_rows = || TrainError::Score { at: None, source: ScoreError::NoRows };
        let rows: Vec<usize> = self.sampled_training().into_iter().map(|(row, _)| row).collect();
        let profile = |name: &str, marginal: &Marginal, sample: &[f64], levels: &[String]| {
            let profile = marginal.profile(sample, levels.len()).ok_or_else(no_rows)?;
            if profile.standard_deviation.is_finite() {
                Ok(profile)
            } else {
                Err(TrainError::TooLarge { column: name.to_owned() })
            }
        };
        let threshold = (target.kind == Kind::Category).then_some(options.threshold);
        let marginal = self.columns.last().unwrap_or(&Marginal::EMPTY);
        let (mut profiles, mut features) = (Vec::new(), Vec::new());
        let mut columns = sample.features.columns().into_iter().zip(&self.columns).zip(&self.schema.features);
        parallel::in_order(
            || Ok(columns.next()),
            |((values, marginal), column)| {
                let values: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
                let profile = profile(&column.name, marginal, &values, &column.levels)?;
                Ok::<_, TrainError>((profile, observed(column, marginal).ok_or_else(no_rows)?))
            },
            |(profile, feature)| {
                profiles.push(profile);
                features.push(feature);
            },
        )?;
        let mut truth: Vec<f64> = rows.iter().map(|row| sample.target[*row]).collect();
        let lines: Vec<u64> = rows.iter().filter_map(|row| sample.line(*row)).collect();
        let numbers = RowNumbers { numbers: &lines, ..sample.row_numbers() };
        classes::renumber(&mut truth, &self.schema.target, &target, numbers)?;
        // Of all training rows, also where `truth` is a sample. Two classes are numbered 0 and 1, in either order.
        let mut ends = [0.0, 1.0];
        classes::renumber(&mut ends, &self.schema.target, &target, numbers)?;
        let baseline = Some(ends[0] + (ends[1] - ends[0]) * marginal.mean);
        let target = if threshold.is_some() { target } else { observed(&target, marginal).ok_or_else(no_rows)? };
        let schema = Schema { features, target };
        let mut sketch = Marginal::EMPTY;
        Marginal::of_rows(&truth, 1).iter().for_each(|part| sketch.merge(part));
        let mut parts = Parts {
            name: name.clone(),
            estimator,
            profiles,
            prediction_profile: profile(&schema.target.name, &sketch, &truth, &[])?,
            schema,
            data,
            config,
            golden: Vec::new(),
        };
        // Its predictions, which its own profile and golden rows are made of, are those of the model without them.
        let draft = Model::new(parts.clone()).map_err(TrainError::Model)?;
        let prediction = predict(&draft, sample, &rows).map_err(|error| match error {
            Unpredicted::Row(mut source) => TrainError::Predict { at: numbers.of_error(&mut source), source },
            Unpredicted::Columns(source) => {
                TrainError::Evaluate(EvaluateError::Columns { model: name.to_string(), source })
            }
        })?;
        let scored = Scored { truth: &truth, prediction: &prediction };
        let training = match threshold {
            Some(threshold) => Metrics::of_classes(scored, threshold),
            None => Metrics::of(scored),
        };
        let training = training.map_err(|source| TrainError::Score { at: numbers.of_score(&source), source })?;
        parts.prediction_profile = self.prediction_profile(&draft, &prediction).ok_or_else(no_rows)?;
        let all: Vec<usize> = (0..self.held_out.rows()).collect();
        for row in split::sample(&self.held_out, &all, options.seed, options.golden) {
            let at = RowPlace { unit: numbers.unit, line: self.held_out.row_numbers().of(row), row };
            let columns = |source| EvaluateError::Columns { model: name.to_string(), source };
            let row =
                self.held_out.values_for(draft.schema(), &[row]).map_err(columns).map_err(TrainError::Evaluate)?;
            let prediction = draft.predict_row(&row).map_err(|source| TrainError::Predict { at: Some(at), source })?;
            parts.golden.push(Golden { row, prediction });
        }
        let model = Model::new(parts).map_err(TrainError::Model)?;
        let (seed, threshold) = (options.seed, options.threshold);
        let how = EvaluateOptions { seed, threshold, half_width, baseline, positive: None };
        let (test, leaks) = thread::scope(|scope| {
            let leaks = scope.spawn(|| leakage::find(sample, model.schema(), &rows, &truth, options.seed));
            let test = evaluate_with(&model, &self.held_out, &all, &how);
            (test, leaks.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let test = test.map_err(TrainError::Evaluate)?;
        Ok(Trained {
            model,
            rows: self.rows,
            fit: None,
            training,
            test,
            cross_validation: None,
            parameters: HyperParameters::default(),
            choice: None,
            leaks,
            unlearned: self.unlearned.clone(),
        })
    }

    /// The profile of predictions of the sample, in numbers of all training rows. Of a linear model of the features as
    /// they are, the mean is that of all training rows too.
    fn prediction_profile(&self, model: &Model, prediction: &[f64]) -> Option<Profile> {
        let mut column = Marginal { count: 0, ..Marginal::EMPTY };
        Marginal::of_rows(prediction, 1).iter().for_each(|part| column.merge(part));
        let seen = column.count.max(1);
        column.count = self.rows.train;
        column.squares *= column.count as f64 / seen as f64;
        if let (Estimator::Linear(linear), true) = (&model.parts().estimator, model.design().is_plain()) {
            let terms = linear.coefficients.iter().zip(&self.columns);
            column.mean = terms.fold(linear.intercept, |sum, (weight, column)| sum + weight * column.mean);
        }
        column.profile(prediction, 0)
    }
}

/// The column as it was in these rows; the levels of a category are those of all rows.
fn observed(column: &Column, values: &Marginal) -> Option<Column> {
    Some(Column { range: values.range()?, ..column.clone() })
}

fn refuse_constant(name: &str, low: f64, high: f64, rows: u64) -> Result<(), TrainError> {
    if rows > 1 && low == high {
        return Err(TrainError::ConstantTarget { target: name.to_owned(), value: low, rows: rows as usize });
    }
    Ok(())
}
