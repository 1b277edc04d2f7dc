//! GitHub Actions: GitHub's own parser, actionlint, and act, which executes. Not GitHub: environments, concurrency,
//! permissions, and the five actions that stand-ins replace (`tests/github`).

use std::{fs, path::Path, process::Command};

use mlci_workflows::System;
use serde_json::Value;

use crate::{
    project::{PRODUCTION, Project, SECRETS, VERIFY, WHOLE},
    tool::{self, Said},
};

/// What GitHub's parser and language service say of a workflow.
fn parsed(folder: &Path, text: &str) -> Value {
    let modules = tool::named("MLCI_LAB_NODE_MODULES");
    let node = tool::named("MLCI_LAB_NODE");
    // The packages import JSON in a way that Node refuses outside of a bundle.
    let bundle = folder.join("validate.mjs");
    if !bundle.exists() {
        let banner = "--banner:js=import{createRequire as r}from'module';const require=r(import.meta.url);";
        let mut command = Command::new(modules.join(".bin/esbuild"));
        command.arg(tool::beside("github/validate.mjs")).arg(format!("--outfile={}", bundle.display()));
        command.args(["--bundle", "--platform=node", "--format=esm", "--log-level=warning", banner]);
        tool::run(command.env("NODE_PATH", &modules)).succeeded();
    }
    let file = folder.join("workflow.yml");
    fs::write(&file, text).unwrap();
    let said = tool::run(Command::new(node).arg(bundle).arg(&file));
    serde_json::from_str(&said.succeeded().out).unwrap()
}

fn lint(folder: &Path, text: &str) -> Said {
    let file = folder.join("workflow.yml");
    fs::write(&file, text).unwrap();
    // Without the tools that it would call for scripts and Python.
    let mut command = Command::new(tool::named("MLCI_LAB_ACTIONLINT"));
    tool::run(command.args(["-no-color", "-shellcheck=", "-pyflakes="]).arg(file))
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab github"]
fn githubs_parser_and_actionlint_accept_the_workflow() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = Project::new(System::GitHub);
    let found = parsed(folder.path(), &file.text);
    assert_eq!(found["errors"].as_array().map(Vec::len), Some(0), "{found}");
    lint(folder.path(), &file.text).succeeded();

    let jobs = found["jobs"].as_array().unwrap();
    let names: Vec<_> = jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["verify", "build", "staging", "production"]);
    let deploys = jobs[3]["environment"].as_str().unwrap();
    assert!(deploys.contains("\"production\""), "{deploys}");
    for job in &jobs[1..] {
        let condition = job["condition"].as_str().unwrap();
        assert!(condition.contains("github.event_name == 'push' && github.ref == 'refs/heads/main'"), "{condition}");
    }

    // That they would have said something.
    let unknown = file.text.replace("needs:\n      - verify", "needs:\n      - verfy");
    assert!(parsed(folder.path(), &unknown)["errors"].to_string().contains("verfy"));
    assert!(lint(folder.path(), &unknown).failed().all.contains("verfy"));
    let input = file.text.replace("persist-credentials", "persist-credential");
    assert!(lint(folder.path(), &input).failed().all.contains("persist-credential"));
}

struct Acted {
    said: Said,
    /// Job and result, in the order in which jobs ended.
    results: Vec<(String, String)>,
}

fn act(project: &Project, event: &str) -> Acted {
    let mut command = project.command(&tool::named("MLCI_LAB_ACT"));
    command.args([event, "--json", "--no-cache-server", "--platform", "ubuntu-24.04=-self-hosted"]);
    for (action, version) in [("upload-artifact", "v6"), ("download-artifact", "v7"), ("cache", "v5")] {
        let stand_in = tool::beside("github").join(action);
        command.arg("--local-repository").arg(format!("actions/{action}@{version}={}", stand_in.display()));
    }
    for (name, folder) in [("ARTIFACTS", "artifacts"), ("CACHES", "caches")] {
        let folder = project.beside(folder);
        fs::create_dir_all(&folder).unwrap();
        command.arg("--env").arg(format!("{name}={}", folder.display()));
    }
    for (name, value) in SECRETS {
        command.arg("--secret").arg(format!("{name}={value}"));
    }
    if event == "pull_request" {
        let payload = project.beside("event.json");
        let text = r#"{"pull_request": {"number": 7, "head": {"ref": "change"}, "base": {"ref": "main"}}}"#;
        fs::write(&payload, text).unwrap();
        command.arg("--eventpath").arg(payload);
    }
    let said = tool::run(&mut command);
    let lines = said.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let results = lines.filter_map(|line| {
        let (job, result) = (line["jobID"].as_str()?.to_owned(), line["jobResult"].as_str()?.to_owned());
        Some((job, result))
    });
    Acted { results: results.collect(), said }
}

#[track_caller]
fn check_results(acted: &Acted, expected: &[(&str, &str)]) {
    let results: Vec<_> = acted.results.iter().map(|(job, result)| (job.as_str(), result.as_str())).collect();
    assert_eq!(results, expected, "{}", acted.said.all);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab github"]
fn act_runs_a_push_up_to_the_missing_approval_and_then_through() {
    let (project, _) = Project::new(System::GitHub);
    project.fail("production", 5);
    let waiting = act(&project, "push");
    let before = [("verify", "success"), ("build", "success"), ("staging", "success")];
    check_results(&waiting, &[&before[..], &[("production", "failure")]].concat());
    assert!(waiting.said.failed().all.contains("mlci says why it ends with 5"), "{}", waiting.said.all);
    project.check_calls(&WHOLE);
    // The report of every job, also of the one that failed, and what jobs handed over, is there.
    for job in ["verify", "build", "staging", "production"] {
        assert!(project.beside("artifacts").join(format!("report-{job}/index.html")).exists(), "{job}");
        assert!(waiting.said.all.contains("Summary"), "{}", waiting.said.all);
    }
    assert!(waiting.said.all.contains("# Report: production"), "the summary of the job that failed");
    assert!(project.beside("artifacts/handed-over-build/images/index.json").exists());
    // Written by the one job on the default branch that may, and read by the next run.
    let caches: Vec<_> =
        fs::read_dir(project.beside("caches")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(caches.len(), 1, "{caches:?}");
    assert!(project.beside("caches").join(&caches[0]).join("target/built").exists());
    for (_, value) in SECRETS {
        assert!(!waiting.said.all.replace(&format!("={value}"), "").contains(value), "a secret is in the log");
    }

    project.no_longer_fail("production");
    let through = act(&project, "push");
    check_results(&through, &[&before[..], &[("production", "success")]].concat());
    through.said.succeeded();
    project.check_calls(&WHOLE);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab github"]
fn act_stops_after_a_gate_that_refuses_and_keeps_the_report() {
    let (project, _) = Project::new(System::GitHub);
    project.fail("gate", 3);
    let refused = act(&project, "push");
    assert_eq!(refused.results.first(), Some(&("verify".to_owned(), "failure".to_owned())), "{}", refused.said.all);
    assert!(refused.said.failed().all.contains("mlci says why it ends with 3"));
    project.check_calls(&WHOLE[..1]);
    assert!(project.beside("artifacts/report-verify/index.html").exists());
    assert!(!project.beside("artifacts/handed-over-verify").exists());
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab github"]
fn act_only_verifies_a_pull_request_without_secrets_and_hands_nothing_over() {
    let (project, _) = Project::new(System::GitHub);
    let acted = act(&project, "pull_request");
    acted.said.succeeded();
    project.check_calls(&[(VERIFY, &[])]);
    assert!(!acted.said.all.contains(PRODUCTION), "{}", acted.said.all);
    assert!(project.beside("artifacts/report-verify/index.html").exists());
    assert!(!project.beside("artifacts/handed-over-verify").exists());
    assert_eq!(fs::read_dir(project.beside("caches")).unwrap().count(), 0, "a pull request writes no cache");
}
