//! What stands in the queue, before it is formatted.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use axum::{
    http::{HeaderValue, StatusCode, Uri},
    response::Response,
};

use crate::{VERIFICATION_HEADER, refusal::Refusal};

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

/// A request as it came. Its texts are parts of what the connection has read, and keep all of that.
#[derive(Debug)]
pub(crate) struct Asked {
    time: SystemTime,
    uri: Uri,
    id: Option<HeaderValue>,
    length: Option<HeaderValue>,
    /// Whether it only asks for golden predictions.
    verifies: bool,
}

/// A request that was answered. What clients have sent is copied, and cut: a full queue of these is a few MiB, whatever
/// they send.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) time: SystemTime,
    pub(super) took: Duration,
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    pub(super) status: StatusCode,
    /// Without its query, which may hold what is nobody's business.
    pub(super) path: String,
    pub(super) id: Option<String>,
    /// Of its body.
    pub(super) bytes: Option<u64>,
    pub(super) rows: Option<usize>,
    pub(super) verifies: bool,
    pub(super) refused: Option<Refused>,
}

/// Why it got no prediction, as the client was told.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: String,
    pub(super) field: Option<String>,
    pub(super) row: Option<usize>,
}

/// What a handler knows of a request, left among the extensions of its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) bytes: usize,
    /// How many rows were predicted, where they were.
    pub(crate) rows: Option<usize>,
}

impl Asked {
    /// To be called as the request comes; [`Asked::answered`] only where it is wanted, since that copies.
    pub(crate) fn of(request: &axum::extract::Request) -> Self {
        let header = |name: &str| request.headers().get(name).cloned();
        let (id, length) = (header("x-request-id"), header("content-length"));
        let verifies = request.headers().contains_key(VERIFICATION_HEADER);
        Self { time: SystemTime::now(), uri: request.uri().clone(), id, length, verifies }
    }

    /// `method` and `route` as they stand in metrics. Takes what was left for the log among the response's extensions.
    pub(crate) fn answered(
        self,
        method: &'static str,
        route: &'static str,
        took: Duration,
        response: &mut Response,
    ) -> Request {
        let extensions = response.extensions_mut();
        let (seen, refusal) = (extensions.remove::<Seen>(), extensions.remove::<Refusal>());
        let refused = refusal.map(|refusal| {
            let (error, field, row) = refusal.parts();
            let copy = |text: &str, length| cut(text, length).to_owned();
            Refused { error: copy(error, ERROR), field: field.map(|field| copy(field, FIELD)), row }
        });
        let id = self.id.as_ref().and_then(|id| id.to_str().ok()).map(|id| cut(id, ID).to_owned());
        // What is larger than a signed integer no index takes, and nobody sends.
        let declared =
            || self.length.as_ref()?.to_str().ok()?.parse().ok().filter(|length| i64::try_from(*length).is_ok());
        Request {
            time: self.time,
            took,
            method,
            route,
            status: response.status(),
            path: cut(self.uri.path(), PATH).to_owned(),
            id,
            bytes: seen.map(|seen| seen.bytes as u64).or_else(declared),
            rows: seen.and_then(|seen| seen.rows),
            verifies: self.verifies,
            refused,
        }
    }
}

impl Request {
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
