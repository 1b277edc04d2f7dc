//! The few HTTP requests that verify a deployment; what they talk to is on loopback or named by the user.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::error::{Context as _, Error, Result};

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Sends one request and reads the whole reply, all within `limit`.
pub(crate) async fn send(method: Method, url: &str, json: Option<Vec<u8>>, limit: Duration) -> Result<Reply> {
    send_with(method, url, &[], json, limit).await
}

/// As [`send`], with more headers.
pub(crate) async fn send_with(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    json: Option<Vec<u8>>,
    limit: Duration,
) -> Result<Reply> {
    let shown = format!("{method} {url}");
    let mut request = Request::builder().method(method).uri(url).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request =
        request.body(Full::new(Bytes::from(json.unwrap_or_default()))).context(|| format!("`{url}` is no address"))?;
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let reply = client.request(request).await.context(|| format!("{shown} got no answer"))?;
        let (parts, body) = reply.into_parts();
        let body = body.collect().await.context(|| format!("the answer to {shown} broke off"))?.to_bytes();
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    };
    tokio::time::timeout(limit, exchange)
        .await
        .unwrap_or_else(|_| Err(Error::fail(format!("{shown} got no answer within {} s", limit.as_secs_f64()))))
}

impl Reply {
    /// A header's text, empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
