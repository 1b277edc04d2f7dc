//! The store as its users see it, on every kind of object store at hand, and under faults and interleavings.

// Clippy's exception for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod concurrency;
mod contract;
mod damage;
mod faults;
mod garbage;
mod interleaving;
mod property;
#[cfg(any(feature = "s3", feature = "gcs"))]
mod remote;
mod requests;
mod support;
