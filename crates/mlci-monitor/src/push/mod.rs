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

use reqwest::{Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};

pub use self::{error::Error, gauges::Gauges, group::Group};

const USERNAME: &str = "MLCI_PUSHGATEWAY_USERNAME";
const PASSWORD: &str = "MLCI_PUSHGATEWAY_PASSWORD";
const TOKEN: &str = "MLCI_PUSHGATEWAY_TOKEN";
/// Of an answer, about so many bytes are read.
const MOST: usize = 64 << 10;

/// A Pushgateway. Its `Debug` shows no credentials.
#[derive(Debug, Clone)]
pub struct Pushgateway {
    client: reqwest::Client,
    base: Url,
    auth: Auth,
    timeout: Duration,
}

#[derive(Debug, Clone)]
enum Auth {
    None,
    Basic { user: String, password: SecretString },
    Bearer(SecretString),
}

impl Pushgateway {
    /// The gateway at `http://HOST:PORT` or `https://HOST/PREFIX`. Nothing is sent. A push may take 2 s, see
    /// [`Pushgateway::timeout`].
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Setup`].
    pub fn new(address: &str) -> Result<Self, Error> {
        let base = Url::parse(address).map_err(|error| Error::Address { rule: error.to_string() })?;
        let rule = if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            "write http://HOST:PORT or https://HOST/PREFIX"
        } else if !base.username().is_empty() || base.password().is_some() {
            "it has a user or password in it; they go into MLCI_PUSHGATEWAY_USERNAME and MLCI_PUSHGATEWAY_PASSWORD"
        } else {
            ""
        };
        if !rule.is_empty() {
            return Err(Error::Address { rule: rule.to_owned() });
        }
        let mut client = reqwest::Client::builder();
        if base.scheme() == "http" {
            // Nothing is redirected, so no certificate is ever looked at; small containers have none.
            client = client.tls_certs_only(std::iter::empty());
        }
        // A redirected POST would arrive as GET.
        let client = client.redirect(redirect::Policy::none()).retry(reqwest::retry::never()).build();
        let client = client.map_err(|error| Error::Setup(error.into()))?;
        Ok(Self { client, base, auth: Auth::None, timeout: Duration::from_secs(2) })
    }

    /// Takes credentials from `MLCI_PUSHGATEWAY_USERNAME` and `MLCI_PUSHGATEWAY_PASSWORD` (HTTP Basic), or
    /// `MLCI_PUSHGATEWAY_TOKEN` (bearer). Empty variables count as unset.
    ///
    /// # Errors
    /// [`Error::Credentials`] where one of a pair is missing, or a token could stand in no header.
    pub fn variables(mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let get = |name| lookup(name).filter(|value| !value.is_empty());
        self.auth = match (get(USERNAME), get(PASSWORD), get(TOKEN)) {
            (Some(user), Some(password), _) => Auth::Basic { user, password: password.into() },
            (Some(_), None, _) => return Err(Error::Credentials { rule: "there is a user, but no password" }),
            (None, Some(_), _) => return Err(Error::Credentials { rule: "there is a password, but no user" }),
            (None, None, Some(token)) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(Error::Credentials { rule: "a token has no spaces, line ends or non-ASCII characters" });
            }
            (None, None, Some(token)) => Auth::Bearer(token.into()),
            (None, None, None) => Auth::None,
        };
        Ok(self)
    }

    /// How long a push may take, from connecting to the end of the answer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Pushes gauges: those of the same name in the group are replaced as a whole, others stay. One request, which the
    /// gateway takes or refuses as a whole; it is not tried again.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`], [`Error::Other`] for what is no Pushgateway.
    pub async fn push(&self, group: &Group, gauges: &Gauges) -> Result<(), Error> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(group.segments());
        }
        let shown = url.to_string();
        let lost =
            |source: reqwest::Error| Error::Unreachable { url: shown.clone(), source: source.without_url().into() };
        let request = self.client.post(url).timeout(self.timeout).body(gauges.text());
        let request = match &self.auth {
            Auth::None => request,
            Auth::Basic { user, password } => request.basic_auth(user, Some(password.expose_secret())),
            Auth::Bearer(token) => request.bearer_auth(token.expose_secret()),
        };
        let mut answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        // As much as is worth reading of what a stranger may send without end.
        let mut body = Vec::new();
        while body.len() < MOST {
            let Some(chunk) = answer.chunk().await.map_err(lost)? else { break };
            body.extend_from_slice(&chunk);
        }
        error::judge(shown.clone(), status.as_u16(), &body)
    }
}

#[cfg(test)]
mod tests;
