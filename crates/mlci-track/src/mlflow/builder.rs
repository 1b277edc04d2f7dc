use std::{fmt, time::Duration};

use reqwest::{Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};

use crate::mlflow::{
    Client, Error, Result,
    http::{Auth, Http},
};

/// Settings for a [`Client`]. Nothing is checked before [`ClientBuilder::build`].
#[derive(Clone)]
#[must_use = "a builder does nothing before `build`"]
pub struct ClientBuilder {
    uri: Option<String>,
    user: Option<String>,
    password: Option<SecretString>,
    token: Option<SecretString>,
    insecure_tls: bool,
    timeout: Duration,
    retries: u32,
}

impl ClientBuilder {
    pub(crate) const fn new() -> Self {
        Self {
            uri: None,
            user: None,
            password: None,
            token: None,
            insecure_tls: false,
            timeout: Duration::from_secs(30),
            retries: 4,
        }
    }

    /// Takes what MLflow's own client takes from the environment; empty variables count as unset.
    ///
    /// `MLFLOW_TRACKING_URI`, `MLFLOW_TRACKING_USERNAME`, `MLFLOW_TRACKING_PASSWORD`, `MLFLOW_TRACKING_TOKEN`,
    /// `MLFLOW_TRACKING_INSECURE_TLS` (`true` or `1`). What is not set leaves the builder as it is.
    pub fn variables(mut self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| lookup(name).filter(|value| !value.is_empty());
        self.uri = get("MLFLOW_TRACKING_URI").or(self.uri);
        self.user = get("MLFLOW_TRACKING_USERNAME").or(self.user);
        self.password = get("MLFLOW_TRACKING_PASSWORD").map(SecretString::from).or(self.password);
        self.token = get("MLFLOW_TRACKING_TOKEN").map(SecretString::from).or(self.token);
        if let Some(value) = get("MLFLOW_TRACKING_INSECURE_TLS") {
            self.insecure_tls = matches!(value.as_str(), "1" | "true" | "True" | "TRUE");
        }
        self
    }

    /// The server's address, such as `http://127.0.0.1:5000` or `https://host/team/mlflow`. A user and password in it
    /// (`https://user:password@host`) are credentials, where none are given otherwise, and appear nowhere else.
    pub fn tracking_uri(mut self, uri: impl Into<String>) -> Self {
        self.uri = Some(uri.into());
        self
    }

    /// Asks for entry by user and password (HTTP Basic). They count before a token, as in MLflow's own client.
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self.password = Some(SecretString::from(password.into()));
        self
    }

    /// Asks for entry by a bearer token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(SecretString::from(token.into()));
        self
    }

    /// Takes any certificate. Only for tests: whoever stands between can read and change everything.
    pub const fn insecure_tls(mut self, insecure: bool) -> Self {
        self.insecure_tls = insecure;
        self
    }

    /// How long one request may take, 30 s by default; an upload gets a second more for every MiB.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a request is tried again that got no answer, 429 or 5xx: 4 times by default, after 0.2 s, 0.4 s, 0.8 s
    /// and 1.6 s, each with up to as much jitter, or when the server's `Retry-After` says, if that is within a minute.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Checks the settings. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::NoUri`], [`Error::Uri`], [`Error::Credentials`], [`Error::Setup`].
    pub fn build(self) -> Result<Client> {
        let mut base = parse(self.uri.as_deref().ok_or(Error::NoUri)?)?;
        let auth = match (self.user, self.password, self.token) {
            (Some(user), Some(password), _) => Auth::Basic { user, password },
            (Some(_), None, _) => return Err(Error::Credentials { rule: "there is a user, but no password" }),
            (None, Some(_), _) => return Err(Error::Credentials { rule: "there is a password, but no user" }),
            (None, None, Some(token)) => {
                // What no header can hold would come up only with the first request.
                if !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(Error::Credentials {
                        rule: "a token has no spaces, line ends or non-ASCII characters",
                    });
                }
                Auth::Bearer(token)
            }
            (None, None, None) => from_uri(&base)?,
        };
        // http and https addresses can lose their credentials.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        let mut client = reqwest::Client::builder();
        if base.scheme() == "http" {
            // Nothing is redirected, so no certificate is ever looked at; small containers have none.
            client = client.tls_certs_only(std::iter::empty());
        }
        let client = client
            .user_agent(concat!("mlci-track/", env!("CARGO_PKG_VERSION")))
            // A redirected POST would arrive as GET.
            .redirect(redirect::Policy::none())
            // Retries are counted in one place, and said in the error.
            .retry(reqwest::retry::never())
            .connect_timeout(self.timeout.min(Duration::from_secs(10)))
            .tls_danger_accept_invalid_certs(self.insecure_tls)
            .build()
            .map_err(|error| Error::Setup(error.into()))?;
        Ok(Client::new(Http { client, base, auth, timeout: self.timeout, retries: self.retries }))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("uri", &self.uri.as_deref().map(redact))
            .field("user", &self.user)
            .field("password", &self.password)
            .field("token", &self.token)
            .field("insecure_tls", &self.insecure_tls)
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .finish()
    }
}

fn parse(text: &str) -> Result<Url> {
    let error = |rule| Error::Uri { uri: redact(text), rule };
    let url = Url::parse(text.trim()).map_err(|_| error("it is no URL; begin it with http:// or https://"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(error("only a server is supported; begin it with http:// or https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(error("leave out what follows `?` or `#`"));
    }
    Ok(url)
}

fn from_uri(url: &Url) -> Result<Auth> {
    match (url.username(), url.password()) {
        ("", None) => Ok(Auth::None),
        ("", Some(_)) => Err(Error::Credentials { rule: "the tracking URI has a password, but no user" }),
        (_, None) => Err(Error::Credentials { rule: "the tracking URI has a user, but no password" }),
        (user, Some(password)) => {
            let decode = |text| decode(text).ok_or(Error::Credentials { rule: "user and password must be UTF-8" });
            Ok(Auth::Basic { user: decode(user)?, password: SecretString::from(decode(password)?) })
        }
    }
}

/// Percent-decoding (RFC 3986 §2.1).
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(u8::try_from(high * 16 + low).ok()?);
                rest = rest.get(3..)?;
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// An address without what may be credentials, also where it is no valid one.
fn redact(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{after}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(auth: &Auth) -> String {
        match auth {
            Auth::None => "none".to_owned(),
            Auth::Basic { user, password } => format!("{user} {}", password.expose_secret()),
            Auth::Bearer(token) => token.expose_secret().to_owned(),
        }
    }

    /// The address, and the credentials that are sent.
    #[track_caller]
    fn check(variables: &[(&str, &str)], uri: &str, credentials: &str) {
        let lookup = |name: &str| variables.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned());
        let client = Client::builder().variables(lookup).build().unwrap();
        assert_eq!(client.http.base.as_str(), uri);
        assert_eq!(secrets(&client.http.auth), credentials);
        let shown = format!("{client:?} {:?}", Client::builder().variables(lookup));
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_the_variables_say() {
        let uri = ("MLFLOW_TRACKING_URI", "http://h:1/team/mlflow");
        check(&[uri, ("MLFLOW_TRACKING_TOKEN", "")], "http://h:1/team/mlflow", "none");
        check(&[uri, ("MLFLOW_TRACKING_TOKEN", "s3cret")], "http://h:1/team/mlflow", "s3cret");
        let user = ("MLFLOW_TRACKING_USERNAME", "ann");
        let password = ("MLFLOW_TRACKING_PASSWORD", "s3cret");
        check(&[uri, user, password, ("MLFLOW_TRACKING_TOKEN", "t")], "http://h:1/team/mlflow", "ann s3cret");
        let uri = ("MLFLOW_TRACKING_URI", "https://b%40b:s3cret%21@h");
        check(&[uri], "https://h/", "b@b s3cret!");
        check(&[uri, user, password], "https://h/", "ann s3cret");
    }

    #[test]
    fn bad_settings_are_named_without_their_secrets() {
        let builder = Client::builder;
        for (builder, part) in [
            (builder(), "MLFLOW_TRACKING_URI"),
            (builder().tracking_uri("sqlite:///s3cret@mlflow.db"), "only a server"),
            (builder().tracking_uri("127.0.0.1:5000"), "http://"),
            (builder().tracking_uri("http://u:s3cret@h:port"), "no URL"),
            (builder().tracking_uri("http://h/#/experiments/1"), "`#`"),
            (builder().tracking_uri("http://s3cret@h"), "no password"),
            (builder().tracking_uri("http://:s3cret@h"), "no user"),
            (builder().tracking_uri("http://h").token("s3cret\n"), "line ends"),
            (
                builder().tracking_uri("http://h").variables(|name| (name.ends_with("USERNAME")).then(|| "u".into())),
                "no password",
            ),
        ] {
            let error = builder.build().unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(part) && !text.contains("s3cret"), "{text}");
        }
    }
}
