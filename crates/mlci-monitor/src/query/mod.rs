//! Asks a Prometheus, or what speaks its HTTP API.
//!
//! ```no_run
//! use mlci_monitor::query::Prometheus;
//!
//! # async fn ask() -> Result<(), mlci_monitor::query::Error> {
//! let prometheus = Prometheus::new("http://127.0.0.1:9090")?.variables(|name| std::env::var(name).ok())?;
//! for sample in prometheus.query("sum by (status) (mlci_http_requests_total)").await? {
//!     println!("{:?} {}", sample.labels, sample.value);
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod error;

use std::time::Duration;

pub use self::error::Error;
pub use crate::canary::Sample;
use crate::http::{Names, Server, send};

const NAMES: Names = Names {
    username: "MLCI_PROMETHEUS_USERNAME",
    password: "MLCI_PROMETHEUS_PASSWORD",
    token: "MLCI_PROMETHEUS_TOKEN",
    rule: "it has a user or password in it; they go into MLCI_PROMETHEUS_USERNAME and MLCI_PROMETHEUS_PASSWORD",
};
/// What is asked here has few series.
const MOST: usize = 1 << 20;

/// A Prometheus. Its `Debug` shows no credentials.
#[derive(Debug, Clone)]
pub struct Prometheus(Server);

impl Prometheus {
    /// The server at `http://HOST:PORT` or `https://HOST/PREFIX`, the address that `/api/v1/query` is put behind. Nothing
    /// is sent. A question may take 5 s, see [`Prometheus::timeout`].
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Setup`].
    pub fn new(address: &str) -> Result<Self, Error> {
        Ok(Self(Server::new(address, NAMES, Duration::from_secs(5))?))
    }

    /// Takes credentials from `MLCI_PROMETHEUS_USERNAME` and `MLCI_PROMETHEUS_PASSWORD` (HTTP Basic), or
    /// `MLCI_PROMETHEUS_TOKEN` (bearer). Empty variables count as unset.
    ///
    /// # Errors
    /// [`Error::Credentials`] where one of a pair is missing, or a token could stand in no header.
    pub fn variables(self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        Ok(Self(self.0.variables(lookup)?))
    }

    /// How long a question may take, from connecting to the end of the answer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// What a PromQL expression gives now: the samples of a vector, or a scalar as one sample without labels. One
    /// request, which changes nothing; to drop the future gives it up.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::Refused`], with the server's words, such as where in the expression a fault is;
    /// [`Error::Answer`] for what is no answer, of another kind, longer than 1 MiB, or comes with a warning that it is
    /// not whole.
    pub async fn query(&self, expression: &str) -> Result<Vec<Sample>, Error> {
        let url = self.0.url(["api", "v1", "query"].map(str::to_owned));
        let shown = url.to_string();
        let mut form = url.clone();
        form.query_pairs_mut().clear().append_pair("query", expression);
        let body = form.query().unwrap_or_default().to_owned();
        let request = self.0.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        let seconds = self.0.timeout.as_secs_f64();
        let lost = |source: reqwest::Error| Error::Unreachable { url: shown.clone(), seconds, source: source.into() };
        let reply = send(request, MOST).await.map_err(lost)?;
        answer::read(shown, reply.status, &reply.body)
    }
}

#[cfg(test)]
mod tests;
