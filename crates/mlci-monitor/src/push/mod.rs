//! Pushes to a Prometheus Pushgateway, for work that is over before anybody scrapes it.
//!
//! ```no_run
//! use mlci_monitor::push::{Gauges, Group, Pushgateway};
//!
//! # async fn push() -> Result<(), mlci_monitor::push::Error> {
//! let gateway = Pushgateway::new("http://127.0.0.1:9091")?.variables(|name| std::env::var(name).ok())?;
//! let mut gauges = Gauges::default();
//! gauges.set("training_duration_seconds", "How long training took", &[("algorithm", "ols")], 3.5);
//! gateway.push(&Group::new("nightly").label("project", "wine"), &gauges).await?;
//! # Ok(())
//! # }
//! ```

mod error;
mod gauges;
mod group;

use std::time::Duration;

pub use self::{error::Error, gauges::Gauges, group::Group};
use crate::http::{Names, Server, send};

const USERNAME: &str = "MLCI_PUSHGATEWAY_USERNAME";
const PASSWORD: &str = "MLCI_PUSHGATEWAY_PASSWORD";
const TOKEN: &str = "MLCI_PUSHGATEWAY_TOKEN";
const NAMES: Names = Names {
    username: USERNAME,
    password: PASSWORD,
    token: TOKEN,
    rule: "it has a user or password in it; they go into MLCI_PUSHGATEWAY_USERNAME and MLCI_PUSHGATEWAY_PASSWORD",
};
/// Of an answer, about so many bytes are read.
const MOST: usize = 64 << 10;

/// A Pushgateway. Its `Debug` shows no credentials.
#[derive(Debug, Clone)]
pub struct Pushgateway(Server);

impl Pushgateway {
    /// The gateway at `http://HOST:PORT` or `https://HOST/PREFIX`. Nothing is sent. A push may take 2 s, see
    /// [`Pushgateway::timeout`].
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Setup`].
    pub fn new(address: &str) -> Result<Self, Error> {
        Ok(Self(Server::new(address, NAMES, Duration::from_secs(2))?))
    }

    /// Takes credentials from `MLCI_PUSHGATEWAY_USERNAME` and `MLCI_PUSHGATEWAY_PASSWORD` (HTTP Basic), or
    /// `MLCI_PUSHGATEWAY_TOKEN` (bearer). Empty variables count as unset.
    ///
    /// # Errors
    /// [`Error::Credentials`] where one of a pair is missing, or a token could stand in no header.
    pub fn variables(self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        Ok(Self(self.0.variables(lookup)?))
    }

    /// How long a push may take, from connecting to the end of the answer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Pushes gauges: those of the same name in the group are replaced as a whole, others stay. One request, which the
    /// gateway takes or refuses as a whole; it is not tried again.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`], [`Error::Other`] for what is no Pushgateway.
    pub async fn push(&self, group: &Group, gauges: &Gauges) -> Result<(), Error> {
        let url = self.0.url(group.segments());
        let shown = url.to_string();
        let reply = send(self.0.post(url).body(gauges.text()), MOST).await;
        let reply = reply.map_err(|source| Error::Unreachable { url: shown.clone(), source: source.into() })?;
        error::judge(shown, reply.status, &reply.body)
    }
}

#[cfg(test)]
mod tests;
