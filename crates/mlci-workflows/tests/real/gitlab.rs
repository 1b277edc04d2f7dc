//! GitLab CI/CD: gitlab-ci-local, which executes and checks against GitLab's schema, and check-jsonschema with another
//! copy of that schema. Not GitLab: runners, containers, protected branches and environments, resource groups.

use std::{fs, process::Command};

use mlci_workflows::System;
use serde_json::Value;

use crate::{
    project::{Project, SECRETS, VERIFY, WHOLE},
    tool::{self, Said},
};

fn local(project: &Project, arguments: &[&str]) -> Said {
    // Variables as a project on GitLab has them: each for the environment of the jobs that need it.
    let of = |name: &str| if name == "KUBE_TOKEN" { "production" } else { "build" };
    let variable = |(name, value): (&str, &str)| {
        let values = serde_json::json!({ of(name): value });
        (name.to_owned(), serde_json::json!({ "type": "variable", "values": values }))
    };
    let variables: serde_json::Map<_, _> = SECRETS.into_iter().map(variable).collect();
    let folder = project.beside("home/.gitlab-ci-local");
    fs::create_dir_all(&folder).unwrap();
    // JSON is YAML too.
    let text = serde_json::json!({ "global": variables }).to_string();
    fs::write(folder.join("variables.yml"), text).unwrap();

    let mut command = project.command(&tool::named("MLCI_LAB_NODE"));
    command.arg(tool::named("MLCI_LAB_GITLAB_CI_LOCAL"));
    // Else jobs would share the work tree, and a missing artifact would go unnoticed.
    command.args(["--force-shell-executor", "--shell-isolation", "--artifacts-to-source=false"]).args(arguments);
    tool::run(&mut command)
}

/// The jobs that the rules let into a pipeline, and when they run.
fn listed(project: &Project, arguments: &[&str]) -> Vec<(String, String)> {
    let said = local(project, &[&["--list-json"], arguments].concat());
    let jobs: Vec<Value> = serde_json::from_str(&said.succeeded().out).unwrap();
    let text = |job: &Value, key: &str| job[key].as_str().unwrap().to_owned();
    let jobs = jobs.iter().map(|job| (text(job, "name"), text(job, "when")));
    jobs.filter(|(_, when)| when != "never").collect()
}

fn jobs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, when)| (name.to_owned(), when.to_owned())).collect()
}

const MERGE_REQUEST: [&str; 2] =
    ["--variable=CI_PIPELINE_SOURCE=merge_request_event", "--ignore-predefined-vars=CI_PIPELINE_SOURCE"];

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab gitlab"]
fn gitlabs_schema_accepts_the_file() {
    let (project, file) = Project::new(System::GitLab);
    let check = |text: &str| {
        let path = project.beside("checked.yml");
        fs::write(&path, text).unwrap();
        let mut command = Command::new(tool::named("MLCI_LAB_CHECK_JSONSCHEMA"));
        command.args(["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]);
        tool::run(command.arg(path))
    };
    check(&file.text).succeeded();
    // That it would have said something.
    assert!(check(&file.text.replace("resource_group", "resource_grp")).failed().all.contains("resource_grp"));
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab gitlab"]
fn rules_let_in_what_they_should() {
    let (project, file) = Project::new(System::GitLab);
    let automatic = [("verify", "on_success"), ("build", "on_success"), ("staging", "on_success")];
    assert_eq!(listed(&project, &[]), jobs(&[&automatic[..], &[("production", "manual")]].concat()));
    assert_eq!(listed(&project, &MERGE_REQUEST), jobs(&automatic[..1]));

    project.git(&["checkout", "--quiet", "-b", "feature"]);
    assert_eq!(listed(&project, &[]), []);

    let unknown = file.text.replace("needs:\n    - staging", "needs:\n    - stagng");
    fs::write(project.repository().join(&file.path), unknown).unwrap();
    assert!(local(&project, &["--list-json"]).failed().all.contains("stagng"));
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab gitlab"]
fn a_push_waits_for_a_person_and_then_for_the_recorded_approval() {
    let (project, _) = Project::new(System::GitLab);
    let waiting = local(&project, &[]);
    waiting.succeeded();
    project.check_calls(&WHOLE[..3]);

    project.fail("production", 5);
    let unapproved = local(&project, &["--manual", "production"]);
    assert!(unapproved.failed().all.contains("mlci says why it ends with 5"), "{}", unapproved.all);
    project.check_calls(&WHOLE);
    let kept = project.repository().join(".gitlab-ci-local/artifacts/production/.mlci/report/index.html");
    assert_eq!(fs::read_to_string(kept).unwrap(), "<p>production\n", "the report of the job that failed");

    project.no_longer_fail("production");
    local(&project, &["--manual", "production"]).succeeded();
    project.check_calls(&WHOLE);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab gitlab"]
fn a_gate_that_refuses_ends_it_and_the_report_is_kept() {
    let (project, _) = Project::new(System::GitLab);
    project.fail("gate", 3);
    let refused = local(&project, &[]);
    assert!(refused.failed().all.contains("mlci says why it ends with 3"), "{}", refused.all);
    project.check_calls(&WHOLE[..1]);
    assert!(project.repository().join(".gitlab-ci-local/artifacts/verify/.mlci/report/index.html").exists());
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab gitlab"]
fn a_merge_request_is_verified_without_secrets() {
    let (project, _) = Project::new(System::GitLab);
    local(&project, &MERGE_REQUEST).succeeded();
    project.check_calls(&[(VERIFY, &[])]);
}
