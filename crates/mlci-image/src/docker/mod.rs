//! The Docker Engine by its own API: what needs a daemon, for teams that have one.

mod container;
mod context;
mod error;
mod ignore;
mod load;
mod push;
mod stream;

use std::{env, fmt, path::PathBuf, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker, errors::Error as ApiError};
use tokio::time::timeout;

pub use crate::docker::{
    container::{Container, Network, RunOptions},
    error::EngineError,
};

/// The result of asking the engine.
type Result<T> = std::result::Result<T, EngineError>;

/// Where the engine is when `DOCKER_HOST` does not say.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// For the first answer.
const PING: Duration = Duration::from_secs(10);
/// For the head of any answer, in seconds. A build and a load answer when all has been sent.
const LIMIT: u64 = 3600;

/// A Docker Engine that answered. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    api: Docker,
    host: Host,
}

/// How to connect.
#[derive(Debug, Clone)]
enum Host {
    Unix(PathBuf),
    Tcp(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Engine {
    /// Connects to the engine that `DOCKER_HOST` names, else to that at the default socket, and waits for its answer.
    /// The contexts of Docker's command line are not looked at.
    ///
    /// # Errors
    /// [`EngineError::Host`] if `DOCKER_HOST` is neither `unix://` nor `tcp://`, or if TLS is asked for;
    /// [`EngineError::NotReachable`] if none answers within 10 s.
    pub async fn connect() -> Result<Self> {
        let host = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let tls = env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty());
        if let Some(host) = host.as_ref().filter(|host| tls && !host.starts_with("unix://")) {
            let problem =
                "TLS to an engine (DOCKER_TLS_VERIFY) is not supported: use its socket, for example through `ssh -L`";
            return Err(EngineError::Host { host: host.clone(), problem });
        }
        Self::connect_to(host.as_deref().unwrap_or(DEFAULT_HOST)).await
    }

    /// Connects to the engine at `unix:///PATH` or `tcp://HOST:PORT`, and waits for its answer.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_to(host: &str) -> Result<Self> {
        let unusable = || EngineError::Host {
            host: host.to_owned(),
            problem: "write `unix:///PATH` or `tcp://HOST:PORT` into DOCKER_HOST",
        };
        let parsed = if let Some(path) = host.strip_prefix("unix://") {
            Host::Unix(PathBuf::from(path))
        } else if let Some(address) = host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")) {
            Host::Tcp(address.trim_end_matches('/').to_owned())
        } else {
            return Err(unusable());
        };
        let not_reachable = |hint, source: Box<dyn std::error::Error + Send + Sync>| EngineError::NotReachable {
            host: host.to_owned(),
            hint,
            source,
        };
        let connected = match &parsed {
            Host::Unix(path) => {
                // bollard's own message for a missing or closed socket does not say which.
                if let Err(error) = tokio::net::UnixStream::connect(path).await {
                    return Err(not_reachable(hint(&error), error.into()));
                }
                Docker::connect_with_unix(&path.to_string_lossy(), LIMIT, API_DEFAULT_VERSION)
            }
            Host::Tcp(address) => Docker::connect_with_http(address, LIMIT, API_DEFAULT_VERSION),
        };
        let api = connected.map_err(|error| not_reachable("check the address", error.into()))?;
        match timeout(PING, api.ping()).await {
            Ok(Ok(_)) => Ok(Self { api, host: parsed }),
            Ok(Err(error)) => Err(not_reachable("check the address, and that an engine listens there", error.into())),
            Err(late) => Err(not_reachable("it is there and says nothing: look at its log", late.into())),
        }
    }

    /// What the engine answered to a request.
    fn failed(&self, action: &str) -> impl FnOnce(ApiError) -> EngineError {
        let (host, action) = (self.host.to_string(), action.to_owned());
        move |source| match source {
            ApiError::DockerStreamError { error } => {
                EngineError::Failed { host, action, hint: advice(&error), message: one_line(&error) }
            }
            source => {
                let hint = match source {
                    ApiError::DockerResponseServerError { status_code: 404, .. } => {
                        ": check the name, or load the image first"
                    }
                    ApiError::DockerResponseServerError { status_code: 409, .. } => {
                        ": something of that name is in use"
                    }
                    _ => "",
                };
                EngineError::Request { host, action, hint, source: source.into() }
            }
        }
    }
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "start it, or say in DOCKER_HOST where it is; pushing to a registry needs none",
        std::io::ErrorKind::PermissionDenied => {
            "this user may not use its socket: join the group `docker`, or use a rootless engine"
        }
        std::io::ErrorKind::ConnectionRefused => "the socket is there and nobody listens: start the engine",
        _ => "check DOCKER_HOST",
    }
}

/// What to do when a registry would not have the engine.
fn advice(message: &str) -> &'static str {
    let text = message.to_lowercase();
    if ["unauthorized", "denied", "authentication required", "no basic auth"].iter().any(|word| text.contains(word)) {
        ": run `docker login` for its registry, or ask for the right to push"
    } else {
        ""
    }
}

/// What the engine said, fit for one line of a terminal.
fn one_line(text: &str) -> String {
    const SHOWN: usize = 2000;
    text.trim().chars().take(SHOWN).map(|character| if character.is_control() { ' ' } else { character }).collect()
}
