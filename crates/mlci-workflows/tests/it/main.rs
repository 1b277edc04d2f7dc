//! The crate from the outside: golden files, parsing back, and the structure of what is rendered.

// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod golden;
mod parse_back;
mod sample;
mod structure;
