//! Jenkins: the Jenkinsfile is compiled and run by Groovy, under an interpreter of ours (`tests/jenkins`), since Jenkins
//! itself is not to be had from a package registry. Not Jenkins: its validator, sandbox, plugins, agents and users.

use std::fs;

use mlci_workflows::System;

use crate::{
    project::{Project, SECRETS, VERIFY, WHOLE},
    tool::{self, Said},
};

struct Runs<'a> {
    branch: &'a str,
    answer: &'a str,
    one_workspace: bool,
}

const MAIN: Runs<'_> = Runs { branch: "main", answer: "approve", one_workspace: false };

/// One run; its folder is new each time.
fn run(project: &Project, folder: &str, runs: &Runs<'_>) -> Said {
    let work = project.beside(folder);
    fs::create_dir_all(&work).unwrap();
    let credentials = project.beside("credentials");
    fs::write(&credentials, SECRETS.map(|(name, value)| format!("{name}={value}\n")).concat()).unwrap();
    let mut command = project.command(&tool::named("MLCI_LAB_JAVA"));
    command
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8", "-cp"])
        .arg(tool::named("MLCI_LAB_GROOVY"))
        .arg("groovy.ui.GroovyMain");
    command.args(["--encoding", "UTF-8"]).arg(tool::beside("jenkins/run.groovy"));
    command.arg(project.repository().join("Jenkinsfile")).arg(project.repository()).arg(work);
    command.args([runs.branch, runs.answer]).arg(credentials);
    if runs.one_workspace {
        command.env("ONE_WORKSPACE", "1");
    }
    tool::run(&mut command)
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab jenkins"]
fn a_push_waits_for_a_person_and_then_for_the_recorded_approval() {
    let (project, _) = Project::new(System::Jenkins);
    let rejected = run(&project, "first", &Runs { answer: "reject", ..MAIN });
    assert_eq!(rejected.code, Some(1), "{}", rejected.all);
    assert!(rejected.out.contains("input: Deploy wine to production?"), "{}", rejected.all);
    project.check_calls(&WHOLE[..3]);

    project.fail("production", 5);
    let unapproved = run(&project, "second", &MAIN);
    assert_eq!(unapproved.code, Some(1), "{}", unapproved.all);
    assert!(unapproved.out.contains("mlci says why it ends with 5"), "{}", unapproved.all);
    assert!(unapproved.out.contains("script returned exit code 5"), "{}", unapproved.all);
    project.check_calls(&WHOLE);
    let report = fs::read_to_string(project.beside("second/archive/.mlci/report/index.html")).unwrap();
    assert_eq!(report, "<p>production\n", "the report of the stage that failed");

    project.no_longer_fail("production");
    run(&project, "third", &MAIN).succeeded();
    project.check_calls(&WHOLE);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab jenkins"]
fn a_gate_that_refuses_ends_it_and_the_report_is_kept() {
    let (project, _) = Project::new(System::Jenkins);
    project.fail("gate", 3);
    let refused = run(&project, "first", &MAIN);
    assert_eq!(refused.code, Some(1), "{}", refused.all);
    assert!(refused.out.contains("script returned exit code 3"), "{}", refused.all);
    project.check_calls(&WHOLE[..1]);
    assert!(project.beside("first/archive/.mlci/report/index.html").exists());
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab jenkins"]
fn a_pull_request_is_verified_without_secrets() {
    let (project, _) = Project::new(System::Jenkins);
    let verified = run(&project, "first", &Runs { branch: "PR-7", ..MAIN });
    verified.succeeded();
    for stage in ["build", "staging", "approve-production", "production"] {
        assert!(verified.out.contains(&format!("stage {stage}: skipped")), "{}", verified.all);
    }
    project.check_calls(&[(VERIFY, &[])]);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab jenkins"]
fn an_older_report_in_the_workspace_is_not_kept_as_this_ones() {
    let (project, _) = Project::new(System::Jenkins);
    let change = Runs { branch: "PR-7", one_workspace: true, ..MAIN };
    run(&project, "first", &change).succeeded();
    let archive = project.beside("first/archive");
    assert!(archive.join(".mlci/report/index.html").exists());
    fs::remove_dir_all(&archive).unwrap();
    // A call that ends before it writes a report.
    fs::write(project.beside("program/cargo"), "#!/bin/sh\nexit 1\n").unwrap();
    run(&project, "first", &change).failed();
    assert!(!archive.exists());
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab jenkins"]
fn the_interpreter_refuses_what_it_does_not_know() {
    let (project, file) = Project::new(System::Jenkins);
    for (index, (from, to, word)) in [
        ("stage('build')", "stagez('build')", "stagez"),
        ("agent none", "", "needs `agent`"),
        ("beforeAgent true", "beforeAgents true", "beforeAgents"),
        ("unstash 'verify'", "unstash 'verify'\n                retry 2", "retry"),
        ("allowEmpty: true", "allowEmtpy: true", "allowEmtpy"),
        ("agent none", "agent none", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let text = file.text.replacen(from, to, 1);
        fs::write(project.repository().join(&file.path), text).unwrap();
        let said = run(&project, &format!("work-{index}"), &MAIN);
        let expected = if word.is_empty() { 0 } else { 2 };
        assert_eq!(said.code, Some(expected), "{from}: {}", said.all);
        assert!(said.out.contains(word), "{}", said.all);
    }
    let cut = file.text.trim_end().trim_end_matches('}');
    fs::write(project.repository().join(&file.path), cut).unwrap();
    assert_eq!(run(&project, "cut", &MAIN).code, Some(2));
}
