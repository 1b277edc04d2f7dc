use std::fmt;

use jiff::Timestamp;
use mlci_core::Digest;
use serde::{Deserialize, Serialize};

use crate::{RunId, line::number};

/// The version of the log's format that this crate writes. It reads this one and all before it.
pub const FORMAT_VERSION: u32 = 1;

/// Where a run stands. Shown in capitals, as MLflow does; written in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The run has no end yet. That its process still lives is known only after [`RunLog::close_stale`].
    ///
    /// [`RunLog::close_stale`]: crate::RunLog::close_stale
    Running,
    /// The run did what it should.
    Finished,
    /// The run ended with an error, was refused, or its process died.
    Failed,
    /// The run was stopped from outside.
    Killed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        })
    }
}

/// One line of a run's file: what happened, and when.
///
/// ```json
/// {"event":"metric","key":"loss","value":0.25,"step":3,"time":"2026-11-25T09:36:00.123Z"}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// When it was logged, to the millisecond. Within one writer it never goes back.
    pub time: Timestamp,
}

/// What can happen in a run.
///
/// Kinds may be added without a new format version; a reader that does not know a kind skips and counts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event {
    /// The run began. Always the first line.
    Start {
        /// The version of the format, [`FORMAT_VERSION`].
        format: u32,
        /// The run.
        id: RunId,
        /// Its name, which need not be unique.
        name: String,
    },
    /// A setting of the run. It keeps its first value.
    Param {
        /// Its key.
        key: String,
        /// Its value as text.
        value: String,
    },
    /// A measured value.
    Metric {
        /// Its key.
        key: String,
        /// The value. JSON has no NaN or infinity: they are written as `"NaN"`, `"Infinity"` and `"-Infinity"`.
        #[serde(with = "number")]
        value: f64,
        /// Where in the run it was measured: an epoch, a batch, or 0.
        step: u64,
    },
    /// A label of the run. The last value counts; it may come after the end.
    Tag {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Something the run made, kept elsewhere.
    Artifact {
        /// Its name, or a relative path with `/`.
        name: String,
        /// The digest of its content.
        digest: Digest,
        /// Its length in bytes.
        bytes: u64,
    },
    /// The run ended. The first end counts.
    End {
        /// How: anything but [`Status::Running`].
        status: Status,
        /// Why, where there is something to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}
