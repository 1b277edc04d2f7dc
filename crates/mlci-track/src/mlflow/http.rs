use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use crate::{
    error::short,
    mlflow::{Error, Result, error::Call},
};

/// How a client asks for entry.
#[derive(Debug)]
pub(crate) enum Auth {
    None,
    Basic { user: String, password: SecretString },
    Bearer(SecretString),
}

/// Requests to one server, with retries and with errors that say what was tried.
pub(crate) struct Http {
    pub(crate) client: reqwest::Client,
    /// The tracking URI without credentials.
    pub(crate) base: Url,
    pub(crate) auth: Auth,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
}

/// A request that can be sent again.
pub(crate) struct Request {
    method: Method,
    url: Url,
    body: Option<(&'static str, Bytes)>,
}

impl Http {
    /// An address below the tracking URI, whose own path stays in front. Segments are percent-encoded.
    pub(crate) fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        // Only addresses without a host have no segments, and those are refused when the client is built.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    fn api(&self, path: &str) -> Url {
        self.url(["api", "2.0", "mlflow"].into_iter().chain(path.split('/')))
    }

    /// A call that reads: the path below `/api/2.0/mlflow/` and the query.
    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> Request {
        let mut url = self.api(path);
        url.query_pairs_mut().extend_pairs(query);
        Request { method: Method::GET, url, body: None }
    }

    /// A call with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &impl Serialize) -> Result<Request> {
        let url = self.api(path);
        let call = || Call { method: "POST", url: url.to_string() };
        // Texts and numbers can always be written.
        let body = serde_json::to_vec(body).map_err(|source| Error::Answer { call: call(), source })?;
        Ok(Request { method: Method::POST, body: Some(("application/json", body.into())), url })
    }

    /// A call that reads bytes.
    pub(crate) const fn read(&self, url: Url) -> Request {
        Request { method: Method::GET, url, body: None }
    }

    /// A call that writes bytes.
    pub(crate) const fn write(&self, url: Url, bytes: Bytes) -> Request {
        Request { method: Method::PUT, url, body: Some(("application/octet-stream", bytes)) }
    }

    /// Sends a request that does no harm when it arrives twice, and reads the answer as JSON.
    pub(crate) async fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        self.retrying(|| self.once(request)).await
    }

    /// Sends a request that does no harm when it arrives twice, and hands back the answer.
    pub(crate) async fn bytes(&self, request: &Request) -> Result<Bytes> {
        self.retrying(|| self.send(request)).await
    }

    /// One try, for a part of something that is retried as a whole.
    pub(crate) async fn once<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        let body = self.send(request).await?;
        serde_json::from_slice(&body).map_err(|source| match source.classify() {
            Category::Data => Error::Answer { call: request.call(), source },
            // Some proxies answer everything with their own page and 200.
            _ => request.other(&body),
        })
    }

    /// Tries again what did not get through, as often as the settings say.
    pub(crate) async fn retrying<T, F: Future<Output = Result<T>>>(&self, attempt: impl Fn() -> F) -> Result<T> {
        const LONGEST_WISH: Duration = Duration::from_secs(60);
        let count = AtomicU32::new(0);
        let backoff = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(10))
            .with_max_times(self.retries as usize)
            .with_jitter();
        let counted = || {
            count.fetch_add(1, Ordering::Relaxed);
            attempt()
        };
        counted
            .retry(backoff)
            .when(Error::is_transient)
            .adjust(|error, wait| match error {
                Error::Server { retry_after: Some(wish), .. } if *wish > LONGEST_WISH => None,
                Error::Server { retry_after: Some(wish), .. } => wait.map(|wait| wait.max(*wish)),
                _ => wait,
            })
            .await
            .map_err(|mut error| {
                error.set_attempts(count.load(Ordering::Relaxed));
                error
            })
    }

    async fn send(&self, request: &Request) -> Result<Bytes> {
        // reqwest's errors name the address, which the call does already.
        let lost = |source: reqwest::Error| Error::Unreachable {
            call: request.call(),
            server: self.base.to_string(),
            attempts: 1,
            source: source.without_url().into(),
        };
        let mut builder = self.client.request(request.method.clone(), request.url.clone());
        builder = match &self.auth {
            Auth::None => builder,
            Auth::Basic { user, password } => builder.basic_auth(user, Some(password.expose_secret())),
            Auth::Bearer(token) => builder.bearer_auth(token.expose_secret()),
        };
        let mut timeout = self.timeout;
        if let Some((kind, body)) = &request.body {
            timeout += Duration::from_secs(body.len() as u64 >> 20);
            builder = builder.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        let answer = builder.timeout(timeout).send().await.map_err(lost)?;
        let (status, retry_after) = (answer.status(), retry_after(&answer));
        let redirect = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(short);
        let body = answer.bytes().await.map_err(lost)?;
        if status.is_success() { Ok(body) } else { Err(request.error(status, &body, retry_after, redirect)) }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("base", &self.base.as_str())
            .field("auth", &self.auth)
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

impl Request {
    fn call(&self) -> Call {
        let method = match self.method {
            Method::GET => "GET",
            Method::PUT => "PUT",
            _ => "POST",
        };
        Call { method, url: self.url.to_string() }
    }

    /// The error for an answer that came with 200 and is not what was asked for.
    pub(crate) fn other(&self, body: &[u8]) -> Error {
        Error::NotMlflow { call: self.call(), status: 200, what: what(body) }
    }

    fn error(&self, status: StatusCode, body: &[u8], retry_after: Option<Duration>, redirect: Option<String>) -> Error {
        #[derive(Deserialize)]
        struct Refusal {
            error_code: String,
            #[serde(default)]
            message: String,
        }

        let call = self.call();
        let refusal = serde_json::from_slice::<Refusal>(body).ok();
        let message = || match &refusal {
            Some(refusal) => text(&refusal.message),
            None => page(body).unwrap_or_else(|| text(&String::from_utf8_lossy(body))),
        };
        let again = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        if again || status == StatusCode::TOO_MANY_REQUESTS {
            return Error::Server { call, status: status.as_u16(), message: message(), retry_after, attempts: 1 };
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Error::Denied { call, status: status.as_u16(), message: message() };
        }
        match refusal {
            Some(refusal) => {
                let (code, message) = (short(&refusal.error_code), text(&refusal.message));
                Error::Refused { call, status: status.as_u16(), code, message }
            }
            None => {
                let what = redirect.map_or_else(|| what(body), |address| format!("a redirect to {address}"));
                Error::NotMlflow { call, status: status.as_u16(), what }
            }
        }
    }
}

fn what(body: &[u8]) -> String {
    page(body).unwrap_or_else(|| match text(&String::from_utf8_lossy(body)) {
        text if text.is_empty() => "nothing".to_owned(),
        text => format!("`{text}`"),
    })
}

/// What an HTML page is called, if it is one.
fn page(body: &[u8]) -> Option<String> {
    const TITLE: &str = "<title";
    // A title stands near the beginning.
    let head = String::from_utf8_lossy(body.get(..4096).unwrap_or(body));
    let lower = head.to_ascii_lowercase();
    if !(lower.contains("<html") || lower.contains("<!doctype")) {
        return None;
    }
    let title = lower.find(TITLE).and_then(|start| {
        // Lower-casing ASCII moves no byte.
        let (_, rest) = head.get(start + TITLE.len()..)?.split_once('>')?;
        let (title, _) = rest.split_once('<')?;
        Some(text(&title.split_whitespace().collect::<Vec<_>>().join(" ")))
    });
    Some(title.map_or("an HTML page without a title".to_owned(), |title| format!("an HTML page titled `{title}`")))
}

/// A server's text for a message: escaped, so that it cannot meddle with a terminal, and of readable length.
fn text(text: &str) -> String {
    const LIMIT: usize = 500;
    let mut cut: String = text.trim().chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if text.trim().chars().nth(LIMIT).is_some() {
        cut.push('…');
    }
    cut
}

/// The header in both its forms (RFC 9110 §10.2.3): seconds, or a date.
fn retry_after(answer: &Response) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlflow::Client;

    /// Case A7, for the addresses themselves.
    #[test]
    fn the_prefix_stays_and_segments_are_encoded() {
        for uri in ["http://h:1/team/mlflow", "http://h:1/team/mlflow/"] {
            let client = Client::builder().tracking_uri(uri).build().unwrap();
            let url = client.http.get("runs/get", &[("run_id", "a&b")]).url;
            assert_eq!(url.as_str(), "http://h:1/team/mlflow/api/2.0/mlflow/runs/get?run_id=a%26b");
            assert_eq!(client.http.url(["a b", "ä#?%"]).as_str(), "http://h:1/team/mlflow/a%20b/%C3%A4%23%3F%25");
        }
    }

    #[test]
    fn pages_are_told_by_their_title() {
        for (body, what) in [
            (
                "<!doctype html>\n<html><Title lang=en>\n 404 Not\n Found</title>",
                Some("an HTML page titled `404 Not Found`"),
            ),
            ("<html><body>x", Some("an HTML page without a title")),
            ("<HTML><TITLE>\u{1b}[2J</TITLE>", Some("an HTML page titled `\\u{1b}[2J`")),
            ("{\"error_code\":\"X\"}", None),
            ("Invalid Host header", None),
        ] {
            assert_eq!(page(body.as_bytes()).as_deref(), what, "{body}");
        }
    }
}
