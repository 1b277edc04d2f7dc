use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use http_body_util::BodyExt as _;

use crate::{input, refusal::Refusal};

/// How much a request may send, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 20, time: Duration::from_secs(30) }
    }
}

/// The formats that bodies come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Csv,
}

/// The format that the request states; JSON where it states none.
pub(crate) fn media(headers: &HeaderMap, csv: bool) -> Result<Media, Refusal> {
    let expected = if csv { "application/json or text/csv, in UTF-8" } else { "application/json, in UTF-8" };
    let refuse = |header: &str, got: &str| {
        let text = format!("the {header} is `{}`, expected {expected}", input::shorten(got));
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).field(header).expected(expected)
    };
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());

    if let Some(encoding) = text(header::CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
        return Err(refuse("content-encoding", &encoding));
    }
    let Some(stated) = text(header::CONTENT_TYPE) else { return Ok(Media::Json) };
    let mut parts = stated.split(';').map(str::trim);
    let media = match parts.next().unwrap_or_default() {
        "application/json" => Media::Json,
        "text/csv" if csv => Media::Csv,
        _ => return Err(refuse("content-type", &stated)),
    };
    let charsets = parts.filter_map(|part| part.strip_prefix("charset="));
    for charset in charsets.map(|charset| charset.trim_matches('"')) {
        if !matches!(charset, "utf-8" | "utf8" | "us-ascii") {
            return Err(refuse("content-type", &stated));
        }
    }
    Ok(media)
}

/// Reads a body within `limits`.
///
/// A body that comes in one piece, as most do, is not copied.
pub(crate) async fn read(head: &Parts, mut body: Body, limits: Limits) -> Result<Bytes, Refusal> {
    let declared = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > limits.bytes as u64) {
        discard(head, body, limits).await;
        return Err(oversized(limits));
    }
    let collect = async {
        let mut first = Bytes::new();
        let mut rest: Vec<u8> = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refusal::input(format!("the body broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.len() + rest.len() + data.len() > limits.bytes {
                return Ok(None);
            }
            if first.is_empty() && rest.is_empty() {
                first = data;
                continue;
            }
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
        Ok(Some(if rest.is_empty() { first } else { rest.into() }))
    };
    match tokio::time::timeout(limits.time, collect).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => {
            discard(head, body, limits).await;
            Err(oversized(limits))
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => {
            let seconds = limits.time.as_secs_f64();
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, format!("the body was not complete within {seconds} s")))
        }
    }
}

/// Reads a body that is of no use and throws it away, within reason.
///
/// What is unread when a connection closes resets it, and the client never sees why it was refused.
pub(crate) async fn discard(head: &Parts, mut body: Body, limits: Limits) {
    // A client that asks before it sends is answered at once; reading would tell it to go on.
    if head.headers.contains_key(header::EXPECT) {
        return;
    }
    let mut left = limits.bytes.saturating_mul(4);
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // Too slow is as good as too much.
    let _ = tokio::time::timeout(limits.time, rest).await;
}

fn oversized(limits: Limits) -> Refusal {
    let expected = format!("at most {} bytes", limits.bytes);
    let text = format!("the body is larger than {} bytes: send fewer rows at a time", limits.bytes);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text).expected(&expected)
}
