use std::{io, path::PathBuf, process::ExitStatus};

use mlci_core::FileError;

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No component has this name.
    #[error("no component `{name}`; there are: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A file or folder could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A program is missing that installs or runs a component.
    #[error("`{program}` is not on this machine: {fix}")]
    Missing {
        /// The program.
        program: String,
        /// How to get it.
        fix: String,
    },
    /// A program could not be run at all.
    #[error("cannot run `{program}`")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// An installation step failed.
    #[error("`{command}` failed ({status}); its last lines, of all in `{}`:\n{tail}", log.display())]
    Step {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Where its output is.
        log: PathBuf,
        /// The end of its output.
        tail: String,
    },
    /// A server ended, or did not answer, before it was ready.
    #[error("`{name}` was not ready: {why}; its last lines, of all in `{}`:\n{tail}", log.display())]
    NotReady {
        /// The server.
        name: String,
        /// What was waited for.
        why: String,
        /// Its log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// Something of the system has to be changed, and nobody has allowed it.
    #[error("{what} changes this system: allow it with --allow-system, or do it yourself: {command}")]
    NotAllowed {
        /// What has to be done.
        what: String,
        /// How.
        command: String,
    },
    /// Anything that needs no variant of its own.
    #[error("{0}")]
    Other(String),
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The last lines of a file, for an error message.
pub(crate) fn tail(log: &std::path::Path) -> String {
    const LINES: usize = 15;
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LINES);
    lines.get(first..).unwrap_or_default().iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
