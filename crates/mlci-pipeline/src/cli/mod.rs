//! The command line, the same for `mlci` and for a repository's `cargo xtask`.

mod arguments;
mod features;
mod human;
mod output;
mod run;

use std::{env, ffi::OsString, process::ExitCode};

pub use self::arguments::{Cli, Command};

/// A command of a repository's own, beside the pipeline's.
#[derive(Debug, Clone, Copy)]
pub struct Chore {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// Its arguments, for its own help.
    pub usage: &'static str,
    /// Does it, with the arguments behind its name.
    pub run: fn(&[OsString]) -> ExitCode,
}

/// Runs the command line of this process and returns its exit code.
///
/// An xtask of a repository's own is this and no more: `fn main() -> ExitCode { mlci_pipeline::cli::main() }`.
#[must_use]
pub fn main() -> ExitCode {
    main_with(&[])
}

/// As [`main`], with commands of the repository's own.
#[must_use]
pub fn main_with(chores: &[Chore]) -> ExitCode {
    run::run(&env::args_os().collect::<Vec<_>>(), chores)
}
