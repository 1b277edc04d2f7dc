//! Deployments on a cluster, by `mlci-k8s` and by kubectl at the same time or in turn; a line of JSON for each case.
//!
//! `KUBECONFIG`, `MLCI_LAB_KUBE_CONTEXT` and `MLCI_LAB_KUBE_REGISTRY` name the cluster, as for the tests. What is measured
//! of ours is a whole process too: this program, called again with `rollout`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the module of the tests is used")]

mod failing;
#[path = "../../../../crates/mlci-k8s/tests/cluster/image.rs"]
mod image;
mod kubectl;
mod ours;
mod serving;

use std::process::ExitCode;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["rollout", plan] => ours::rollout(plan),
        [] => all(),
        other => Err(format!("unknown arguments: {other:?}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all() -> Result<()> {
    for case in failing::CASES {
        failing::measure(&case)?;
    }
    serving::measure()
}
