//! Real servers on this machine, for tests, demos and trials without an account anywhere.
//!
//! A [`Component`] is installed once, from a package registry, into a [`Cache`] outside the checkout. A [`Session`]
//! starts components on free loopback ports, each with a state folder of its own, hands out the variables that the
//! product itself reads, and ends everything: with the value, or, where its process died, by the next session.
//!
//! ```
//! use mlci_lab::{Cache, Session, find};
//!
//! # let folder = tempfile::tempdir()?;
//! let cache = Cache::at(folder.path());
//! let session = Session::temporary(&cache)?;
//! assert!(session.settings().is_empty());
//! // session.start(find("s3")?, &|line| println!("{line}"))? starts an S3 server, and installs it first.
//! assert!(find("s4").is_err_and(|error| error.to_string().contains("s3")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! A new component is a file in `component/`.

mod cache;
mod component;
mod error;
mod gcs;
mod install;
mod interrupt;
mod matrix;
mod place;
mod process;
mod programs;
mod session;
mod tokens;

pub use crate::{
    cache::Cache,
    component::{COMPONENTS, Component, Kind, ON_DEMAND, find},
    error::{Error, Result},
    gcs::serve as stand_in_gcs,
    install::{Install, allow_system},
    interrupt::{Interrupts, run},
    matrix::{Matrix, System, Test, page, run_tests},
    place::Place,
    process::Process,
    programs::Features,
    session::{Ready, Session, Started, State, install},
    tokens::serve as stand_in_tokens,
};
