//! `cargo xtask bench [NAME] [--format json] [--write]`: the figures, as ratios, from runs on this machine.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

mod case;
mod orchestration;
mod page;
mod predict;

use std::process::ExitCode;

use crate::case::Case;

type Bench = fn() -> Result<Vec<Case>, String>;

/// All benchmarks by name.
const BENCHES: [(&str, Bench); 2] = [("orchestration", orchestration::run), ("predict", predict::run)];

fn main() -> ExitCode {
    match bench(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<(), String> {
    let (mut json, mut write, mut names) = (false, false, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--format" => json = arguments.next().is_some_and(|format| format == "json"),
            "--format=json" => json = true,
            "--write" => write = true,
            name if BENCHES.iter().any(|(known, _)| *known == name) => names.push(name),
            other => {
                let known: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "no benchmark `{other}`; there are: {}; flags: --format json, --write",
                    known.join(", ")
                ));
            }
        }
    }
    let mut cases = Vec::new();
    for (name, run) in BENCHES {
        if names.is_empty() || names.contains(&name) {
            cases.extend(run()?);
        }
    }
    for case in &cases {
        println!(
            "{}",
            if json { serde_json::to_string(case).map_err(|error| error.to_string())? } else { case.line() }
        );
    }
    if write { page::write(&cases) } else { Ok(()) }
}
