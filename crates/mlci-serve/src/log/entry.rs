//! What stands in the queue, before it is formatted.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};

use crate::refusal::Refusal;

/// The longest texts of clients in a line, in characters. With them a line stays below 16 KiB, at which container
/// runtimes cut it in two.
pub(super) const PATH: usize = 256;
pub(super) const ID: usize = 128;
pub(super) const ERROR: usize = 1000;
pub(super) const FIELD: usize = 100;

#[derive(Debug)]
pub(super) enum Entry {
    /// What is served from now on.
    Serves(Service),
    Event(Box<Event>),
    Request(Box<Request>),
    /// Only to be looked at: the log closes.
    Wake,
}

/// The model that a server serves.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) digest: String,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) time: SystemTime,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Started { address: SocketAddr, took: Duration },
    Stopped,
    Failed { action: &'static str, error: String },
    Dropped { lines: u64 },
}

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) time: SystemTime,
    pub(crate) took: Duration,
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    pub(crate) uri: Uri,
    pub(crate) headers: Wanted,
    pub(crate) status: StatusCode,
    pub(crate) seen: Option<Seen>,
    pub(crate) refusal: Option<Refusal>,
}

/// The headers that are logged, as they came: reading them is the writer's affair.
#[derive(Debug)]
pub(crate) struct Wanted {
    id: Option<HeaderValue>,
    length: Option<HeaderValue>,
}

impl Wanted {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { id: headers.get("x-request-id").cloned(), length: headers.get("content-length").cloned() }
    }
}

/// What a handler knows of a request, left among the extensions of its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) bytes: usize,
    /// How many rows were predicted, where they were.
    pub(crate) rows: Option<usize>,
}

impl Request {
    /// The path without its query, which may hold what is nobody's business.
    pub(super) fn path(&self) -> &str {
        cut(self.uri.path(), PATH)
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.headers.id.as_ref().and_then(|id| id.to_str().ok()).map(|id| cut(id, ID))
    }

    pub(super) fn bytes(&self) -> Option<u64> {
        let declared = || self.headers.length.as_ref()?.to_str().ok()?.parse().ok();
        self.seen.map(|seen| seen.bytes as u64).or_else(declared)
    }

    pub(super) fn rows(&self) -> Option<usize> {
        self.seen.and_then(|seen| seen.rows)
    }

    pub(super) fn level(&self) -> &'static str {
        match self.status.as_u16() {
            500.. => "error",
            400.. => "warn",
            _ => "info",
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.status.as_u16() >= 400
    }
}

/// The beginning of a text, of at most so many characters.
pub(super) fn cut(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| text.get(..end).unwrap_or_default())
}
