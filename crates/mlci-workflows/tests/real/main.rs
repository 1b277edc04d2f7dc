//! The rendered files in the hands of real tools: `cargo xtask test --lab github` (gitlab, jenkins, circleci). Each test
//! reads where its tools are from variables and fails when one is not set.
//!
//! The program that jobs call is a stand-in that records its calls: what is tested is that each system runs the right
//! calls, in order, with the right secrets, on what the job before handed over, and stops where it has to.

// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod circleci;
mod github;
mod gitlab;
mod jenkins;
mod project;
mod tool;
