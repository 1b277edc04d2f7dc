use std::path::PathBuf;

use mlci_core::FileError;

use crate::{FORMAT_VERSION, RunId, Status};

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be logged or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of the log could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key or name breaks the rules.
    #[error("`{}` cannot be the {kind} of a run: {rule}", short(key))]
    Key {
        /// What it should have named: "param key", "name" and the like.
        kind: &'static str,
        /// The key or name.
        key: String,
        /// What it must be.
        rule: &'static str,
    },
    /// A value is longer than MLflow takes.
    #[error("the value of {kind} `{key}` has {length} characters, {limit} are allowed: log it as an artifact instead")]
    TooLong {
        /// "param" or "tag".
        kind: &'static str,
        /// The key.
        key: String,
        /// How long the value is, in characters.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A param was logged before with another value. Params do not change within a run.
    #[error(
        "param `{key}` is already `{}` and cannot become `{}`: use another key or another run",
        short(old),
        short(new)
    )]
    ParamChanged {
        /// The key.
        key: String,
        /// The value in the log.
        old: String,
        /// The value that was refused.
        new: String,
    },
    /// The run has ended; only tags are taken now.
    #[error("run {id} has ended as {status} and takes no more than tags")]
    Ended {
        /// The run.
        id: RunId,
        /// How it ended.
        status: Status,
    },
    /// A run was to be finished as still running.
    #[error("a run cannot finish as {}: use FINISHED, FAILED or KILLED", Status::Running)]
    NotAnEnd,
    /// No run of the log has an id that begins so.
    #[error("no run in `{}` has an id that begins with `{}`{}", folder.display(), short(prefix),
        if prefix.len() < 4 { ": give 4 digits or more" } else { "" })]
    NotFound {
        /// The folder of the log.
        folder: PathBuf,
        /// The id, or what was given of it.
        prefix: String,
    },
    /// Several runs have an id that begins so.
    #[error("several runs have an id that begins with `{prefix}`: {}; give more digits", some(ids))]
    Ambiguous {
        /// What was given of the id.
        prefix: String,
        /// The runs, oldest first.
        ids: Vec<RunId>,
    },
    /// The run was written by a later mlci, in a format that this one does not know.
    #[error("`{}` has format version {found}, this mlci reads up to {FORMAT_VERSION}: update mlci", path.display())]
    Newer {
        /// The run's file.
        path: PathBuf,
        /// The format version in the file.
        found: u64,
    },
    /// The system gave no random bytes for a run's id.
    #[error("cannot make an id for the run")]
    Random(#[source] getrandom::Error),
}

/// A text for a message: escaped, so that it cannot meddle with a terminal, and at most 80 characters of it.
pub(crate) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short
}

fn some(ids: &[RunId]) -> String {
    const SHOWN: usize = 5;
    let mut text = ids.iter().take(SHOWN).map(RunId::to_string).collect::<Vec<_>>().join(", ");
    if let Some(more) = ids.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text += &format!(" and {more} more");
    }
    text
}
