//! What a run leaves for people: a page that opens offline, and a Markdown summary for a CI job.
//!
//! Both are pure functions of a [`Report`]: the same report gives the same bytes. Every text and number in it may come
//! from outside (column names, error messages, values in data), so both escape everything and shorten what is too
//! long, and say so.

mod chart;
mod coefficients;
mod html;
mod markdown;
#[cfg(test)]
mod tests;
mod text;
mod view;

use std::collections::BTreeMap;

use jiff::Timestamp;
use mlci_core::Digest;
use mlci_train::{CalibrationBin, Choice, Confusion, CrossValidation, DataReport, GateReport, LinearFit, RowUnit};

pub use self::{html::html, markdown::markdown};
use crate::{
    error::Outcome,
    event::{EnvironmentEnd, ErrorEnd, ModelRef, StageEnd},
};

/// A run, as far as it came. What is `None` or empty was not reached, and its section is left out.
#[derive(Debug, Clone)]
pub struct Report {
    /// The project's name.
    pub project: String,
    /// How the command ended.
    pub outcome: Outcome,
    /// The verdict and why, in one sentence. Names may stand in backticks.
    pub headline: String,
    /// Why the command did not do what it was asked.
    pub error: Option<ErrorEnd>,
    /// The run's id in the run log.
    pub run: Option<String>,
    /// When the command began.
    pub started: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// The model, once it is trained.
    pub model: Option<ModelRef>,
    /// The model that it was compared with.
    pub champion: Option<Champion>,
    /// The held-out metrics.
    pub metrics: Vec<MetricRow>,
    /// The checks of the gate.
    pub gate: Option<GateReport>,
    /// The held-out rows.
    pub scatter: Option<Scatter>,
    /// What a classifier says of the held-out rows.
    pub classes: Option<Classes>,
    /// What a training command measured itself, by name.
    pub reported: BTreeMap<String, f64>,
    /// The metrics of the folds of the cross-validation.
    pub cross_validation: Option<CrossValidation>,
    /// How hyper-parameters were chosen.
    pub choice: Option<Choice>,
    /// The coefficients of a linear model, the intercept first.
    pub coefficients: Vec<Coefficient>,
    /// What least squares says of them, where that was the algorithm.
    pub least_squares: Option<LinearFit>,
    /// The runs of this pipeline, oldest first, this one last.
    pub history: Vec<HistoryPoint>,
    /// What was found in the data.
    pub data: Option<DataReport>,
    /// Everything that this run came from and led to, in the order of the chain.
    pub lineage: Vec<Link>,
    /// The stages, in their order.
    pub stages: Vec<StageEnd>,
    /// The environments, in their order.
    pub environments: Vec<EnvironmentEnd>,
    /// The program that wrote the report, with its version: `mlci 0.1.0`.
    pub generator: String,
}

/// The model that a new one is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Champion {
    /// Its version in the store.
    pub version: u64,
    /// The digest of its file.
    pub digest: Digest,
}

/// A metric of this model, beside the champion's on the same rows.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// Its name: `rmse`.
    pub name: String,
    /// Its unit; `None` for a pure number.
    pub unit: Option<String>,
    /// Its value.
    pub value: f64,
    /// Its confidence interval, low end first.
    pub interval: Option<(f64, f64)>,
    /// The champion's value and interval.
    pub champion: Option<(f64, Option<(f64, f64)>)>,
    /// Whether a lower value is a better one.
    pub lower_is_better: bool,
    /// The limit that the configuration sets: `at most 0.7`.
    pub limit: Option<String>,
}

/// The rows that were held out: entry `i` of each list belongs to the same row.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// The values in the data.
    pub truth: Vec<f64>,
    /// The model's predictions.
    pub prediction: Vec<f64>,
    /// The number of each row in the data file, from 1.
    pub lines: Vec<u64>,
    /// What that counts.
    pub counted: RowUnit,
    /// The name of the column predicted.
    pub target: String,
    /// Its unit.
    pub unit: Option<String>,
}

/// What a classifier says of the held-out rows, beside what is true.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    /// The names of class 0 and class 1.
    pub names: [String; 2],
    /// From which probability on a row is said to be of class 1.
    pub threshold: f64,
    /// How many rows of each class are said to be of each.
    pub confusion: Confusion,
    /// Rows of similar probabilities.
    pub calibration: Vec<CalibrationBin>,
}

/// A coefficient of a linear model.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// The feature's name.
    pub name: String,
    /// The change of the prediction for one unit of the feature.
    pub value: f64,
    /// The coefficient's own unit.
    pub unit: Option<String>,
}

/// One run of the pipeline's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPoint {
    /// The run's id.
    pub run: String,
    /// When it began.
    pub started: Timestamp,
    /// How it ended.
    pub status: String,
    /// The version that it published.
    pub version: Option<u64>,
    /// Its held-out metrics, by name.
    pub metrics: BTreeMap<String, f64>,
}

/// One link of the chain from commit to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is: `commit`, `data`, `configuration`, `run`, `model`, `version`, `image`, `release`.
    pub kind: String,
    /// Its digest, number or id, in full.
    pub value: String,
    /// What a person should know about it; may be empty.
    pub note: String,
}
