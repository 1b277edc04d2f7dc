//! What a command tells while it runs, and at its end. `--format json` prints one event a line.

use mlci_core::{Digest, ModelName, Verdict};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Outcome};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A command began.
    Started {
        /// Its name.
        command: String,
    },
    /// A stage began to work. A cached stage does not.
    StageStarted {
        /// Its name.
        name: String,
    },
    /// A stage says what it is doing.
    Progress {
        /// Its name.
        name: String,
        /// What it is doing.
        message: String,
    },
    /// A line that a program printed which a stage ran.
    Output {
        /// The stage.
        name: String,
        /// The line, without its end.
        line: String,
    },
    /// A check of a canary, at one look at what was counted.
    CanaryCheck(Box<CanaryCheck>),
    /// Something that a person should know, and that does not stop the command.
    Warning {
        /// What.
        message: String,
    },
    /// A stage is over.
    StageFinished {
        /// Its name.
        name: String,
        /// How it ended.
        status: StageStatus,
        /// How long it took.
        seconds: f64,
        /// What came of it, or why it was skipped.
        note: String,
    },
    /// The command is over; always the last event.
    Finished(Box<Finished>),
}

/// What one check of a canary came to, at one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryCheck {
    /// The environment.
    pub environment: String,
    /// For how many seconds the canary had been watched.
    pub watched_seconds: u64,
    /// Whether it was the last look, by which the canary is promoted or removed. Before it, a check that has not failed
    /// beyond doubt has no data.
    pub last: bool,
    /// The check's name.
    pub check: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// What was found, or why there is no data.
    pub found: String,
    /// What it may be.
    pub limit: String,
    /// How many requests it is about, as far as that is known.
    pub sample: String,
    /// What was asked, and what came.
    pub asked: Vec<Asked>,
}

/// A question to Prometheus and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The PromQL expression.
    pub query: String,
    /// The values with their labels, or why there are none.
    pub answer: String,
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageStatus {
    /// It did its work.
    Done,
    /// Its inputs have not changed since it was done.
    Cached,
    /// There was nothing for it to do, or the command did not reach it.
    Skipped,
    /// It failed.
    Failed,
    /// `plan` only: it would do its work.
    Planned,
}

impl StageStatus {
    /// The word in events and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cached => "cached",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Planned => "planned",
        }
    }
}

/// The end of a command: the contract that scripts build on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The command's name.
    pub command: String,
    /// How it ended.
    pub verdict: Outcome,
    /// The process's exit code: the verdict's, or 128 + the signal's number.
    pub exit_code: u8,
    /// How long it took.
    pub seconds: f64,
    /// The stages, in their order; commands that run none leave this out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageEnd>,
    /// The run, where one was made or reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunRef>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// The image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// The environments, in their order.
    #[serde(default)]
    pub environments: Vec<EnvironmentEnd>,
    /// The report's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// What the command found, where it is one that looks things up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
    /// Why it did not do what it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEnd>,
    /// What a person is shown of the result; programs read [`Finished::result`].
    #[serde(skip)]
    pub text: Option<String>,
}

/// How one stage ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageEnd {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: StageStatus,
    /// How long it took.
    pub seconds: f64,
    /// What came of it, or why it was skipped.
    #[serde(default)]
    pub note: String,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRef {
    /// Its id in the run log.
    pub id: String,
    /// The address of its page in MLflow, where it was brought there just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

impl RunRef {
    /// A run of the log.
    #[must_use]
    pub fn of(id: impl Into<String>) -> Self {
        Self { id: id.into(), page: None }
    }
}

/// A model, and its version once it has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Its name.
    pub name: ModelName,
    /// Its number in the store; absent before it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The digest of its file.
    pub digest: Digest,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageRef {
    /// Where it is: `oci:FOLDER:TAG`.
    pub reference: String,
    /// Where it was pushed to, by digest: `REGISTRY/NAME@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The size of its compressed layers.
    pub bytes: u64,
}

/// What runs in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentEnd {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub status: EnvironmentStatus,
    /// Where it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The digest of the model that runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_digest: Option<Digest>,
    /// The version of the model that runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_version: Option<u64>,
    /// The digest of the image that runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<Digest>,
    /// The process, for the target `process`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Why it stands so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl EnvironmentEnd {
    /// An environment of which no more is known than how it stands, and why.
    #[must_use]
    pub fn named(name: &mlci_core::Label, status: EnvironmentStatus, note: impl Into<String>) -> Self {
        Self {
            name: name.to_string(),
            status,
            address: None,
            model_digest: None,
            model_version: None,
            image_digest: None,
            pid: None,
            note: note.into(),
        }
    }
}

/// How an environment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EnvironmentStatus {
    /// It serves what was released, and that was verified.
    Verified,
    /// It waits for an approval.
    Waiting,
    /// What would be deployed was sent back here by a person.
    Rejected,
    /// What would be deployed is not allowed here, such as changes that are not committed.
    Refused,
    /// The release is recorded, but nothing runs.
    Down,
    /// Something other than the release runs.
    Drifted,
    /// Nothing was ever released.
    Empty,
    /// The deployment failed.
    Failed,
    /// It was verified and then stopped, since the machine is a CI job's.
    Ephemeral,
}

impl EnvironmentStatus {
    /// The word in events and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::Down => "down",
            Self::Drifted => "drifted",
            Self::Empty => "empty",
            Self::Failed => "failed",
            Self::Ephemeral => "ephemeral",
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEnd {
    /// What could not be done.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl From<&Error> for ErrorEnd {
    fn from(error: &Error) -> Self {
        Self { message: error.message.clone(), causes: error.causes(), help: error.help.clone() }
    }
}

/// Where events go. The pipeline itself prints nothing.
pub trait Observer: Send + Sync {
    /// Takes one event; must not block for long.
    fn event(&self, event: &Event);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}
