use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;
use jiff::Timestamp;
use mlci_core::Digest;
use object_store::path::Path;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, Error as _},
};

use crate::{
    error::{Error, Result},
    store::Store,
};

/// The format that is written, and the newest that is read.
pub(crate) const FORMAT: u64 = 1;

/// One entry of a [`Log`](crate::Log).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry<T> {
    /// Its number; the first is 1.
    pub number: u64,
    /// When it was written, by the writer's clock.
    pub at: Timestamp,
    /// The blobs that it refers to, which therefore are kept.
    pub references: Vec<Digest>,
    /// What it says.
    pub body: T,
}

#[derive(Serialize)]
pub(crate) struct Written<'a, T> {
    format: u64,
    number: u64,
    at: Timestamp,
    nonce: &'a str,
    references: &'a [Digest],
    body: &'a T,
}

#[derive(Deserialize)]
struct Header {
    format: u64,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(crate) struct Envelope<T> {
    number: u64,
    at: Timestamp,
    pub(crate) nonce: String,
    pub(crate) references: Vec<Digest>,
    body: T,
}

impl<'a, T: Serialize> Written<'a, T> {
    pub(crate) fn new(number: u64, at: Timestamp, nonce: &'a str, references: &'a [Digest], body: &'a T) -> Self {
        Self { format: FORMAT, number, at, nonce, references, body }
    }

    /// In lines, since people look at these files too.
    pub(crate) fn encode(&self) -> serde_json::Result<Bytes> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes.into())
    }
}

impl<T> From<Envelope<T>> for Entry<T> {
    fn from(envelope: Envelope<T>) -> Self {
        let Envelope { number, at, nonce: _, references, body } = envelope;
        Self { number, at, references, body }
    }
}

/// Padded, so that a listing in the order of names is in the order of numbers.
pub(crate) fn object_name(number: u64) -> String {
    format!("{number:010}.json")
}

/// The number that an entry's object name states, if it is written as we write it.
pub(crate) fn parse_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".json")?.parse().ok()?;
    (number > 0 && object_name(number) == name).then_some(number)
}

pub(crate) fn decode<T: DeserializeOwned>(
    store: &Store,
    path: &Path,
    number: u64,
    bytes: &[u8],
) -> Result<Envelope<T>> {
    let damaged = |source| Error::DamagedEntry { object: store.place(path), source };
    // The format first: a newer one may have other fields.
    let Header { format } = serde_json::from_slice(bytes).map_err(damaged)?;
    if format != FORMAT {
        return Err(Error::UnknownFormat { object: store.place(path), found: format, supported: FORMAT });
    }
    let envelope: Envelope<T> = serde_json::from_slice(bytes).map_err(damaged)?;
    if envelope.number != number {
        let text = format!("it says that it is number {}", envelope.number);
        return Err(damaged(serde_json::Error::custom(text)));
    }
    Ok(envelope)
}

/// A name for one attempt. The standard library seeds its hash maps from the system's random numbers; that is unique
/// enough among the few that could be mistaken for each other, and no secret.
pub(crate) fn nonce() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}
