//! Model versions, aliases, approvals and releases in an object store, built on create-if-absent.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::collections::BTreeMap;
//!
//! use mlci_artifact::{Bytes, Digest, Draft, Label, ModelName, Store};
//!
//! let store = Store::in_memory(); // or Store::directory(path)?
//! let name: ModelName = "wine-quality".parse()?;
//! let production: Label = "production".parse()?;
//!
//! for content in ["first model", "second model", "second model"] {
//!     let bytes = Bytes::from(content);
//!     let draft = Draft { model: Digest::of(&bytes), annotations: BTreeMap::new() };
//!     let published = store.publish(&name, draft, [("model.mlci".to_owned(), bytes)].into()).await?;
//!     store.promote(&name, published.version.number, &production, "ann", "passed its gates").await?;
//! }
//! // The third was no new model, so it is no new version, and moved nothing.
//! assert_eq!(store.versions(&name).await?.len(), 2);
//!
//! let back = store.rollback(&name, &production, "ben", "too slow").await?;
//! assert_eq!((back.number, back.version), (3, 1));
//! let version = store.version(&name, back.version).await?;
//! assert_eq!(store.model_bytes(&version).await?, "first model");
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `s3` | Amazon S3 and servers that speak its protocol: [`Store::remote`] with `s3://BUCKET/PREFIX` |
//! | `gcs` | Google Cloud Storage: [`Store::remote`] with `gs://BUCKET/PREFIX` |
//!
//! None is on by default: the clients bring TLS and HTTP along. Any other [`object_store`] goes into [`Store::new`].
//!
//! Start at [`Store`]; [`Log`] holds other numbered entries, such as approvals and releases. [`RemoteObject`] reads an object of
//! the user's own, such as a data set.
//!
//! # Layout
//!
//! | key | content |
//! |---|---|
//! | `blobs/sha256/ab/abcd…` | bytes, named by their digest |
//! | `trash/sha256/ab/abcd…/NONCE` | copies of blobs on their way out, see [`Store::collect_garbage`] |
//! | `models/NAME/versions/0000000001.json` | an entry for each version: files, annotations |
//! | `models/NAME/digests/abcd….json` | an index from model digest to version number, made from the versions |
//! | `models/NAME/aliases/ALIAS/0000000001.json` | an entry for each move of an alias |
//! | `logs/PATH/0000000001.json` | an entry of a [`Log`] |
//!
//! An entry is a JSON object: `format` (1), `number`, `at` (RFC 3339, for people), `nonce` (tells writers apart),
//! `references` (digests of blobs to keep) and `body`. It is created if absent and never changed or removed, so the
//! entry with the highest number is the present state and the others are its history. It needs no lock and no server
//! but the store, and a crash between any two writes leaves a store that works. Objects with other names are ignored.
//!
//! # Cost
//!
//! Reading where an alias points, or the last entry of a log, is one listing and one read; a thousand entries are one
//! page of a listing in S3 and GCS. Contents are held in memory whole while they are written, read and verified.

mod alias;
mod blob;
mod entry;
mod error;
mod garbage;
mod log;
mod model;
mod object;
mod partial;
mod remote;
mod store;

pub use bytes::Bytes;
pub use jiff::Timestamp;
pub use mlci_core::{Digest, Label, ModelName};
pub use object_store;

pub use crate::{
    alias::AliasMove,
    blob::Blob,
    entry::Entry,
    error::{Error, Result},
    garbage::{GarbageOptions, GarbageReport},
    log::Log,
    model::{Draft, Published, Version},
    object::{Read, RemoteObject},
    remote::Scheme,
    store::Store,
};
