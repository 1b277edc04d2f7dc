use mlci_model::{InvalidModel, PredictError};

use crate::{
    Algorithm, ClassError, EvaluateError, FitError, OptionError, RowPlace, RowUnit, ScoreError, evaluate::of_row,
    levels,
};

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
        "`{algorithm}` wants a target that is {wants}, and `{target}` is {value} in {unit} {line}, one of {count} such \
        training rows: leave such rows out, or choose another algorithm, such as `ols`"
    )]
    Target {
        /// The algorithm.
        algorithm: Algorithm,
        /// What the target has to be.
        wants: &'static str,
        /// The target.
        target: String,
        /// The first line where it is not, or row.
        line: u64,
        /// Which of both.
        unit: RowUnit,
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
    /// The estimator was to be fitted elsewhere.
    #[error(
        "the options say that the estimator is fitted elsewhere (`elsewhere`), so that no rows to fit to were kept: \
        hand it to `Gathered::adopt`, or gather the data without that option"
    )]
    Elsewhere,
    /// The share to hold out is none.
    #[error("`[train] test_fraction` is {fraction}: it has to lie between 0 and 1, such as 0.2")]
    TestFraction {
        /// The share asked for.
        fraction: f64,
    },
    /// Fewer than two folds, more than there are rows, or more than 1,000.
    #[error(
        "`[train] folds` is {folds}: cross-validation takes from 2 to as many as there are training rows ({rows}), and \
        at most 1000"
    )]
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
    #[error("{}", levels::explain(column, base, levels, others, *rows))]
    Levels {
        /// The category.
        column: String,
        /// Its base level.
        base: String,
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
    /// The model cannot predict a row that it was trained on, or is to keep.
    #[error("the model cannot predict {}", at.map_or_else(|| "its training rows".to_owned(), |at| at.to_string()))]
    Predict {
        /// The row, where it is one.
        at: Option<RowPlace>,
        /// Why.
        source: PredictError,
    },
    /// The model's predictions of its training rows cannot be scored.
    #[error("the model's predictions of its training rows cannot be scored{}", of_row(*at))]
    Score {
        /// The row, where it is one.
        at: Option<RowPlace>,
        /// Why.
        source: ScoreError,
    },
    /// The model cannot be evaluated on the rows held out.
    #[error("the model cannot be evaluated on the rows held out")]
    Evaluate(#[source] EvaluateError),
}
