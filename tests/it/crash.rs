//! Killed anywhere, `ci` converges: the next one comes to the same digests, and nothing half done is left.

use crate::project::{Project, http, processes_in};

/// Stages that work in the test's pipeline, and what is said in the middle of the last two.
const STAGES: [&str; 7] = ["data", "train", "gate", "track", "publish", "image", "deploy"];

fn check_converged(project: &Project, expected: &(String, String), killed: &str) {
    let again = project.pass(&["ci"]);
    let digests = (again.text("/model/digest").to_owned(), again.text("/image/digest").to_owned());
    assert_eq!(&digests, expected, "killed {killed}");
    assert_eq!((again.version(), again.environment("staging")["status"].as_str()), (1, Some("verified")), "{killed}");
    let address = again.text("/environments/0/address");
    assert_eq!(http(address, "GET", "/readyz", "").unwrap().0, 200, "{killed}");
    // Nothing half done: no temporary file, one process, one instance, and no run left open.
    let files = project.files(".mlci");
    let left: Vec<&String> = files.iter().filter(|file| file.contains(".tmp") || file.contains('#')).collect();
    assert!(left.is_empty(), "killed {killed}: {left:?}");
    assert_eq!(processes_in(project.root()).len(), 1, "{killed}");
    let instances = std::fs::read_dir(project.path(".mlci/environments/wine/staging/instances")).unwrap().count();
    assert_eq!(instances, 1, "{killed}");
    for run in project.pass(&["runs"]).value["result"].as_array().unwrap() {
        assert!(matches!(run["status"].as_str(), Some("finished" | "failed")), "{killed}: {run:#}");
    }
}

fn expected() -> (String, String) {
    let project = Project::new();
    let finished = project.pass(&["ci"]);
    (finished.text("/model/digest").to_owned(), finished.text("/image/digest").to_owned())
}

#[test]
fn killed_in_the_middle_of_each_stage() {
    let expected = expected();
    for stage in STAGES {
        let project = Project::new();
        let mut ci = project.start(&["ci"]);
        let seen = ci.until(|event| event["event"] == "stage_started" && event["name"] == stage);
        assert!(seen.is_some(), "{stage} never started");
        ci.kill();
        check_converged(&project, &expected, &format!("in {stage}"));
    }
}

#[test]
fn killed_at_each_stage_boundary() {
    let expected = expected();
    for stage in STAGES {
        let project = Project::new();
        let mut ci = project.start(&["ci"]);
        let seen = ci.until(|event| event["event"] == "stage_finished" && event["name"] == stage);
        assert!(seen.is_some(), "{stage} never finished");
        ci.kill();
        check_converged(&project, &expected, &format!("after {stage}"));
    }
}

/// Between the start of the new server and the swap, and during the swap.
#[test]
fn killed_during_a_swap() {
    for message in ["started on", "taking over"] {
        let project = Project::new();
        let first = project.pass(&["ci"]);
        project.configure("seed = 42", "seed = 43");
        let mut ci = project.start(&["ci"]);
        let seen = ci.until(|event| {
            event["event"] == "progress" && event["message"].as_str().is_some_and(|text| text.contains(message))
        });
        assert!(seen.is_some(), "{message} never came");
        ci.kill();
        // Whichever of the two serves, somebody does.
        let address = first.text("/environments/0/address");
        assert_eq!(http(address, "GET", "/readyz", "").unwrap().0, 200, "{message}");
        let again = project.pass(&["ci"]);
        let staging = again.environment("staging");
        assert_eq!(
            (staging["status"].as_str(), &staging["model_digest"]),
            (Some("verified"), &again.value["model"]["digest"])
        );
        assert_eq!(processes_in(project.root()).len(), 1, "{message}");
    }
}

/// At moments that no event marks: after so many milliseconds, whatever it is doing then.
#[test]
fn killed_at_any_moment() {
    let expected = expected();
    let project = Project::new();
    for milliseconds in [1, 3, 7, 15, 25, 40, 60, 90, 130, 180] {
        let ci = project.start(&["ci"]);
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        ci.kill();
    }
    check_converged(&project, &expected, "ten times");
}
