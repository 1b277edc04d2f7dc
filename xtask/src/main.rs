//! The repository's own commands: the mlci pipeline, and the chores of this repository.

mod chores;

use std::process::ExitCode;

use mlci_pipeline::cli::{Chore, main_with};

fn main() -> ExitCode {
    main_with(&[
        Chore {
            name: "test",
            about: "Run the tests of all crates; with --lab also those that need real servers, or those of some alone",
            usage: "[ARGUMENT OF cargo test]... [--lab [COMPONENT]...]",
            run: chores::test,
        },
        Chore {
            name: "lab",
            about: "Start and stop real servers on this machine: up, down, status, env, doctor, install, exec",
            usage: "up|down|status|env|doctor|install|exec|test [COMPONENT]...",
            run: chores::lab,
        },
        Chore {
            name: "bench",
            about: "Measure, beside the goals or the tools used otherwise",
            usage: "[NAME]... [--case CASE] [--runs N] [--large] [--format json] [--write]",
            run: chores::bench,
        },
        Chore {
            name: "schema",
            about: "Write docs/mlci.schema.json, or only compare it with the code",
            usage: "[--check]",
            run: chores::schema,
        },
    ])
}
