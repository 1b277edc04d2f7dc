//! The last line of `--format json`: what scripts build on.

use serde_json::Value;

use crate::project::{Project, http, processes_in};

/// Every field that the documentation promises is there, with its type.
#[test]
fn ci_ends_with_the_documented_line() {
    let project = Project::new();
    let finished = project.pass(&["ci"]);
    let value = &finished.value;
    assert_eq!((value["command"].as_str(), value["verdict"].as_str()), (Some("ci"), Some("pass")));
    assert!(value["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    let names: Vec<&str> = value["stages"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["setup", "check", "data", "train", "test", "gate", "track", "publish", "image", "deploy"]);
    for (stage, status) in [("setup", "skipped"), ("train", "done"), ("image", "done"), ("deploy", "done")] {
        assert_eq!(finished.stage(stage), status, "{stage}");
    }
    assert_eq!(finished.text("/run/id").len(), 16);
    assert_eq!((finished.text("/model/name"), finished.version()), ("wine", 1));
    assert_eq!(finished.text("/image/reference"), "oci:.mlci/images:wine-1");
    assert!(value["image"]["bytes"].as_u64().is_some_and(|bytes| bytes > 100_000));
    for digest in ["/model/digest", "/image/digest", "/environments/0/model_digest"] {
        assert!(finished.text(digest).parse::<mlci_core::Digest>().is_ok(), "{digest}");
    }
    let staging = finished.environment("staging");
    assert_eq!((staging["status"].as_str(), &staging["model_digest"]), (Some("verified"), &value["model"]["digest"]));
    assert_eq!(finished.environment("production")["status"], "waiting");
    // The address answers.
    let (status, _, _) = http(staging["address"].as_str().unwrap(), "GET", "/readyz", "").unwrap();
    assert_eq!(status, 200);
}

#[test]
fn lookups_answer_on_the_last_line() {
    let project = Project::new();
    let ci = project.pass(&["ci"]);
    assert_eq!(project.pass(&["runs"]).value["result"][0]["id"], ci.value["run"]["id"]);
    assert_eq!(project.pass(&["models"]).value["result"][0]["digest"], ci.value["model"]["digest"]);
    let status = project.pass(&["status"]);
    assert_eq!(status.environment("staging")["status"], "verified");
    assert_eq!(status.environment("production")["status"], "empty");
    let run = ci.text("/run/id");
    assert_eq!(project.pass(&["runs", "show", &run[..6]]).value["result"]["status"], "finished");
    let origins = &project.pass(&["config", "show"]).value["result"]["origins"];
    assert_eq!(origins["train.seed"], "line 9");
    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{:#}", doctor.value);
}

/// Both ways from every link of the chain: source, data, run, model, version, image, environment.
#[test]
fn trace_finds_the_chain_from_every_link() {
    let project = Project::new();
    let ci = project.pass(&["ci"]);
    let image = ci.text("/image/digest");
    let short = &image["sha256:".len()..][..8];
    let data = mlci_core::digest_file(&project.path("wine.csv")).unwrap().0.to_string();
    let things = [image, short, ci.text("/model/digest"), ci.text("/run/id"), &data, "wine@1", "staging"];
    for thing in things {
        let trace = project.pass(&["trace", thing]);
        let links = trace.value["result"]["chains"][0]["links"].as_array().unwrap().clone();
        let has = |value: &str| links.iter().any(|link| link["value"].as_str().is_some_and(|v| v.starts_with(value)));
        assert!(links.iter().any(|link| link["asked"] == Value::Bool(true)), "{thing}");
        for value in [&data, ci.text("/run/id"), ci.text("/model/digest"), "wine@1", image, "deployed and verified by"]
        {
            assert!(has(value), "{thing}: no {value} in {links:#?}");
        }
    }
    let unknown = project.run(&["trace", "abcdef012345"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.error().contains("nothing here is called `abcdef012345`"), "{}", unknown.error());
}

/// A CI job leaves no process behind.
#[test]
fn in_a_ci_job_the_processes_end_with_it() {
    let project = Project::new();
    let output = project.command(&["ci", "--format", "json"]).env("CI", "true").output().unwrap();
    let finished = crate::project::finished(&output);
    assert_eq!(finished.environment("staging")["status"], "verified");
    assert_eq!(finished.environment("staging")["note"], "stopped at the end of this CI job");
    assert_eq!(processes_in(project.root()), [0_u32; 0]);
    assert_eq!(project.pass(&["status"]).environment("staging")["status"], "ephemeral");
    // A job that deploys by hand, as one for production does, leaves none either.
    project.pass(&["approve", "production"]);
    let output = project.command(&["deploy", "production", "--format", "json"]).env("CI", "true").output().unwrap();
    assert_eq!(crate::project::finished(&output).environment("production")["status"], "verified");
    assert_eq!(processes_in(project.root()), [0_u32; 0]);
}

#[test]
fn promote_moves_an_alias_and_deploys_nothing() {
    let project = Project::new();
    project.pass(&["ci", "--stage", "..publish"]);
    let promoted = project.pass(&["promote", "wine@1", "--to", "candidate"]);
    assert_eq!(promoted.version(), 1);
    assert_eq!(project.pass(&["models"]).value["result"][0]["aliases"][0], "candidate");
    let missing = project.run(&["promote", "wine@7", "--to", "candidate"]);
    assert_eq!(missing.code, 2);
    assert!(missing.error().contains('7'), "{}", missing.error());
}

#[test]
fn wrong_usage_is_invalid() {
    let project = Project::new();
    let output = project.output(&["--format", "json", "deploy"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(crate::project::finished(&output).value["verdict"], "invalid");
    for (arguments, says) in [
        (vec!["deploy", "stagin"], "did you mean `staging`?"),
        (vec!["ci", "--stage", "trian"], "did you mean `train`?"),
        (vec!["approve", "staging"], "needs no approval"),
        (vec!["ci", "--config", "none.toml"], "none.toml"),
    ] {
        let finished = project.run(&arguments);
        assert_eq!(finished.code, 2, "{arguments:?}");
        assert!(finished.error().contains(says), "{arguments:?}: {}", finished.error());
    }
}

#[test]
fn the_plan_does_nothing() {
    let project = Project::new();
    let plan = project.pass(&["plan"]);
    assert_eq!((plan.stage("data"), plan.stage("train")), ("planned", "skipped"));
    assert!(!project.path(".mlci/journal").exists());
    project.pass(&["ci"]);
    let plan = project.pass(&["plan"]);
    assert_eq!((plan.stage("train"), plan.stage("image")), ("cached", "cached"));
}
