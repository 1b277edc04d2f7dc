//! The public interface on real folders.

// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod attacks;
mod conformity;
mod damage;
mod fixture;
mod input;
mod kill;
mod layout;
#[cfg(feature = "docker")]
mod mock_engine;
#[cfg(feature = "registry")]
mod mock_registry;
mod parallel;
mod prune;
mod reproducible;
mod tags;
mod tools;
