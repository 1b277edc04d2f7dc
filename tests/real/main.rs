//! The pipeline against real servers, which `cargo xtask test --lab` starts.

// Clippy's exception for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "the helpers are those of the other test program, and not all are needed here")]

#[path = "../it/project.rs"]
mod project;

mod canary;
mod elk;
mod grafana;
mod helm;
mod helm_target;
mod hold;
mod kubernetes;
mod lab;
mod mlflow;
mod on_cluster;
mod prometheus;
mod push;
mod python;
mod registry;
mod stores;
mod story;

use lab::{unique, variable};
