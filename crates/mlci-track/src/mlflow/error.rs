use std::{fmt, io, time::Duration};

use mlci_core::Digest;

use crate::error::short;

/// The result of this module's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A cause whose type may change with the HTTP client.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One request: the method and the address, which holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `POST`, `PUT`.
    pub method: &'static str,
    /// The address.
    pub url: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// Why something could not be read from or written to MLflow.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No address of a server was given.
    #[error("no tracking URI: set MLFLOW_TRACKING_URI, such as http://127.0.0.1:5000")]
    NoUri,
    /// The tracking URI cannot be used.
    #[error("`{}` cannot be the tracking URI: {rule}", short(uri))]
    Uri {
        /// What was given, without credentials.
        uri: String,
        /// What it must be.
        rule: &'static str,
    },
    /// The credentials cannot be used.
    #[error("the credentials for MLflow cannot be used: {rule}")]
    Credentials {
        /// What they must be.
        rule: &'static str,
    },
    /// The HTTP client could not be set up, as where the system has no certificates.
    #[error(
        "cannot set up the HTTP client for MLflow; https needs the system's certificates (package ca-certificates)"
    )]
    Setup(#[source] BoxError),
    /// The run log could not be read, or holds a name that cannot be used.
    #[error(transparent)]
    Log(#[from] crate::Error),
    /// No answer came: the connection was refused or lost, or the time was up.
    #[error("{call} got no answer{}: is the MLflow server at {server} up?", tries(*attempts))]
    Unreachable {
        /// What was tried.
        call: Call,
        /// The tracking URI.
        server: String,
        /// How often.
        attempts: u32,
        /// What happened at the last try.
        source: BoxError,
    },
    /// The server is overloaded (429) or fails (5xx).
    #[error("{call} failed with {status}{}{}: see the server's log, then sync again", says(message), tries(*attempts))]
    Server {
        /// What was tried.
        call: Call,
        /// The HTTP status of the last answer.
        status: u16,
        /// MLflow's message, or the beginning or title of what came instead.
        message: String,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
        /// How often it was tried.
        attempts: u32,
    },
    /// The server does not let this client in (401), or not there (403).
    #[error("{call} was denied with {status}{}: {}", says(message), denied(*status, message))]
    Denied {
        /// What was tried.
        call: Call,
        /// 401 or 403.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// MLflow refused the request.
    #[error("{call} was refused with {status} {code}{}", says(message))]
    Refused {
        /// What was tried.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// MLflow's `error_code`, such as `RESOURCE_DOES_NOT_EXIST`. It says more than the status.
        code: String,
        /// MLflow's message.
        message: String,
    },
    /// What answered is not MLflow, or not under this address.
    #[error("{call} was answered with {status} and {what}, not as MLflow answers: {}", not_mlflow(*status))]
    NotMlflow {
        /// What was tried.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// What came: "an HTML page titled `404 Not Found`" and the like.
        what: String,
    },
    /// The answer is JSON, but not what MLflow answers.
    #[error("{call} was answered with something that MLflow does not say")]
    Answer {
        /// What was tried.
        call: Call,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A param has another value in MLflow than in the log. Params do not change within a run.
    #[error(
        "param `{key}` of MLflow's run {run_id} is already `{}` and cannot become `{}`: use another key or another run",
        short(old),
        short(new)
    )]
    ParamChanged {
        /// MLflow's run.
        run_id: String,
        /// The key.
        key: String,
        /// The value in MLflow.
        old: String,
        /// The value in the log.
        new: String,
    },
    /// The experiment was deleted in MLflow, where it keeps its name.
    #[error("the experiment `{}` is deleted in MLflow: restore it there, or use another name", short(name))]
    ExperimentDeleted {
        /// The experiment's name.
        name: String,
    },
    /// The run's artifacts lie where this client cannot write.
    #[error(
        "the artifacts of MLflow's run {run_id} belong to `{}`, which this client cannot reach: start the server with \
         --serve-artifacts and without --default-artifact-root, and use a new experiment",
        short(uri)
    )]
    ArtifactStore {
        /// MLflow's run.
        run_id: String,
        /// The run's artifact URI.
        uri: String,
    },
    /// The caller could not hand in an artifact's content.
    #[error("cannot read the content of artifact `{}`", short(name))]
    ArtifactContent {
        /// The artifact.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// An artifact's content is not what was logged.
    #[error("the content of artifact `{}` is {found}, the run logged {expected}", short(name))]
    ArtifactChanged {
        /// The artifact.
        name: String,
        /// The digest in the log.
        expected: Digest,
        /// The digest of what was handed in.
        found: Digest,
    },
}

impl Error {
    /// Whether the same call may succeed later with nothing changed but the server: it was away, overloaded or failing.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Server { .. })
    }

    /// MLflow's own code for what it refused.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    pub(crate) const fn set_attempts(&mut self, count: u32) {
        if let Self::Unreachable { attempts, .. } | Self::Server { attempts, .. } = self {
            *attempts = count;
        }
    }
}

fn tries(attempts: u32) -> String {
    if attempts == 1 { " (tried once)".to_owned() } else { format!(" (tried {attempts} times)") }
}

fn says(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" (`{message}`)") }
}

fn denied(status: u16, message: &str) -> &'static str {
    if message.contains("Invalid Host") {
        "the server does not know itself by the host in the tracking URI: start it with --allowed-hosts"
    } else if status == 401 {
        "check user and password (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD) or the token \
         (MLFLOW_TRACKING_TOKEN)"
    } else {
        "this user lacks the permission in MLflow, or a proxy before it lets nobody through"
    }
}

const fn not_mlflow(status: u16) -> &'static str {
    match status {
        300..400 => "use the address that it redirects to as the tracking URI",
        404 => "does the tracking URI lack a path prefix, or is it another service's?",
        413 => "a proxy before MLflow limits the size of requests",
        _ => "is the tracking URI that of an MLflow server, and what stands between?",
    }
}
