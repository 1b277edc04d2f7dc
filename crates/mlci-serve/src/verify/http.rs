//! One request on a connection of its own.

use std::{pin::pin, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{Address, VerifyError};
use crate::VERIFICATION_HEADER;

/// The largest reply that is read.
const BYTES: usize = 16 << 20;
/// How much of a refusal is told.
pub(super) const SHOWN: usize = 500;

/// A reply, read to its end.
#[derive(Debug)]
pub(super) struct Reply {
    /// Method and address of what was asked.
    pub(super) request: String,
    pub(super) body: Bytes,
    status: StatusCode,
    headers: HeaderMap,
}

impl Reply {
    /// A header's text, empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn success(self) -> Result<Self, VerifyError> {
        if self.status == StatusCode::OK {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body);
        let body = body.chars().take(SHOWN).map(|char| if char.is_control() { ' ' } else { char }).collect();
        Err(VerifyError::Status { request: self.request, status: self.status.as_u16(), body })
    }
}

pub(super) async fn get(address: &Address, path: &str, limit: Duration) -> Result<Reply, VerifyError> {
    send(Method::GET, address, path, String::new(), limit).await
}

pub(super) async fn post(address: &Address, path: &str, json: String, limit: Duration) -> Result<Reply, VerifyError> {
    send(Method::POST, address, path, json, limit).await
}

async fn send(
    method: Method,
    address: &Address,
    path: &str,
    json: String,
    limit: Duration,
) -> Result<Reply, VerifyError> {
    let shown = format!("{method} {address}{path}");
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", address.prefix))
        .header(header::HOST, address.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        // Golden rows are no traffic.
        .header(VERIFICATION_HEADER, "golden")
        .body(Full::new(Bytes::from(json)));
    let exchange = async {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = request?;
        let mut reply = pin!(async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, BYTES).collect().await?.to_bytes();
            Ok((parts, body))
        });
        tokio::select! {
            reply = &mut reply => reply,
            // What went wrong on it the reply says too; what has come already is still to be read.
            _ = connection => reply.await,
        }
    };
    match timeout(limit, exchange).await {
        Ok(Ok((parts, body))) => Ok(Reply { request: shown, status: parts.status, headers: parts.headers, body }),
        Ok(Err(source)) => Err(VerifyError::NoAnswer { request: shown, source }),
        Err(_) => Err(VerifyError::Late { request: shown, limit }),
    }
}
