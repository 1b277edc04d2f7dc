//! The HTTP API of a trained model: a library, and the server binary that goes into the image.
//!
//! ```
//! use std::{
//!     io::{self, Write as _},
//!     net::TcpStream,
//! };
//!
//! use mlci_core::Digest;
//! use mlci_model::{Column, Estimator, Kind, Linear, Model, Parts, Profile, Schema};
//! use mlci_serve::{ServedModel, Server, ServerOptions};
//!
//! // y = 3·x + 1.
//! let (x, y) = ([0.0, 1.0], [1.0, 4.0]);
//! let column = |name: &str, values: &[f64]| Column::observed(name, Kind::Float, None, values).unwrap();
//! let model = Model::new(Parts {
//!     name: "line".parse()?,
//!     schema: Schema { features: vec![column("x", &x)], target: column("y", &y) },
//!     estimator: Estimator::Linear(Linear { coefficients: vec![3.0], intercept: 1.0 }),
//!     profiles: vec![Profile::of(&x).unwrap()],
//!     prediction_profile: Profile::of(&y).unwrap(),
//!     data: Digest::of(b"data"),
//!     config: Digest::of(b"config"),
//!     golden: vec![],
//! })?;
//! let served = ServedModel::from_bytes(&model.encode()?, Some("7".to_owned()))?;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() };
//! let server = Server::bind(served, options).await?;
//! let address = server.address();
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let running = tokio::spawn(server.run(stopped));
//!
//! let client = tokio::task::spawn_blocking(move || -> io::Result<String> {
//!     let mut connection = TcpStream::connect(address)?;
//!     let head = "POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 8";
//!     write!(connection, "{head}\r\n\r\n{{\"x\": 2}}")?;
//!     io::read_to_string(connection)
//! });
//! let reply = client.await??;
//! assert!(reply.contains("mlci-version: 7"));
//! assert!(reply.ends_with(r#""predictions":[7.0]}"#));
//!
//! drop(stop.send(()));
//! running.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Routes
//!
//! | route | body | answer |
//! |---|---|---|
//! | `POST /predict` | `{"feature": value}`, a list of such objects or of number lists, or `{"rows": [...]}` | `{"model", "version", "digest", "predictions"}` |
//! | `POST /invocations` | MLflow: `dataframe_split`, `dataframe_records`, `instances`, `inputs`, or `text/csv` | `{"predictions"}` |
//! | `POST /v2/models/{name}[/versions/{version}]/infer` | Open Inference Protocol v2 | one tensor, named by the target, `FP64`, shape `[n]` |
//! | `GET /v2`, `/v2/health/live`, `/v2/health/ready`, `/v2/models/{name}[/versions/{version}][/ready]` | | as the protocol says |
//! | `GET /livez`, `/readyz` | | 200; `/readyz` 503 while the server stops |
//! | `GET /metrics` | | Prometheus text format 0.0.4 |
//! | `GET /`, `/model` | | what is served and where; names, types, units and ranges of the columns |
//!
//! Every answer, errors included, has the headers `mlci-model`, `mlci-version`, `mlci-model-digest` and
//! `mlci-instance` (the process id). Input that does not fit the model is a 400 with
//! `{"error", "field", "row", "expected"}`; rows count from 0. Unknown fields are refused, except at `/invocations`,
//! where they are passed over as MLflow does, since its clients send whole data frames. Values outside the range seen
//! in training are served and counted (`mlci_out_of_range_total`), and how far the last rows are spread otherwise than
//! those of training is measured (`mlci_drift_psi`). A missing content type counts as JSON.
//!
//! Start at [`Server`], or at [`router()`] for use inside a process; [`control`] speaks to running servers,
//! [`verify`](mod@verify) tells whether one serves what it should, and [`log`] is what they say of themselves.

mod app;
mod body;
#[cfg(unix)]
pub mod control;
mod drift;
mod error;
mod input;
pub mod log;
mod metrics;
mod nearest;
mod options;
mod refusal;
mod routes;
mod scoring;
mod served;
mod server;
pub mod verify;

#[cfg(test)]
mod tests;

pub use axum::Router;

/// A request with this header is answered as any other, but its rows are no traffic: they are not counted as predictions,
/// out of range, or drift. For whoever asks a server for what is known, such as golden predictions.
pub const VERIFICATION_HEADER: &str = "mlci-verification";

pub use crate::{
    error::ServeError,
    options::ServerOptions,
    routes::router,
    served::ServedModel,
    server::{Server, serve},
};
