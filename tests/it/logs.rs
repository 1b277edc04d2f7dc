//! `log_format` and `log_requests` of an environment.

use crate::project::{Project, eventually, http};

#[test]
fn an_environment_says_how_its_server_logs() {
    let project = Project::new();
    let keys = "[environment.staging]\nlog_format = \"ecs\"\nlog_requests = \"errors\"";
    project.configure("[environment.staging]", keys);
    let ended = project.pass(&["ci"]);
    let address = ended.environment("staging")["address"].as_str().unwrap();
    assert_eq!(http(address, "POST", "/predict", "[]").unwrap().0, 400);
    let lines = || project.pass(&["logs", "staging"]).value["result"]["lines"].as_array().unwrap().clone();
    // The line is written a moment after the answer.
    eventually("a line for the refused request", || lines().len() == 2);
    let parsed = lines().into_iter().map(|line| serde_json::from_str(line.as_str().unwrap()).unwrap());
    let parsed: Vec<serde_json::Value> = parsed.collect();
    let said: Vec<_> = parsed.iter().map(|line| line["event"]["action"].as_str().unwrap()).collect();
    assert_eq!(said, ["start", "predict"]);
    assert!(parsed.iter().all(|line| line["service"]["environment"] == "staging"), "{parsed:?}");

    // Another way of logging is another environment: the server is started anew, and nothing else is done.
    project.configure("log_format = \"ecs\"", "log_format = \"text\"");
    let again = project.pass(&["ci"]);
    assert_eq!((again.stage("image"), again.stage("deploy")), ("cached", "done"));
    assert!(lines()[0].as_str().unwrap().starts_with("mlci-serve "));

    project.configure("log_format = \"text\"", "log_format = \"json\"");
    let refused = project.run(&["ci"]);
    assert_eq!(refused.code, 2);
    assert!(refused.error().contains("log_format") && refused.error().contains("ecs"), "{}", refused.error());
}
