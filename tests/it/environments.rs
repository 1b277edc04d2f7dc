//! Approval, deployment, rollback: by digest, and as the running server itself says.

use std::fs;

use crate::project::{Finished, Project, eventually, header, http, processes_in};

const OTHER_MODEL: (&str, &str) = ("seed = 42", "seed = 43");

/// What runs there: the digests of the model that it names and of the executable that it is.
fn running(project: &Project, environment: &str) -> (String, String) {
    let status = project.pass(&["status", environment]);
    let end = status.environment(environment).clone();
    let (code, head, _) = http(end["address"].as_str().unwrap(), "GET", "/", "").unwrap();
    assert_eq!(code, 200);
    let pid = end["pid"].as_u64().unwrap();
    assert_eq!(header(&head, "mlci-instance"), Some(pid.to_string().as_str()));
    let executable = mlci_core::digest_file(format!("/proc/{pid}/exe").as_ref()).unwrap().0.to_string();
    (header(&head, "mlci-model-digest").unwrap().to_owned(), executable)
}

fn model(finished: &Finished) -> String {
    finished.text("/model/digest").to_owned()
}

#[test]
fn production_waits_for_an_approval_and_goes_back() {
    let project = Project::new();
    let first = project.pass(&["ci"]);

    let waiting = project.run(&["deploy", "production"]);
    assert_eq!((waiting.code, waiting.value["verdict"].as_str()), (5, Some("waiting")));
    assert!(waiting.error().contains("approve production"), "{}", waiting.error());
    assert_eq!(waiting.environment("production")["status"], "waiting");

    project.pass(&["approve", "production"]);
    let deployed = project.pass(&["deploy", "production"]);
    assert_eq!(deployed.environment("production")["model_digest"], first.value["model"]["digest"]);
    let (served, server) = running(&project, "production");
    assert_eq!(served, model(&first));

    project.configure(OTHER_MODEL.0, OTHER_MODEL.1);
    let second = project.pass(&["ci"]);
    assert_ne!(model(&first), model(&second));
    assert_eq!(running(&project, "production").0, model(&first), "ci leaves production alone");
    project.pass(&["approve", "production"]);
    project.pass(&["deploy", "production"]);
    assert_eq!(running(&project, "production").0, model(&second));

    let back = project.pass(&["rollback", "production", "--reason", "too sweet"]);
    assert_eq!(back.version(), 1);
    assert_eq!(running(&project, "production"), (model(&first), server));
    let aliases = project.pass(&["models"]);
    let one = aliases.value["result"].as_array().unwrap().iter().find(|model| model["version"] == 1).unwrap().clone();
    assert_eq!(one["aliases"][0], "production");
    // What was rolled back does not come back by itself, and its old approval no longer counts.
    let again = project.pass(&["ci"]);
    assert_ne!(again.environment("production")["status"], "verified");
    assert_eq!(running(&project, "production").0, model(&first));
    let refused = project.run(&["deploy", "production"]);
    assert_eq!(refused.code, 5);
    assert!(refused.error().contains("too sweet"), "{}", refused.error());
    // There is nothing before the first.
    let nothing = project.run(&["rollback", "production"]);
    assert_eq!(nothing.code, 1);
    assert!(nothing.error().contains("no earlier release"), "{}", nothing.error());
    assert_eq!(running(&project, "production").0, model(&first));
}

#[test]
fn an_approval_is_of_one_release() {
    let project = Project::new();
    project.pass(&["ci"]);
    project.pass(&["approve", "production"]);
    project.configure(OTHER_MODEL.0, OTHER_MODEL.1);
    let second = project.pass(&["ci"]);
    assert_eq!(second.environment("production")["status"], "waiting");
    assert_eq!(project.run(&["deploy", "production"]).code, 5);
    // The one that was approved may still go there.
    assert_eq!(project.pass(&["deploy", "production", "--release", "1"]).version(), 1);
}

/// An approval covers the environment's configuration too.
#[test]
fn a_change_of_the_environment_needs_a_new_approval() {
    let project = Project::new();
    project.pass(&["ci"]);
    project.pass(&["approve", "production"]);
    project.configure("approval = \"required\"", "approval = \"required\"\nready_seconds = 11");
    assert_eq!(project.run(&["deploy", "production"]).code, 5);
}

#[test]
fn production_takes_only_what_a_commit_holds() {
    let project = Project::new();
    project.configure("allow_dirty = true\n", "");
    project.pass(&["ci"]);
    let refused = project.run(&["approve", "production"]);
    let deployed = project.run(&["deploy", "production"]);
    for finished in [refused, deployed] {
        assert_eq!(finished.code, 3, "{:#}", finished.value);
        assert!(finished.error().contains("without a git commit"), "{}", finished.error());
        assert!(finished.error().contains("allow_dirty = true"), "{}", finished.error());
    }
}

#[test]
fn staging_goes_back_and_ci_leaves_it_there() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    project.configure(OTHER_MODEL.0, OTHER_MODEL.1);
    project.pass(&["ci"]);
    project.pass(&["rollback", "staging"]);
    assert_eq!(running(&project, "staging").0, model(&first));
    let again = project.pass(&["ci"]);
    assert_eq!(again.environment("staging")["status"], "rejected");
    assert_eq!(running(&project, "staging").0, model(&first));
    // A person who asks for it gets it.
    project.pass(&["deploy", "staging"]);
    assert_ne!(running(&project, "staging").0, model(&first));
}

/// Two rollbacks in a row go two steps back.
#[test]
fn three_releases_back_to_the_first() {
    let project = Project::new();
    project.configure("max = 0.70", "max = 1.0");
    let first = project.pass(&["ci"]);
    for seed in ["seed = 43", "seed = 44"] {
        let old = project.read("mlci.toml");
        let line = old.lines().find(|line| line.starts_with("seed")).unwrap().to_owned();
        project.configure(&line, seed);
        project.pass(&["ci"]);
    }
    assert_eq!(project.pass(&["rollback", "staging"]).version(), 2);
    assert_eq!(project.pass(&["rollback", "staging"]).version(), 1);
    assert_eq!(running(&project, "staging").0, model(&first));
    // Or to a certain one.
    assert_eq!(project.pass(&["rollback", "staging", "--to", "wine@3"]).version(), 3);
}

/// A server that crashes at its start; what served before still does.
#[test]
fn a_release_that_fails_is_rolled_back() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    let mut bytes = fs::read(crate::project::server()).unwrap();
    // The address of its first instruction (ELF-64, `e_entry`), which is none of its own any more.
    bytes[24..32].copy_from_slice(&8_u64.to_le_bytes());
    fs::write(project.path("broken"), bytes).unwrap();
    let line = project.read("mlci.toml").lines().find(|line| line.starts_with("server")).unwrap().to_owned();
    project.configure(&line, "server = \"broken\"");
    let failed = project.run(&["ci"]);
    assert_eq!((failed.code, failed.value["verdict"].as_str()), (4, Some("rolled_back")), "{:#}", failed.value);
    assert!(failed.error().contains("ended before it was ready"), "{}", failed.error());
    assert_eq!(running(&project, "staging").0, model(&first));
    assert_eq!(processes_in(project.root()).len(), 1);
    // It is not tried again by itself.
    assert_eq!(project.pass(&["ci"]).environment("staging")["status"], "rejected");
}

#[test]
fn restart_logs_and_down() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    let pid = |finished: &Finished| finished.environment("staging")["pid"].as_u64().unwrap();
    let restarted = project.pass(&["restart", "staging"]);
    assert_ne!(pid(&first), pid(&restarted));
    assert_eq!(first.text("/environments/0/address"), restarted.text("/environments/0/address"));
    assert_eq!(processes_in(project.root()).len(), 1);
    let logs = project.pass(&["logs", "staging"]);
    assert!(logs.value["result"]["lines"][0].as_str().unwrap().contains("serving on"), "{:#}", logs.value);
    project.pass(&["down", "staging"]);
    eventually("the end of the server", || processes_in(project.root()).is_empty());
    assert_eq!(project.pass(&["status"]).environment("staging")["status"], "down");
    assert_eq!(project.files(".mlci/environments/staging/instances"), [""; 0]);
    // Down twice is no mistake.
    project.pass(&["down", "--all"]);
}
