//! The pipeline's command line, as the tests run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlci_pipeline::cli::main()
}
