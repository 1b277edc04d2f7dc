use mlci_model::{Column, Design, Estimator, Generalized, Kind};
use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::{
    Algorithm, Choice, FitError, Gathered, HyperParameters, LinearFit, Metric, Table, TrainError, choice, classes,
    cross_validation::{self, HeldOut, Validated},
    stream::Training,
};

/// What was fitted to the training rows.
pub(crate) struct Fitted {
    pub(crate) estimator: Estimator,
    /// The target as the estimator predicts it.
    pub(crate) target: Column,
    pub(crate) parameters: HyperParameters,
    pub(crate) choice: Option<Choice>,
    pub(crate) validated: Option<Validated>,
    /// Of least squares without a penalty.
    pub(crate) least_squares: Option<LinearFit>,
}

impl Gathered {
    pub(crate) fn fit(&self) -> Result<Fitted, TrainError> {
        match &self.training {
            Training::Rows(training) => self.fit_rows(training),
            Training::Nothing => self.fit_sums(),
            Training::Lines(_) => Err(TrainError::Elsewhere),
        }
    }

    /// With algorithms that need sums of the rows only.
    fn fit_sums(&self) -> Result<Fitted, TrainError> {
        let design = Design::from(&self.schema);
        let names: Vec<&str> = design.names().iter().map(String::as_str).collect();
        let algorithm = self.options.algorithm;
        let held_out = HeldOut {
            table: &self.sample,
            design: &design,
            rows: self.sampled_training(),
            truth: self.sample.target.as_slice().unwrap_or_default(),
            threshold: None,
        };
        if !algorithm.needs_penalty() {
            let least_squares = self.least_squares(None).map_err(|source| self.failed(source))?;
            let of_fold = |fold| self.least_squares(Some(fold)).map_err(|error| self.of_features(error));
            let fit = |fold| Ok(vec![of_fold(fold).map(|fit| Estimator::Linear(fit.linear))]);
            let validated = self.folds().and_then(|folds| cross_validation::run(&held_out, folds, 1, fit).pop());
            return Ok(Fitted {
                estimator: Estimator::Linear(least_squares.linear.clone()),
                target: self.schema.target.clone(),
                parameters: HyperParameters::default(),
                choice: None,
                validated,
                least_squares: Some(least_squares),
            });
        }
        let all = self.standardised(None, &names).map_err(|source| self.failed(source))?;
        all.refuse_constant().map_err(|source| self.failed(source))?;
        let penalties = |l1_share| Ok(all.penalties(algorithm, l1_share));
        let candidates = choice::candidates(&self.options, penalties).map_err(|source| self.failed(source))?;
        let fit = |chosen: &HyperParameters| all.fit(algorithm, chosen).map_err(|source| self.failed(source));
        let without = |fold| {
            let rows = self.standardised(Some(fold), &names)?;
            let fit = |chosen| rows.fit(algorithm, chosen).map_err(|error| self.of_features(error));
            Ok(candidates.iter().map(fit).collect())
        };
        let validate = |candidates: usize| {
            self.folds().map_or_else(Vec::new, |folds| cross_validation::run(&held_out, folds, candidates, without))
        };
        self.choose(self.schema.target.clone(), &candidates, fit, validate)
    }

    /// With algorithms that need the rows.
    fn fit_rows(&self, training: &Table) -> Result<Fitted, TrainError> {
        let options = &self.options;
        let algorithm = options.algorithm;
        let numbers = training.row_numbers();
        let target = if algorithm.classifies() {
            classes::column(&self.schema.target, training.target(), options.positive.as_deref(), numbers)?
        } else {
            self.schema.target.clone()
        };
        let mut truth = training.target.to_vec();
        classes::renumber(&mut truth, &self.schema.target, &target, numbers)?;
        if let (Some(&value), true) = (truth.first(), truth.len() > 1 && algorithm.classifies())
            && truth.iter().all(|other| *other == value)
        {
            let (target, rows) = (self.schema.target.name.clone(), truth.len());
            return Err(TrainError::ConstantTarget { target, value, rows });
        }
        let design = Design::from(&self.schema);
        let names: Vec<&str> = design.names().iter().map(String::as_str).collect();
        let threshold = (target.kind == Kind::Category).then_some(options.threshold);
        let folds: Vec<(usize, u64)> = training.hashes.iter().map(|hash| self.fold(*hash)).enumerate().collect();
        let part = |rows: &[usize]| (expanded(&design, training, rows), ArrayView1::from(&truth).select(Axis(0), rows));
        // Of these algorithms none is without a penalty unless one is stated.
        let candidates = choice::candidates(options, |_| Ok(vec![0.0])).map_err(|source| self.failed(source))?;
        let all: Vec<usize> = (0..training.rows()).collect();
        let fit = |chosen: &HyperParameters| {
            let (x, y) = part(&all);
            algorithm.fitter(chosen).fit(x.view(), y.view(), &names).map_err(|source| match source {
                FitError::Target { wants, row, value, count } => {
                    let (target, line, unit) = (self.schema.target.name.clone(), numbers.of(row), numbers.unit);
                    TrainError::Target { algorithm, wants, target, line, unit, value, count }
                }
                source => self.failed(source),
            })
        };
        let held_out = HeldOut { table: training, design: &design, rows: folds.clone(), truth: &truth, threshold };
        let without = |fold| {
            let rows: Vec<usize> = folds.iter().filter(|(_, of)| *of != fold).map(|(row, _)| *row).collect();
            let (x, y) = part(&rows);
            let fit = |chosen| fit_to_fold(algorithm, chosen, &x, &y, &names);
            Ok(candidates.iter().map(|chosen| fit(chosen).map_err(|error| self.of_features(error))).collect())
        };
        let validate = |candidates: usize| {
            self.folds().map_or_else(Vec::new, |folds| cross_validation::run(&held_out, folds, candidates, without))
        };
        self.choose(target, &candidates, fit, validate)
    }

    /// Chooses hyper-parameters, where there is a choice, and fits with them.
    fn choose(
        &self,
        target: Column,
        candidates: &[HyperParameters],
        fit: impl Fn(&HyperParameters) -> Result<Estimator, TrainError>,
        validate: impl FnOnce(usize) -> Vec<Validated>,
    ) -> Result<Fitted, TrainError> {
        let least_squares = None;
        if let [only] = candidates {
            let estimator = fit(only)?;
            let validated = validate(1).pop();
            return Ok(Fitted { estimator, target, parameters: *only, choice: None, validated, least_squares });
        }
        let mut validated = validate(candidates.len());
        let metric = if self.options.algorithm.classifies() { Metric::LogLoss } else { Metric::Rmse };
        let Some((at, choice)) = choice::best(candidates, &validated, metric) else {
            // What is wrong with all rows is said of them rather than of a fold.
            if let Some(first) = candidates.first() {
                fit(first)?;
            }
            let why = validated.into_iter().flat_map(|validated| validated.result.skipped).collect();
            return Err(TrainError::NoChoice { count: candidates.len(), why });
        };
        let estimator = fit(&choice.chosen)?;
        let validated = Some(validated.swap_remove(at));
        let parameters = choice.chosen;
        Ok(Fitted { estimator, target, parameters, choice: Some(choice), validated, least_squares })
    }

    fn folds(&self) -> Option<u64> {
        self.options.folds.map(u64::from)
    }

    fn failed(&self, source: FitError) -> TrainError {
        let (rows, all) = (self.rows.train as usize, self.rows.all() as usize);
        TrainError::Fit { algorithm: self.options.algorithm, rows, all, source: self.of_features(source) }
    }

    fn of_features(&self, error: FitError) -> FitError {
        error.of_features(&Design::from(&self.schema), &self.schema.features)
    }
}

/// Fits to rows among which columns may be constant, as that of a level which is rare: a penalty leaves them no weight.
fn fit_to_fold(
    algorithm: Algorithm,
    chosen: &HyperParameters,
    x: &Array2<f64>,
    y: &Array1<f64>,
    names: &[&str],
) -> Result<Estimator, FitError> {
    let fitter = algorithm.fitter(chosen);
    let varies = |column: &usize| x.column(*column).iter().any(|value| Some(value) != x.column(*column).first());
    let columns: Vec<usize> = (0..x.ncols()).filter(varies).collect();
    if columns.len() == x.ncols() || chosen.penalty.is_none_or(|penalty| penalty == 0.0) {
        return fitter.fit(x.view(), y.view(), names);
    }
    let named: Vec<&str> = columns.iter().filter_map(|column| names.get(*column).copied()).collect();
    let mut estimator = fitter.fit(x.select(Axis(1), &columns).view(), y.view(), &named)?;
    if let Estimator::Linear(linear) | Estimator::Generalized(Generalized { linear, .. }) = &mut estimator {
        let mut coefficients = vec![0.0; x.ncols()];
        for (column, coefficient) in columns.iter().zip(&linear.coefficients) {
            if let Some(place) = coefficients.get_mut(*column) {
                *place = *coefficient;
            }
        }
        linear.coefficients = coefficients;
    }
    Ok(estimator)
}

/// The columns of the design of some rows.
fn expanded(design: &Design, table: &Table, rows: &[usize]) -> Array2<f64> {
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
