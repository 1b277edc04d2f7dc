//! A stand-in for Google Cloud Storage: the part of its XML API that object_store calls, in memory.
//!
//! It is no proof of what Google's servers do. It shows that the product's own logic holds on a store with generations:
//! create-if-absent by `x-goog-if-generation-match: 0`, listings that see every write, deletes that are 404 the second
//! time. Source: Cloud Storage documentation, "XML API overview" and its reference. Left out: multipart uploads, signed
//! URLs, access control beyond one bearer token.

use std::{
    collections::BTreeMap,
    env,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use mlci_core::Digest;
use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// The largest object that is taken, in bytes.
const LIMIT: usize = 1 << 30;

#[derive(Clone)]
struct Object {
    bytes: Bytes,
    generation: u64,
    headers: Vec<(String, String)>,
}

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Object>,
    last: u64,
}

struct Server {
    token: String,
    bucket: String,
    content: Mutex<Bucket>,
}

/// Serves one bucket on a loopback port until the process ends. `LAB_GCS_TOKEN` has the bearer token.
///
/// # Errors
/// When the port is taken.
pub fn serve(port: u16, bucket: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Other(format!("no runtime: {error}")))?;
    let server = Arc::new(Server {
        token: env::var("LAB_GCS_TOKEN").unwrap_or_default(),
        bucket: bucket.to_owned(),
        content: Mutex::default(),
    });
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.map_err(|error| Error::Other(format!("cannot listen on {address}: {error}")))?;
        axum::serve(listener, Router::new().fallback(answer).with_state(server))
            .await
            .map_err(|error| Error::Other(error.to_string()))
    })
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let wanted = format!("Bearer {}", server.token);
    if parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(wanted.as_str()) {
        return failure(StatusCode::UNAUTHORIZED, "AuthenticationRequired");
    }
    // Decoded once: the client escapes every byte of a key that is no letter or digit.
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let (Some(bucket), Some(key)) = (decoded(bucket), decoded(key)) else {
        return failure(StatusCode::BAD_REQUEST, "InvalidURI");
    };
    if bucket != server.bucket {
        return failure(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let Ok(bytes) = to_bytes(body, LIMIT).await else {
        return failure(StatusCode::PAYLOAD_TOO_LARGE, "EntityTooLarge");
    };
    let mut content = server.content.lock().unwrap_or_else(PoisonError::into_inner);
    match parts.method {
        Method::GET if key.is_empty() => list(&content, parts.uri.query().unwrap_or_default()),
        Method::GET | Method::HEAD => content.read(&key, &parts.headers, parts.method == Method::HEAD),
        Method::PUT => content.write(&server.bucket, key, &parts.headers, bytes),
        Method::DELETE => match content.objects.remove(&key) {
            Some(_) => StatusCode::NO_CONTENT.into_response(),
            None => failure(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        _ => failure(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

impl Bucket {
    fn read(&self, key: &str, headers: &HeaderMap, head: bool) -> Response {
        let Some(object) = self.objects.get(key) else { return failure(StatusCode::NOT_FOUND, "NoSuchKey") };
        let tag = object.tag();
        if text(headers, "if-match").is_some_and(|wanted| wanted != tag) {
            return failure(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let mut reply = Response::builder().header(header::ETAG, &tag).header("x-goog-generation", object.generation);
        reply = reply.header(header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT");
        for (name, value) in &object.headers {
            reply = reply.header(name, value);
        }
        if text(headers, "if-none-match").is_some_and(|known| known == tag) {
            return built(reply.status(StatusCode::NOT_MODIFIED).body(Body::empty()));
        }
        let whole = object.bytes.len();
        let range = text(headers, "range").and_then(|range| within(&range, whole));
        let (status, start, end) = match range {
            Some((start, end)) => (StatusCode::PARTIAL_CONTENT, start, end),
            None => (StatusCode::OK, 0, whole),
        };
        if status == StatusCode::PARTIAL_CONTENT {
            reply = reply.header(header::CONTENT_RANGE, format!("bytes {start}-{}/{whole}", end.saturating_sub(1)));
        }
        let bytes = object.bytes.slice(start..end);
        let length = bytes.len();
        let body = if head { Body::empty() } else { Body::from(bytes) };
        built(reply.status(status).header(header::CONTENT_LENGTH, length).body(body))
    }

    fn write(&mut self, bucket: &str, key: String, headers: &HeaderMap, bytes: Bytes) -> Response {
        if let Some(wanted) = text(headers, "x-goog-if-generation-match") {
            let present = self.objects.get(&key).map_or(0, |object| object.generation);
            if wanted != present.to_string() {
                return failure(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
        }
        let bytes = match text(headers, "x-goog-copy-source") {
            None => bytes,
            Some(source) => {
                let source = decoded(source.trim_start_matches('/')).unwrap_or_default();
                let from = source.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/'));
                match from.and_then(|from| self.objects.get(from)) {
                    Some(object) => object.bytes.clone(),
                    None => return failure(StatusCode::NOT_FOUND, "NoSuchKey"),
                }
            }
        };
        self.last += 1;
        let kept = headers
            .iter()
            .filter(|(name, _)| *name == header::CONTENT_TYPE || name.as_str().starts_with("x-goog-meta-"));
        let kept = kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let object = Object { bytes, generation: self.last, headers: kept.collect() };
        let reply =
            Response::builder().header(header::ETAG, object.tag()).header("x-goog-generation", object.generation);
        self.objects.insert(key, object);
        // What a copy is answered with; others do not read it.
        built(reply.body(Body::from("<CopyObjectResult></CopyObjectResult>")))
    }
}

impl Object {
    fn tag(&self) -> String {
        format!("\"{}-{}\"", Digest::of(&self.bytes).short(), self.generation)
    }
}

/// Keys under a prefix, those behind a further delimiter drawn together, in pages of at most 1,000 in their order.
fn list(content: &Bucket, query: &str) -> Response {
    let values: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(name, value)| Some((name.to_owned(), decoded(&value.replace('+', " "))?)))
        .collect();
    let value = |name: &str| values.get(name).map(String::as_str).unwrap_or_default();
    let (prefix, delimiter) = (value("prefix"), value("delimiter"));
    let after = value("continuation-token").max(value("start-after"));
    let most = value("max-keys").parse().unwrap_or(1000_usize).clamp(1, 1000);
    // By name: an object, or none for what is drawn together.
    let mut names: BTreeMap<String, Option<&Object>> = BTreeMap::new();
    for (key, object) in content.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
        let rest = key.get(prefix.len()..).unwrap_or_default();
        match rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
            Some((folder, _)) => drop(names.insert(format!("{prefix}{folder}{delimiter}"), None)),
            None => drop(names.insert(key.clone(), Some(object))),
        }
    }
    let mut rest = names.into_iter().filter(|(name, _)| name.as_str() > after);
    let page: Vec<_> = rest.by_ref().take(most).collect();
    let token = rest.next().and(page.last()).map(|(name, _)| tag("NextContinuationToken", &escaped(name)));
    let items: String = page
        .iter()
        .map(|(name, object)| match object {
            Some(object) => {
                let size = tag("Size", &object.bytes.len().to_string());
                let time = tag("LastModified", "2026-01-01T00:00:00.000Z");
                tag("Contents", &(tag("Key", &escaped(name)) + &size + &tag("ETag", &escaped(&object.tag())) + &time))
            }
            None => tag("CommonPrefixes", &tag("Prefix", &escaped(name))),
        })
        .collect();
    let xml = tag("ListBucketResult", &(items + &token.unwrap_or_default()));
    ([(header::CONTENT_TYPE, "application/xml")], xml).into_response()
}

fn tag(name: &str, content: &str) -> String {
    format!("<{name}>{content}</{name}>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The bytes of `bytes=A-B`, `bytes=A-` or `bytes=-N`, as a half-open range within the length.
fn within(range: &str, length: usize) -> Option<(usize, usize)> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (start.parse::<usize>(), end.parse::<usize>()) {
        (Ok(start), Ok(end)) => (start, end.saturating_add(1).min(length)),
        (Ok(start), Err(_)) => (start, length),
        (Err(_), Ok(last)) => (length.saturating_sub(last), length),
        (Err(_), Err(_)) => return None,
    };
    (start < end).then_some((start, end))
}

fn failure(status: StatusCode, code: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/xml")], tag("Error", &tag("Code", code))).into_response()
}

fn built(response: Result<Response, axum::http::Error>) -> Response {
    response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
