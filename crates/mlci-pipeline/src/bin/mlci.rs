//! The pipeline as a program, for repositories that are no Cargo workspace.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlci_pipeline::cli::main()
}
