//! Experiment tracking: an append-only, crash-safe local run log, and its sync to MLflow.
//!
//! ```
//! use mlci_track::{RunLog, Status};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let log = RunLog::open(folder)?;
//! log.close_stale()?; // Runs whose process died are failed runs.
//!
//! let run = log.start("wine")?;
//! run.param("algorithm", "ols")?;
//! run.metric("rmse", 0.65, 0)?;
//! run.finish(Status::Finished, None)?;
//! log.tag(run.id(), "staging", "verified")?; // Known only later.
//!
//! let record = log.read(run.id())?;
//! assert_eq!(record.status, Status::Finished);
//! assert_eq!(record.params["algorithm"], "ols");
//! assert_eq!(record.metrics["rmse"][0].value, 0.65);
//! assert_eq!(record.tags["staging"], "verified");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Start at [`RunLog`]. A run is one file of JSON lines; [`Event`] says what they hold, [`Entries`] reads them one by
//! one. Calls block on the file system and nothing else.
//!
//! With the feature `mlflow`, a run is brought from the log to an MLflow server, at once or later, again and again:
//!
//! ```no_run
//! # #[cfg(feature = "mlflow")]
//! # async fn demo(log: mlci_track::RunLog, run: mlci_track::RunId) -> Result<(), Box<dyn std::error::Error>> {
//! use mlci_track::mlflow::{Client, SyncOptions};
//!
//! let client = Client::from_env()?; // MLFLOW_TRACKING_URI and the like
//! let options = SyncOptions::default()
//!     .experiment("wine")
//!     .artifacts_from(|name, _| Ok(Some(std::fs::read(name)?.into())));
//! let report = client.sync(&log, &run, &options).await?;
//! println!("{}", report.page);
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `mlflow` | off | the module `mlflow`: syncs runs to MLflow, registers models; brings `reqwest` with TLS by `aws-lc-rs` |

mod append;
mod entries;
mod error;
mod event;
mod id;
mod line;
mod lock;
mod log;
#[cfg(feature = "mlflow")]
pub mod mlflow;
mod record;
mod rules;
mod run;

pub use jiff::Timestamp;
pub use mlci_core::{Digest, FileError};

pub use crate::{
    entries::{Entries, Skipped},
    error::{Error, Result},
    event::{Entry, Event, FORMAT_VERSION, Status},
    id::{ParseRunIdError, RunId},
    log::RunLog,
    record::{Artifact, Point, RunRecord, RunSummary},
    rules::check_metric_key,
    run::Run,
};
