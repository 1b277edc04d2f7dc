//! How soon a deployment that fails is told, and what a good one costs, beside kubectl on the same cluster.
//!
//! The work is done by a program of its own, `mlci-bench-deploy`, so that the other benchmarks need no cluster's client.

use std::{
    env,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::case::Case;

pub(crate) const NAME: &str = "deploy";
const CONTEXT: &str = "MLCI_LAB_KUBE_CONTEXT";

pub(crate) fn has_cluster() -> bool {
    env::var_os(CONTEXT).is_some()
}

pub(crate) fn run() -> Result<Vec<Case>, String> {
    let cargo = || Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--package", "mlci-benches", "--features", NAME]);
    let built = build.args(["--bin", "mlci-bench-deploy"]).status().map_err(|error| format!("cargo: {error}"))?;
    if !built.success() {
        return Err(format!("mlci-bench-deploy cannot be built: {built}"));
    }
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let program = own.with_file_name("mlci-bench-deploy");
    let mut command = if has_cluster() {
        Command::new(program)
    } else {
        let mut command = cargo();
        command.args(["run", "--quiet", "--locked", "--package", "mlci-lab", "--", "exec", "kubernetes", "--"]);
        command.arg(program);
        command
    };
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{text}", output.status));
    }
    text.lines().filter(|line| line.starts_with('{')).map(case).collect()
}

fn case(line: &str) -> Result<Case, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
    let list =
        |key: &str| -> Vec<f64> { value[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect() };
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    let known = ["bad-image", "crash-loop", "unschedulable", "apply-to-verified", "rollback"];
    let peers = ["kubectl rollout status", "kubectl apply, rollout status", "kubectl rollout undo, status"];
    let case = known.into_iter().find(|it| *it == text("case")).ok_or_else(|| format!("no such case: {line}"))?;
    let peer = peers.into_iter().find(|it| *it == text("peer")).ok_or_else(|| format!("no such peer: {line}"))?;
    let mut theirs = list("theirs");
    theirs.sort_by(f64::total_cmp);
    let median = theirs.get(theirs.len() / 2).copied().ok_or_else(|| format!("no figures: {line}"))?;
    Ok(Case::new(NAME, case, peer, median, &list("ours")))
}
