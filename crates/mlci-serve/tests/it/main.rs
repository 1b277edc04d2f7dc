//! The server as a process: its command line, its sockets, its end, and the swap of two under load.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod command_line;
mod control;
mod drain;
mod slow;
mod support;
mod swap;
