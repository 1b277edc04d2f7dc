//! Brings runs from the log to an MLflow server over its
//! [REST API 2.0](https://mlflow.org/docs/latest/api_reference/rest-api.html); tested against MLflow 3.17. Feature `mlflow`.
//!
//! The log stays the source of truth: a run is logged without MLflow, and [`Client::sync`] brings it over, at once or
//! later, again and again, without duplicates. [`Client::register`] and [`Client::set_alias`] make the model a version
//! of a registered model.

mod artifacts;
mod batch;
mod builder;
mod client;
mod error;
mod http;
mod registry;
mod report;
mod sync;
mod tags;
mod wire;

pub use bytes::Bytes;

pub use self::{
    builder::ClientBuilder,
    client::Client,
    error::{Call, Error, Result},
    registry::{ModelVersion, Registration},
    report::{Count, SyncOptions, SyncReport},
};
