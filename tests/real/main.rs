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
mod mlflow;
mod prometheus;
mod push;
mod python;
mod registry;
mod stores;
mod story;

/// A variable that names a server.
fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: cargo xtask test --lab starts a server and sets it"))
}

/// A word that no other test, and no other run, has.
fn unique() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("{since:x}-{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}
