//! A registry in this process, for what a real one does not do on demand: lie, break off, refuse. The real ones are in
//! `tests/registry.rs`.

mod answers;
mod auth;
mod pull;
mod push;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, Response, StatusCode},
};
use mlci_core::Digest;
use mlci_image::{Credentials, Image, Reference, Registry, RegistryBuilder};

use crate::fixture::Fixture;

/// What is wrong with this mock: an answer in place of the right one, by the request and how often it was made before.
type Fault = Box<dyn Fn(&Seen, usize) -> Option<Response<Body>> + Send + Sync>;

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path.contains(path)
    }
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    blobs: HashMap<String, Bytes>,
    manifests: HashMap<String, Bytes>,
}

pub(crate) struct Mock {
    pub(crate) host: String,
    state: Arc<Mutex<State>>,
}

impl Mock {
    /// A registry that does everything right.
    pub(crate) async fn new() -> Self {
        Self::with(|_, _| None).await
    }

    /// A registry that answers as `fault` says, where it says something.
    pub(crate) async fn with(fault: impl Fn(&Seen, usize) -> Option<Response<Body>> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, fault): (_, Fault) = (Arc::clone(&state), Box::new(fault));
        let fault = Arc::new(fault);
        let app = Router::new().fallback(move |request: Request<Body>| {
            let (shared, fault) = (Arc::clone(&shared), Arc::clone(&fault));
            async move {
                let (head, body) = request.into_parts();
                let seen = Seen {
                    method: head.method,
                    path: head.uri.path().to_owned(),
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    headers: head.headers,
                    body: axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default(),
                };
                let mut state = shared.lock().unwrap();
                let before = state.seen.iter().filter(|other| other.is(seen.method.as_str(), &seen.path)).count();
                state.seen.push(seen.clone());
                fault(&seen, before).unwrap_or_else(|| state.answer(&seen))
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { host, state }
    }

    pub(crate) fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.host).parse().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, path)).count()
    }

    pub(crate) fn forget(&self) {
        self.state.lock().unwrap().seen.clear();
    }

    /// Puts an image there as a push would.
    pub(crate) fn hold(&self, fixture: &Fixture, image: &Image, tag: &str) {
        let blob = |digest: &Digest| Bytes::from(std::fs::read(fixture.layout.blob(digest)).unwrap());
        let mut state = self.state.lock().unwrap();
        for digest in image.layers.iter().map(|layer| &layer.digest).chain([&image.config]) {
            state.blobs.insert(digest.to_string(), blob(digest));
        }
        for name in [image.digest.to_string(), tag.to_owned()] {
            state.manifests.insert(name, blob(&image.digest));
        }
    }

    pub(crate) fn has(&self, digest: &Digest) -> bool {
        let state = self.state.lock().unwrap();
        state.blobs.contains_key(&digest.to_string()) || state.manifests.contains_key(&digest.to_string())
    }
}

impl State {
    fn answer(&mut self, seen: &Seen) -> Response<Body> {
        let (_, rest) = seen.path.split_once("/team/x/").unwrap_or_default();
        let name = rest.rsplit('/').next().unwrap_or_default();
        let head = seen.method == Method::HEAD;
        match (seen.method.as_str(), rest.split('/').next().unwrap_or_default()) {
            ("HEAD" | "GET", "blobs") => match self.blobs.get(name) {
                Some(bytes) => found(bytes, head, "application/octet-stream"),
                None => error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            },
            ("HEAD" | "GET", "manifests") => match self.manifests.get(name) {
                Some(bytes) => found(bytes, head, "application/vnd.oci.image.manifest.v1+json"),
                None => error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            },
            ("POST", _) => answer(202, &[("location", "/v2/team/x/blobs/uploads/1?state=s")], ""),
            ("PUT", "blobs") => {
                let digest = Digest::of(&seen.body).to_string();
                if !seen.query.ends_with(&digest.replace(':', "%3A")) {
                    return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
                }
                self.blobs.insert(digest, seen.body.clone());
                answer(201, &[], "")
            }
            ("PUT", "manifests") => {
                self.manifests.insert(Digest::of(&seen.body).to_string(), seen.body.clone());
                self.manifests.insert(name.to_owned(), seen.body.clone());
                answer(201, &[], "")
            }
            _ => error(404, "NOT_FOUND", "no such route"),
        }
    }
}

fn found(bytes: &Bytes, head: bool, media_type: &str) -> Response<Body> {
    let digest = Digest::of(bytes).to_string();
    let response = Response::builder()
        .header("content-type", media_type)
        .header("content-length", bytes.len())
        .header("docker-content-digest", digest);
    response.body(if head { Body::empty() } else { Body::from(bytes.clone()) }).unwrap()
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Body> {
    let builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(Body::from(body.to_owned())).unwrap()
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({"errors": [{"code": code, "message": message, "detail": null}]}).to_string();
    answer(status, &[("content-type", "application/json")], &body)
}

pub(crate) fn html(status: u16) -> Response<Body> {
    let page = "<!DOCTYPE html><html><head><title>Sign in\u{1b}[31m</title></head><body>welcome</body></html>";
    answer(status, &[("content-type", "text/html; charset=utf-8")], page)
}

/// A client that is quick to try again and knows nobody.
pub(crate) fn builder() -> RegistryBuilder {
    Registry::builder().credentials(Credentials::none()).tries(3, Duration::from_millis(1))
}

pub(crate) fn client() -> Registry {
    builder().build().unwrap()
}

/// The host of a port that nobody listens on.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
