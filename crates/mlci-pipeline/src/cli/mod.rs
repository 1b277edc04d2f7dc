//! The command line, the same for `mlci` and for a repository's `cargo xtask`.

mod arguments;
mod human;
mod run;

use std::{env, ffi::OsString, process::ExitCode};

pub use self::arguments::{Cli, Command};

/// Runs the command line of this process and returns its exit code.
///
/// An xtask of a repository's own is this and no more: `fn main() -> ExitCode { mlci_pipeline::cli::main() }`.
#[must_use]
pub fn main() -> ExitCode {
    run::run(env::args_os().collect())
}

/// Runs a command line that was put together elsewhere; the first argument is the program's name.
#[must_use]
pub fn main_with(arguments: Vec<OsString>) -> ExitCode {
    run::run(arguments)
}
