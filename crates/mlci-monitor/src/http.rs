//! What the clients of Prometheus' servers have in common: an address, credentials from variables, one request.

use std::time::Duration;

use reqwest::{RequestBuilder, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};

/// The variables that hold credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
    pub(crate) token: &'static str,
    /// What to say of an address that holds them.
    pub(crate) rule: &'static str,
}

/// Why there is no client.
#[derive(Debug)]
pub(crate) enum Fault {
    Address { rule: String },
    Credentials { rule: &'static str },
    Setup(Box<dyn std::error::Error + Send + Sync>),
}

/// Tells an error of a client apart from that of another.
macro_rules! from_fault {
    ($error:ty) => {
        impl From<crate::http::Fault> for $error {
            fn from(fault: crate::http::Fault) -> Self {
                match fault {
                    crate::http::Fault::Address { rule } => Self::Address { rule },
                    crate::http::Fault::Credentials { rule } => Self::Credentials { rule },
                    crate::http::Fault::Setup(source) => Self::Setup(source),
                }
            }
        }
    };
}
pub(crate) use from_fault;

/// A server of Prometheus' family. Its `Debug` shows no credentials.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    client: reqwest::Client,
    pub(crate) base: Url,
    auth: Auth,
    names: Names,
    pub(crate) timeout: Duration,
}

#[derive(Debug, Clone)]
enum Auth {
    None,
    Basic { user: String, password: SecretString },
    Bearer(SecretString),
}

/// What a server answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Server {
    /// The server at `http://HOST:PORT` or `https://HOST/PREFIX`. Nothing is sent.
    pub(crate) fn new(address: &str, names: Names, timeout: Duration) -> Result<Self, Fault> {
        let base = Url::parse(address).map_err(|error| Fault::Address { rule: error.to_string() })?;
        let rule = if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            "write http://HOST:PORT or https://HOST/PREFIX"
        } else if !base.username().is_empty() || base.password().is_some() {
            names.rule
        } else {
            ""
        };
        if !rule.is_empty() {
            return Err(Fault::Address { rule: rule.to_owned() });
        }
        let mut client = reqwest::Client::builder();
        if base.scheme() == "http" {
            // Nothing is redirected, so no certificate is ever looked at; small containers have none.
            client = client.tls_certs_only(std::iter::empty());
        }
        // A redirected POST would arrive as GET.
        let client = client.redirect(redirect::Policy::none()).retry(reqwest::retry::never()).build();
        let client = client.map_err(|error| Fault::Setup(error.into()))?;
        Ok(Self { client, base, auth: Auth::None, names, timeout })
    }

    /// Takes credentials from the variables. Empty ones count as unset.
    pub(crate) fn variables(mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let get = |name| lookup(name).filter(|value| !value.is_empty());
        self.auth = match (get(self.names.username), get(self.names.password), get(self.names.token)) {
            (Some(user), Some(password), _) => Auth::Basic { user, password: password.into() },
            (Some(_), None, _) => return Err(Fault::Credentials { rule: "there is a user, but no password" }),
            (None, Some(_), _) => return Err(Fault::Credentials { rule: "there is a password, but no user" }),
            (None, None, Some(token)) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(Fault::Credentials { rule: "a token has no spaces, line ends or non-ASCII characters" });
            }
            (None, None, Some(token)) => Auth::Bearer(token.into()),
            (None, None, None) => Auth::None,
        };
        Ok(self)
    }

    /// The address with these parts of a path behind it.
    pub(crate) fn url(&self, segments: impl IntoIterator<Item = String>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// A POST without its body.
    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        let request = self.client.post(url).timeout(self.timeout);
        match &self.auth {
            Auth::None => request,
            Auth::Basic { user, password } => request.basic_auth(user, Some(password.expose_secret())),
            Auth::Bearer(token) => request.bearer_auth(token.expose_secret()),
        }
    }
}

/// Sends a request once. Of the answer about `most` bytes are read: a stranger may send without end.
pub(crate) async fn send(request: RequestBuilder, most: usize) -> Result<Reply, reqwest::Error> {
    let mut answer = request.send().await.map_err(reqwest::Error::without_url)?;
    let (status, mut body) = (answer.status().as_u16(), Vec::new());
    while body.len() < most {
        let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? else { break };
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, body })
}

/// A server's text for a message: escaped, so that it cannot meddle with a terminal, and of readable length.
pub(crate) fn words(body: &[u8]) -> String {
    const LIMIT: usize = 200;
    let text = String::from_utf8_lossy(body);
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = one_line.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if one_line.chars().nth(LIMIT).is_some() {
        cut.push('…');
    }
    if cut.is_empty() { "no text".to_owned() } else { format!("`{cut}`") }
}
