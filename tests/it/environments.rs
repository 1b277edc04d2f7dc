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

    for by in ["", " ", "a\nb"] {
        assert_eq!(project.run(&["approve", "production", "--by", by]).code, 2, "{by:?}");
    }
    project.pass(&["approve", "production"]);
    let deployed = project.pass(&["deploy", "production"]);
    assert_eq!(deployed.environment("production")["model_digest"], first.value["model"]["digest"]);
    let (served, server) = running(&project, "production");
    assert_eq!(served, model(&first));
    let present = project.run(&["rollback", "production", "--to", "1"]);
    assert_eq!(present.code, 2);
    assert!(present.error().contains("serves in `production` already"), "{}", present.error());
    // Only what is named is stopped.
    assert_eq!(project.run(&["down"]).code, 2);
    assert_eq!(running(&project, "production").0, model(&first));

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

/// A static program that passes the smoke test and does nothing else.
fn no_server(folder: &std::path::Path) {
    let source = folder.join("no_server.rs");
    let text = r#"fn main() { if !std::env::args().any(|a| a == "--check") { eprintln!("out of beans"); std::process::exit(7) } }"#;
    fs::write(&source, text).unwrap();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut rustc = std::process::Command::new("rustc");
    rustc.args(["-C", "target-feature=+crt-static", "-C", "strip=symbols", "--target", &target, "-o"]);
    assert!(rustc.arg(folder.join("broken")).arg(&source).status().unwrap().success());
}

/// A server that ends at its start; what served before still does.
#[test]
fn a_release_that_fails_is_rolled_back() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    no_server(project.root());
    let line = project.read("mlci.toml").lines().find(|line| line.starts_with("server")).unwrap().to_owned();
    project.configure(&line, "server = \"broken\"");
    let failed = project.run(&["ci"]);
    assert_eq!((failed.code, failed.value["verdict"].as_str()), (4, Some("rolled_back")), "{:#}", failed.value);
    for says in ["ended before it was ready", "out of beans", "what served before still does"] {
        assert!(failed.error().contains(says), "{}", failed.error());
    }
    assert_eq!(running(&project, "staging").0, model(&first));
    assert_eq!(processes_in(project.root()).len(), 1);
    // It is not tried again by itself, and stays a failure until it is mended.
    let again = project.run(&["ci"]);
    assert_eq!((again.code, again.environment("staging")["status"].as_str()), (4, Some("failed")));
    assert!(again.error().contains("failed in `staging` before"), "{}", again.error());
    project.configure("server = \"broken\"", &line);
    assert_eq!(project.pass(&["ci"]).environment("staging")["status"], "verified");
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
    assert_eq!(project.files(".mlci/environments/wine/staging/instances"), [""; 0]);
    // Down twice is no mistake.
    project.pass(&["down", "--all"]);
}

/// Staging's rejection holds for production too.
#[test]
fn what_staging_rejected_goes_nowhere() {
    let project = Project::new();
    project.pass(&["ci"]);
    project.configure(OTHER_MODEL.0, OTHER_MODEL.1);
    project.pass(&["ci"]);
    project.pass(&["rollback", "staging", "--reason", "bad"]);
    for command in ["approve", "deploy"] {
        let refused = project.run(&[command, "production", "--release", "2"]);
        assert_eq!(refused.code, 3, "{command}");
        assert!(refused.error().contains("was rejected in `staging`: bad"), "{}", refused.error());
    }
}

/// A restart brings nothing that was not approved.
#[test]
fn a_restart_is_no_deployment() {
    let project = Project::new();
    project.pass(&["ci"]);
    project.pass(&["approve", "production"]);
    let deployed = project.pass(&["deploy", "production"]);
    project.configure("approval = \"required\"", "approval = \"required\"\nready_seconds = 11");
    let refused = project.run(&["restart", "production"]);
    assert_eq!(refused.code, 2);
    assert!(refused.error().contains("has changed since it was deployed"), "{}", refused.error());
    let status = project.pass(&["status", "production"]);
    assert_eq!(status.environment("production")["pid"], deployed.environment("production")["pid"]);
}

/// Two pipelines in one folder, each with a staging of its own.
#[test]
fn two_configurations_in_one_folder() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    let other =
        project.read("mlci.toml").replace("name = \"wine\"", "name = \"other\"").replace("seed = 42", "seed = 43");
    project.write("other.toml", &other);
    let second = project.pass(&["ci", "--config", "other.toml"]);
    assert_ne!(first.text("/environments/0/address"), second.text("/environments/0/address"));
    assert_eq!(running(&project, "staging").0, model(&first));
    assert_eq!(project.pass(&["ci"]).stage("deploy"), "cached");
    project.pass(&["down", "--all", "--config", "other.toml"]);
    assert_eq!(running(&project, "staging").0, model(&first));
}

/// An environment that was renamed still has its server, and `down` ends it.
#[test]
fn an_environment_that_was_renamed() {
    let project = Project::new();
    project.pass(&["ci"]);
    project.configure("[environment.staging]", "[environment.test]");
    project.pass(&["down", "--all"]);
    eventually("the end of the server", || processes_in(project.root()).is_empty());
}

/// A commit after the build is where the image is from, once the same image was built from it.
#[test]
fn a_commit_makes_a_release_clean() {
    let project = Project::new();
    project.configure("allow_dirty = true\n", "");
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
        let mut command = std::process::Command::new("git");
        let output = command.current_dir(project.root()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "first"]);
    project.write("notes", "not committed");
    project.pass(&["ci"]);
    assert_eq!(project.run(&["approve", "production"]).code, 3);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "second"]);
    assert_eq!(project.pass(&["ci"]).stage("image"), "cached");
    project.pass(&["approve", "production"]);
    project.pass(&["deploy", "production"]);
}

/// Whoever waits for the end of a pipe or for a lock that the command inherited does not wait for the server.
#[test]
fn a_server_holds_nothing_that_its_starter_has_inherited() {
    let project = Project::new();
    let program = env!("CARGO_BIN_EXE_mlci-under-test");
    let script = format!("exec 7</dev/zero; exec '{program}' ci");
    let status =
        std::process::Command::new("sh").current_dir(project.root()).env_remove("CI").args(["-c", &script]).status();
    assert!(status.unwrap().success());
    let pid = project.pass(&["status"]).environment("staging")["pid"].as_u64().unwrap();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let open: Vec<_> = open.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    assert!(!open.is_empty() && !open.contains(&"/dev/zero".into()), "{open:?}");
}

/// Damage elsewhere is no reason to leave something running; what another project runs is named.
#[test]
fn down_needs_no_more_than_the_environments() {
    let project = Project::new();
    project.pass(&["ci"]);
    project.write(".mlci/images/index.json", "garbage");
    project.configure("name = \"wine\"", "name = \"other\"");
    let other = project.pass(&["down", "--all"]);
    let warned = other.lines.iter().find(|line| line["event"] == "warning").expect("a warning");
    assert!(warned["message"].as_str().unwrap().contains("of `wine/staging`"), "{warned}");
    assert_eq!(processes_in(project.root()).len(), 1);
    project.configure("name = \"other\"", "name = \"wine\"");
    project.pass(&["down", "staging"]);
    assert_eq!(processes_in(project.root()), [0_u32; 0]);
}

/// A process takes over in one step: there is nothing to hold.
#[test]
fn there_is_no_rollout_of_a_process() {
    let project = Project::new();
    for command in ["pause", "resume", "abort"] {
        let refused = project.run(&[command, "staging"]);
        assert_eq!(refused.code, 2, "{:#}", refused.value);
        assert!(refused.error().contains("takes over in one step"), "{}", refused.error());
        assert!(project.run(&[command, "nowhere"]).error().contains("no environment `nowhere`"));
    }
}

/// A server that answers nobody is replaced, on its own port.
#[test]
fn a_server_that_hangs_is_replaced() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    let pid = first.environment("staging")["pid"].as_u64().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    let status = project.pass(&["status"]);
    let staging = status.environment("staging");
    assert_eq!(staging["status"], "drifted");
    assert!(staging["note"].as_str().unwrap().contains(&format!("process {pid} lives")), "{staging:#}");
    let second = project.pass(&["ci"]);
    assert_eq!(second.stage("deploy"), "done");
    assert_eq!(first.text("/environments/0/address"), second.text("/environments/0/address"));
    assert_eq!(processes_in(project.root()).len(), 1);
}

/// A deployment that was cut short between the two: both answer, which no status calls verified, and the next command
/// that works clears up.
#[test]
fn a_second_server_on_the_port_is_seen_and_cleared_away() {
    let project = Project::new();
    project.pass(&["ci"]);
    let instances = project.path(".mlci/environments/wine/staging/instances");
    let current = fs::read_to_string(project.path(".mlci/environments/wine/staging/current")).unwrap();
    // As it is after a kill: the new one serves, and the old one is still the current one.
    project.configure(OTHER_MODEL.0, OTHER_MODEL.1);
    let mut ci = project.start(&["ci"]);
    assert!(ci.until(|event| event["message"].as_str().is_some_and(|text| text.contains("started on"))).is_some());
    ci.kill();
    assert_eq!(fs::read_to_string(project.path(".mlci/environments/wine/staging/current")).unwrap(), current);
    if fs::read_dir(&instances).unwrap().count() > 1 {
        assert_eq!(project.pass(&["status"]).environment("staging")["status"], "drifted");
    }
    project.configure(OTHER_MODEL.1, OTHER_MODEL.0);
    project.pass(&["ci"]);
    assert_eq!(processes_in(project.root()).len(), 1);
}
