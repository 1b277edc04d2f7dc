//! `mlci.toml`, the stage graph with its journal, the report, and the command line.
//!
//! A repository gets all commands with an xtask of a few lines:
//!
//! ```no_run
//! # #[cfg(feature = "cli")]
//! fn main() -> std::process::ExitCode {
//!     mlci_pipeline::cli::main()
//! }
//! # #[cfg(not(feature = "cli"))] fn main() {}
//! ```
//!
//! A program that embeds the pipeline opens it and gets a [`Finished`] from every command:
//!
//! ```
//! use std::sync::Arc;
//!
//! use mlci_pipeline::{CiOptions, Outcome, Pipeline, Selection, Silent, config};
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("points.csv"), "x,y\n".to_owned() + &(0..200)
//!     .map(|i| format!("{i},{}\n", 2 * i + i % 3)).collect::<String>())?;
//! std::fs::write(folder.path().join("mlci.toml"), r#"
//!     [project]
//!     name = "line"
//!     [data]
//!     path = "points.csv"
//!     target = "y"
//! "#)?;
//!
//! let loaded = config::load(&folder.path().join("mlci.toml"), None, |_| None)?;
//! let pipeline = Pipeline::open(loaded, Arc::new(Silent), "mlci")?;
//! // Train, test and publish; the image needs a server, which this example leaves out.
//! let options = CiOptions { selection: Selection::default().only("..publish")?, ..CiOptions::default() };
//! let finished = pipeline.ci(&options);
//! assert_eq!(finished.verdict, Outcome::Pass, "{:?}", finished.error);
//! assert_eq!(finished.model.and_then(|model| model.version), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ci;
mod clean;
#[cfg(feature = "cli")]
pub mod cli;
mod command;
pub mod config;
mod data_file;
mod deploy;
mod end;
mod error;
mod event;
mod generate;
mod init;
mod interrupt;
mod journal;
mod lookup;
#[cfg(feature = "mlflow")]
mod mirror;
#[cfg(not(feature = "mlflow"))]
#[path = "mirror_absent.rs"]
mod mirror;
mod pipeline;
#[cfg(feature = "monitor")]
mod push;
#[cfg(not(feature = "monitor"))]
#[path = "push_absent.rs"]
mod push;
mod records;
pub mod report;
mod report_data;
mod serving;
mod source;
mod stage;
mod training;
mod words;
mod workdir;

pub use crate::{
    ci::{CiOptions, is_ci_job},
    deploy::{Look, Which},
    error::{Context, Error, Outcome, Result},
    event::{
        EnvironmentEnd, EnvironmentStatus, ErrorEnd, Event, Finished, ImageRef, ModelRef, Observer, RunRef, Silent,
        StageEnd, StageStatus,
    },
    generate::Subject,
    init::{InitOptions, init},
    interrupt::{Interrupted, install as on_signal},
    pipeline::Pipeline,
    records::{Happened, History, Records, Release},
    source::Source,
    stage::{STAGES, Selection},
    workdir::Workdir,
};

/// The configuration file that is read when none is named.
pub const DEFAULT_FILE: &str = "mlci.toml";

/// This program and its version.
pub const GENERATOR: &str = concat!("mlci ", env!("CARGO_PKG_VERSION"));
