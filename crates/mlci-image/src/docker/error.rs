use std::{io, path::PathBuf};

use mlci_core::Digest;

use crate::{CredentialsError, Reference};

/// Why the Docker Engine did not do what it was asked. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Something in the layout.
    #[error(transparent)]
    Layout(#[from] crate::Error),
    /// The credentials could not be looked up.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// `DOCKER_HOST` is nothing that can be connected to here.
    #[error("cannot use the Docker Engine at `{host}`: {problem}")]
    Host {
        /// What it says.
        host: String,
        /// Why not, and what to do.
        problem: &'static str,
    },
    /// No engine answers.
    #[error("no Docker Engine answers at `{host}`: {hint}")]
    NotReachable {
        /// Where it should be.
        host: String,
        /// What to do.
        hint: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine refused, or the connection to it broke off.
    #[error("the Docker Engine at `{host}` did not {action}{hint}")]
    Request {
        /// Where it is.
        host: String,
        /// What it was asked to do.
        action: String,
        /// What to do, or nothing.
        hint: &'static str,
        /// What it answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine answered 200 and told of an error afterwards.
    #[error("the Docker Engine at `{host}` did not {action}: {message}{hint}")]
    Failed {
        /// Where it is.
        host: String,
        /// What it was asked to do.
        action: String,
        /// What it said.
        message: String,
        /// What to do, or nothing.
        hint: &'static str,
    },
    /// The engine's report ended before it told of a result.
    #[error(
        "the Docker Engine at `{host}` did not {action}: its report ended without {missing}, the last of it was `{last}`: \
         look at the engine's own log and try again"
    )]
    CutShort {
        /// Where it is.
        host: String,
        /// What it was asked to do.
        action: String,
        /// What should have come.
        missing: &'static str,
        /// The last line of it.
        last: String,
    },
    /// The engine has something else than it should after it said that all is well.
    #[error("the Docker Engine at `{host}` did not {action}: it has {found} and not {expected}")]
    Other {
        /// Where it is.
        host: String,
        /// What it was asked to do.
        action: String,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// The registry does not show what the engine says it pushed.
    #[error(
        "the engine says that it pushed `{reference}` as {expected}, and the registry has {found} there: do not count on it, push again"
    )]
    Unconfirmed {
        /// What was pushed.
        reference: Box<Reference>,
        /// The digest of which the engine spoke.
        expected: Digest,
        /// What the registry has.
        found: String,
    },
    /// A tag is needed.
    #[error("`{reference}` has no tag, by which the engine could know it: write `NAME:TAG`")]
    NoTag {
        /// The reference.
        reference: Box<Reference>,
    },
    /// A file of the build context cannot be read.
    #[error("cannot read `{}` for the build: it has to be there, inside of the context, and readable for this user", path.display())]
    Context {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was being sent broke off on this side.
    #[error("sending to the Docker Engine broke off: try again")]
    Sending {
        /// Why.
        source: io::Error,
    },
    /// A Dockerfile's name leads out of the context.
    #[error("the Dockerfile `{}` is not inside of the build context: name it relative to that folder", path.display())]
    Dockerfile {
        /// The name.
        path: PathBuf,
    },
    /// A line of `.dockerignore` has no meaning.
    #[error("`{}` line {line}: {problem}", path.display())]
    Ignore {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it, and what would be right.
        problem: &'static str,
    },
}

/// Writing to the pipe to the engine, or reading what goes into it from a layout.
impl From<io::Error> for EngineError {
    fn from(source: io::Error) -> Self {
        Self::Sending { source }
    }
}
