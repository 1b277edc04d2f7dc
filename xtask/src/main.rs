//! The repository's own commands: the mlci pipeline, and the chores test and bench.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlci_pipeline::cli::main()
}
