//! `cargo xtask bench [NAME] [--case CASE] [--runs N] [--large] [--format json] [--write]`: the figures, as ratios, from
//! runs on this machine.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

mod case;
mod deploy;
mod orchestration;
mod page;
mod predict;
mod train;

use std::process::ExitCode;

use crate::case::Case;

type Bench = fn(&Options) -> Result<Vec<Case>, String>;

/// What a benchmark may be told.
struct Options {
    /// These cases alone, where it has several; none: all.
    cases: Vec<String>,
    /// How often each program runs, where that is not fixed.
    runs: usize,
    /// Also what takes very long.
    large: bool,
}

/// All benchmarks by name.
const BENCHES: [(&str, Bench); 4] = [
    ("orchestration", |_| orchestration::run()),
    ("train", train::run),
    ("predict", |_| predict::run()),
    (deploy::NAME, |_| deploy::run()),
];

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
    let mut options = Options { cases: Vec::new(), runs: 5, large: false };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--format" => json = arguments.next().is_some_and(|format| format == "json"),
            "--format=json" => json = true,
            "--write" => write = true,
            "--large" => options.large = true,
            "--case" => options.cases.extend(arguments.next().cloned()),
            "--runs" => {
                let runs = arguments.next().and_then(|runs| runs.parse().ok()).filter(|runs| *runs > 0);
                options.runs = runs.ok_or("--runs takes a number of at least 1")?;
            }
            name if BENCHES.iter().any(|(known, _)| *known == name) => names.push(name),
            other => {
                let known: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "no benchmark `{other}`; there are: {}; flags: --case CASE, --runs N, --large, --format json, --write",
                    known.join(", ")
                ));
            }
        }
    }
    let mut cases = Vec::new();
    for (name, run) in BENCHES {
        if names.is_empty() && name == deploy::NAME && !deploy::has_cluster() {
            eprintln!("{name} is left out, since it takes a cluster: cargo xtask bench {name} starts one");
        } else if names.is_empty() || names.contains(&name) {
            cases.extend(run(&options)?);
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
