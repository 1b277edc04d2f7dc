//! CircleCI: read by CircleCI's own parser and checked against its schema; the steps are run by an interpreter of ours
//! (`tests/circleci`), since CircleCI's own tool asks CircleCI. Not CircleCI: approvals, contexts, serial groups, images.

use std::{fs, process::Command};

use mlci_workflows::System;

use crate::{
    project::{Project, SECRETS, VERIFY, WHOLE},
    tool::{self, Said},
};

fn run(project: &Project, folder: &str, branch: &str, answer: &str) -> Said {
    let work = project.beside(folder);
    fs::create_dir_all(&work).unwrap();
    // As an organisation on CircleCI has them: each project and job with secrets has a context of its own.
    let context = |production: bool| -> serde_json::Map<_, _> {
        let secrets = SECRETS.iter().filter(|(secret, _)| (*secret == "KUBE_TOKEN") == production);
        secrets.map(|&(secret, value)| (secret.to_owned(), value.into())).collect()
    };
    let contexts = serde_json::json!({"wine-build": context(false), "wine-production": context(true)});
    let file = project.beside("contexts.json");
    fs::write(&file, contexts.to_string()).unwrap();
    let mut command = project.command(&tool::named("MLCI_LAB_NODE"));
    command.env("NODE_PATH", tool::named("MLCI_LAB_NODE_MODULES")).arg(tool::beside("circleci/run.cjs"));
    command.arg(project.repository().join(".circleci/config.yml")).arg(project.repository()).arg(work);
    tool::run(command.args([branch, answer]).arg(file))
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab circleci"]
fn circlecis_schema_accepts_the_file() {
    let (project, file) = Project::new(System::CircleCi);
    let check = |text: &str| {
        let path = project.beside("config.yml");
        fs::write(&path, text).unwrap();
        let mut command = Command::new(tool::named("MLCI_LAB_CHECK_JSONSCHEMA"));
        tool::run(command.args(["--builtin-schema", "vendor.circle-ci"]).arg(path))
    };
    check(&file.text).succeeded();
    // That it would have said something.
    check(&file.text.replace("root: '.'", "roto: '.'")).failed();
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab circleci"]
fn a_push_waits_for_a_person_and_then_for_the_recorded_approval() {
    let (project, _) = Project::new(System::CircleCi);
    let waiting = run(&project, "first", "main", "wait");
    assert!(waiting.succeeded().out.contains("job approve-production: on hold"), "{}", waiting.all);
    project.check_calls(&WHOLE[..3]);

    project.fail("production", 5);
    let unapproved = run(&project, "second", "main", "approve");
    assert_eq!(unapproved.code, Some(1), "{}", unapproved.all);
    assert!(unapproved.out.contains("mlci says why it ends with 5"), "{}", unapproved.all);
    assert!(unapproved.out.contains("job production: Exited with code exit status 5"), "{}", unapproved.all);
    project.check_calls(&WHOLE);
    let report = fs::read_to_string(project.beside("second/artifacts/production/index.html")).unwrap();
    assert_eq!(report, "<p>production\n", "the report of the job that failed");

    project.no_longer_fail("production");
    let through = run(&project, "third", "main", "approve");
    assert!(through.succeeded().out.contains("job production: success"), "{}", through.all);
    assert!(through.out.contains("cache cargo-v1-"), "what the first run cached is read: {}", through.all);
    project.check_calls(&WHOLE);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab circleci"]
fn a_gate_that_refuses_ends_it_and_the_report_is_kept() {
    let (project, _) = Project::new(System::CircleCi);
    project.fail("gate", 3);
    let refused = run(&project, "first", "main", "approve");
    assert_eq!(refused.code, Some(1), "{}", refused.all);
    assert!(refused.out.contains("job verify: Exited with code exit status 3"), "{}", refused.all);
    project.check_calls(&WHOLE[..1]);
    assert!(project.beside("first/artifacts/verify/index.html").exists());
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab circleci"]
fn a_pull_request_is_verified_without_secrets_and_writes_no_cache() {
    let (project, _) = Project::new(System::CircleCi);
    let verified = run(&project, "first", "pull/7", "approve");
    assert_eq!(verified.succeeded().out.matches("success").count(), 1, "{}", verified.all);
    project.check_calls(&[(VERIFY, &[])]);
    assert!(!project.beside("caches").exists());
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab circleci"]
fn faults_are_found() {
    let (project, file) = Project::new(System::CircleCi);
    for (index, (from, to, word)) in [
        ("- image: rust", "- imago: rust", "imag"),
        ("- attach_workspace:", "- attach_workspaces:", "attach_workspaces"),
        ("            - verify", "            - verfy", "verfy"),
        ("            - verify", "            - production", "a circle"),
        ("context:", "contexts:", "contexts"),
        ("type: approval", "type: aproval", "aproval"),
        ("set -eu", "cat << x", "template"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(file.text.contains(from), "{from}");
        fs::write(project.repository().join(&file.path), file.text.replacen(from, to, 1)).unwrap();
        let said = run(&project, &format!("work-{index}"), "main", "approve");
        assert_eq!(said.code, Some(2), "{from}: {}", said.all);
        assert!(said.out.contains(word), "{from}: {}", said.all);
    }
}
