//! Data in, model out: reads CSV, fits, evaluates and gates a model.
//!
//! ```
//! use mlci_train::{GateOptions, ReadOptions, TrainOptions, Verdict, gate, read_csv, train};
//!
//! // y = 2·a - b + 1, and a little that no feature explains.
//! let mut csv = String::from("a,b,y\n");
//! for row in 0..200 {
//!     let (a, b) = (f64::from(row % 17), f64::from(row * row % 23));
//!     let rest = 0.1 * f64::from(row).sin();
//!     csv += &format!("{a},{b},{}\n", 2.0 * a - b + 1.0 + rest);
//! }
//! let table = read_csv(csv.as_bytes(), &ReadOptions::new("y"))?;
//!
//! let data = mlci_train::Digest::of(csv.as_bytes());
//! let config = mlci_train::Digest::of(b"[train] ...");
//! let trained = train(&table, &TrainOptions::default(), &"demo".parse()?, data, config)?;
//! assert!(trained.test.metrics.rmse < 0.1);
//! assert!((trained.model.predict_row(&[10.0, 5.0])? - 16.0).abs() < 0.1);
//!
//! // There is no champion yet, so the model has to beat the mean, and any limits.
//! assert_eq!(gate(&GateOptions::default(), &trained.test, None).verdict, Verdict::Pass);
//!
//! // What cannot be used is an error that says where, and what to do.
//! let error = read_csv(&b"a,b,y\n1,2,3\n4,NA,5\n"[..], &ReadOptions::new("y")).unwrap_err();
//! assert!(error.to_string().contains("line 3, column `b`: `NA` is a missing value"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`read_csv`] gives a [`Table`]; [`train`] splits it by the content of its rows, fits, and evaluates on the rows held
//! out; [`evaluate`] does the same for any other model, such as the champion; [`gate`] decides. [`gather`] and
//! [`Gathered::train`] give the same model of data that is never held as a whole, in memory that does not grow with the
//! rows. No network, no async; the same input gives the same bytes.
//!
//! [`Moments`] and [`BlockQr`] fit linear models to rows that come block by block and are never held together, with
//! standard errors and tests; parts that were summed up apart are merged. See [`Statistic`].

mod bootstrap;
mod choice;
mod classes;
mod comparison;
mod cross_validation;
mod dependence;
mod evaluate;
mod fit;
mod gate;
mod interval;
mod leakage;
mod levels;
mod linear;
mod metrics;
mod number;
mod ols;
mod read;
mod report;
mod slices;
mod split;
mod stream;
mod table;
mod train;

pub use mlci_core::{Digest, ModelName, Verdict};
pub use mlci_model::{Kind, Model, Unseen, Value};
/// The arrays in this crate's signatures.
pub use ndarray;

pub use crate::{
    bootstrap::Interval,
    choice::{Candidate, Choice, OptionError},
    classes::ClassError,
    cross_validation::{CrossValidation, Spread},
    dependence::Dependence,
    evaluate::{EvaluateError, EvaluateOptions, Evaluation, evaluate, evaluate_with},
    fit::{Algorithm, ElasticNet, Fit, FitError, HyperParameters, Logistic, Ridge, TrainKey, Tweedie},
    gate::{Comparison, Evidence, GateCheck, GateOptions, GateReport, Limit, gate, gate_with},
    leakage::{Leak, Suspicion},
    linear::{
        Accumulator, BLOCK_ROWS, Block, BlockError, BlockQr, FTest, Inference, LinearFit, LinearOptions, Moments,
        NoInference, OrderedMerge, Statistic, TTest,
    },
    metrics::{CalibrationBin, Classification, Confusion, Metric, Metrics, ScoreError, Scored, calibration, confusion},
    ols::Ols,
    read::{
        ColumnOptions, Compression, Copied, CopyError, Key, MissingPolicy, Place, Problem, ProblemCount, ProblemKind,
        ReadError, ReadFileError, ReadOptions, RowUnit, TextColumn, Values, copy_rows, gather, gather_file, read_bytes,
        read_columns, read_csv, read_csv_file, read_file, read_header,
    },
    report::{ColumnReport, DataReport, Distinct, DropReason, LevelCount, Role},
    slices::{Group, GroupReport, SliceColumn, SliceError, SliceReport, slices},
    split::{Split, folds, split},
    stream::{Gathered, RowCounts, UnlearnedLevels},
    table::{MissingColumns, RowPlace, Table},
    train::{TrainError, TrainOptions, Trained, adopt, train},
};
