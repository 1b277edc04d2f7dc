//! The pipeline from the outside: real processes, real files, real sockets on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken assumption fails the test")]

mod bad_input;
mod caching;
mod configuration;
mod contract;
mod crash;
mod environments;
mod gate;
mod generate;
mod logs;
mod own_training;
mod project;
mod reproducible;
mod signals;
mod standalone;
mod swap;
mod texts;
