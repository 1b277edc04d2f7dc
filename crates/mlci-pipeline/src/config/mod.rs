//! `mlci.toml`: its tables, and how they are read.
//!
//! Every key has a default or an error that says what to write. Paths are relative to the file.

mod address;
mod canary;
mod clusters;
mod command;
mod data;
mod environment;
mod error;
mod folders;
mod gate;
mod keys;
mod kubernetes;
mod load;
mod monitor;
mod names;
mod render;
mod values;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use mlci_core::{Digest, Label, ModelName};
use mlci_train::Algorithm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::keys::nearest;
pub use self::{
    canary::{Canary, CanaryCheck, CanaryQuery},
    data::{Column, ColumnType, Data, Missing, Unseen, Value},
    environment::{Approval, Environment, LogFormat, LogRequests, TargetKind},
    error::ConfigError,
    gate::{Gate, Leakage, Limit},
    kubernetes::{Autoscale, Ingress, Network, OwnFile, Route, ServiceMonitor},
    load::{LoadError, Loaded, load},
    monitor::Monitor,
    render::{json_schema, render},
};

/// The pipeline of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mlci.toml")]
pub struct Config {
    /// What is built.
    pub project: Project,
    /// Where the data is and how it is read.
    pub data: Data,
    /// A command that prepares the machine, such as `pip install -r requirements.txt`.
    #[serde(default)]
    pub setup: Step,
    /// A command that tests the code, before the data is read.
    #[serde(default)]
    pub check: Step,
    /// How the model is trained.
    #[serde(default)]
    pub train: Train,
    /// A command that tests the trained model; its path is in the variable `MLCI_MODEL`.
    #[serde(default)]
    pub test: Step,
    /// When a model is good enough.
    #[serde(default)]
    pub gate: Gate,
    /// Where runs are tracked.
    #[serde(default)]
    pub track: Track,
    /// Where models, approvals and releases are stored.
    #[serde(default)]
    pub artifact: Artifact,
    /// How the container image is made.
    #[serde(default)]
    pub image: Image,
    /// What the definitions for CI systems say beside the jobs.
    #[serde(default)]
    pub ci: Ci,
    /// How the served model is watched.
    #[serde(default)]
    pub monitor: Monitor,
    /// Where the model is deployed, in the order of the file.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Environment>")]
    pub environment: IndexMap<Label, Environment>,
    /// Tables that overlay the ones above with `--profile NAME`. Their keys are checked when they are used.
    #[serde(default)]
    pub profile: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
}

/// `[project]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// The model's name: lower-case letters and digits, with single `.`, `_` or `-` between them.
    #[schemars(with = "String")]
    pub name: ModelName,
}

/// A command of the team's own: `[setup]`, `[check]`, `[test]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Program and arguments; no shell is involved. Default: nothing is run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Files and folders whose content decides whether it has to run again. Default: all files that git does not ignore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// After how many seconds it is ended, with all that it started; up to a week. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// The algorithm. Default: `ols` (ordinary least squares).
    #[schemars(with = "names::AlgorithmName")]
    pub algorithm: Algorithm,
    /// How much large weights cost, or several numbers to choose from by cross-validation. Default: for `ridge`, `lasso`
    /// and `elastic_net` a range that the data decide, for others 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<Numbers>,
    /// How much of the penalty of `elastic_net` is on absolute values, above 0 and at most 1, or several numbers to choose
    /// from. Default: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l1_share: Option<Numbers>,
    /// The power of the mean that the variance of `tweedie` grows with, from 1 to 2. Default: 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// The class whose probability `logistic` predicts. Default: the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Decides which rows are held out. The same seed and data give the same model.
    pub seed: u64,
    /// The share of rows that are held out for the gate, above 0 and below 1.
    pub test_fraction: f64,
    /// How many folds cross-validation has on the training rows; 0 for none.
    pub folds: u32,
    /// Program and arguments that train, in place of an algorithm; no shell is involved. It reads the training rows at
    /// `MLCI_DATA` and leaves `model.onnx`, and `metrics.json` if it likes, in the folder `MLCI_OUTPUT`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Files and folders whose content decides whether the command has to train again. Default: all files that git does
    /// not ignore, but for the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Variables that the command gets beside those that every one gets. Their values decide too whether it has to
    /// train again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// After how many seconds the command is ended, with all that it started; up to a week. Default: 3600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Ols,
            penalty: None,
            l1_share: None,
            power: None,
            positive: None,
            seed: 0,
            test_fraction: 0.2,
            folds: 5,
            command: Vec::new(),
            inputs: None,
            env: Vec::new(),
            timeout_seconds: None,
        }
    }
}

impl Train {
    /// Whether the team's own command trains.
    #[must_use]
    pub fn is_command(&self) -> bool {
        !self.command.is_empty()
    }
}

/// One number or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number or a list of numbers")]
pub enum Numbers {
    /// One.
    One(f64),
    /// Several to choose from.
    Several(Vec<f64>),
}

impl Train {
    /// As the training takes them, with the threshold that `[gate]` states.
    #[must_use]
    pub fn options(&self, threshold: f64) -> mlci_train::TrainOptions {
        let numbers = |numbers: &Option<Numbers>| match numbers {
            None => Vec::new(),
            Some(Numbers::One(number)) => vec![*number],
            Some(Numbers::Several(numbers)) => numbers.clone(),
        };
        mlci_train::TrainOptions {
            algorithm: self.algorithm,
            penalty: numbers(&self.penalty),
            l1_share: numbers(&self.l1_share),
            power: self.power,
            positive: self.positive.clone(),
            threshold,
            seed: self.seed,
            test_fraction: self.test_fraction,
            folds: (self.folds > 0).then_some(self.folds).filter(|_| !self.is_command()),
            elsewhere: self.is_command(),
            ..mlci_train::TrainOptions::default()
        }
    }
}

/// `[ci]`: for `generate`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ci {
    /// The branch whose pushes are built and deployed.
    pub branch: String,
    /// The container image that GitLab and CircleCI run jobs in. Default: `rust:1.89-bookworm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Commands that prepare the machine, in each job before its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Vec<String>>,
    /// Variables that every job gets. They stand in the file, so they are no secrets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// The names of the secrets that the job `build` gets: what store, tracker and registry ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The names of the secrets that the job of an environment gets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub environments: BTreeMap<Label, Vec<String>>,
}

impl Default for Ci {
    fn default() -> Self {
        Self {
            branch: "main".to_owned(),
            image: None,
            setup: Vec::new(),
            variables: BTreeMap::new(),
            secrets: Vec::new(),
            environments: BTreeMap::new(),
        }
    }
}

/// `[track]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Track {
    /// The folder of the local run log.
    pub folder: String,
    /// The address of an MLflow server that runs, versions and aliases are brought to as well. Credentials come from
    /// `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow: Option<String>,
    /// The experiment there. Default: the project's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
}

impl Default for Track {
    fn default() -> Self {
        Self { folder: ".mlci/runs".to_owned(), mlflow: None, experiment: None }
    }
}

/// `[artifact]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Artifact {
    /// The store: a folder, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`. Credentials come from the environment.
    pub store: String,
}

impl Default for Artifact {
    fn default() -> Self {
        Self { store: ".mlci/store".to_owned() }
    }
}

/// `[image]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Image {
    /// The OCI image layout that images are written to: a folder.
    pub layout: String,
    /// The repository of a registry that images are pushed to as well, without a tag, such as `docker.io/USER/NAME`.
    /// Credentials are Docker's own, from its `config.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// A static `mlci-serve` for Linux that is there already. Default: it is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The port that the server listens on inside a container.
    pub port: u16,
}

impl Default for Image {
    fn default() -> Self {
        Self { layout: ".mlci/images".to_owned(), repository: None, server: None, port: 8080 }
    }
}

impl Config {
    /// The digest that a model carries: of the `[data]` and `[train]` tables only, defaults included. How long a command
    /// may run, and which files tell that it has to run again, is nothing that a model is made of.
    #[must_use]
    pub fn model_digest(&self) -> Digest {
        let train = Train { timeout_seconds: None, inputs: None, ..self.train.clone() };
        canonical(&(&self.data, &train))
    }
}

/// The digest of a table with all defaults filled in: the order of keys in the file and comments do not matter.
pub(crate) fn canonical(table: &impl Serialize) -> Digest {
    // Structs serialise in the order of their fields and maps in the order of their keys. Nothing in the tables can
    // fail to be written as JSON.
    Digest::of(serde_json::to_string(table).unwrap_or_default().as_bytes())
}

mod defaults {
    use mlci_core::Label;

    pub(super) fn delimiter() -> char {
        ','
    }

    #[expect(clippy::expect_used, reason = "the text is a constant and legal")]
    pub(super) fn production() -> Label {
        "production".parse().expect("a legal label")
    }
}
