//! Signals, two commands at once, and the clock.

use std::{process::Command, time::Duration};

use crate::project::{Project, eventually};

const SLOW_CHECK: &str = "\n[test]\ncommand = [\"sh\", \"-c\", \"echo slow; sleep 60 & wait\"]\ninputs = []\n";

/// The run is killed, its end is set, and the exit code is 128 + the signal's number.
#[test]
fn a_signal_ends_the_run_as_killed() {
    for (signal, code) in [("HUP", 129), ("INT", 130), ("QUIT", 131), ("TERM", 143)] {
        let project = Project::new();
        let slow = project.read("mlci.toml") + SLOW_CHECK;
        project.write("mlci.toml", &slow);
        let mut ci = project.start(&["ci"]);
        assert!(ci.until(|event| event["event"] == "output" && event["line"] == "slow").is_some());
        let sent = Command::new("kill").args([format!("-{signal}"), ci.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let last = ci.until(|event| event["event"] == "finished").expect("a last line");
        assert_eq!((last["exit_code"].as_u64(), last["verdict"].as_str()), (Some(code), Some("fail")));
        assert_eq!(ci.child.wait().unwrap().code(), i32::try_from(code).ok());
        let run = project.pass(&["runs"]).value["result"][0].clone();
        assert_eq!(run["status"], "killed");
        assert!(run["end"].is_string(), "{run:#}");
    }
}

/// kill -9: the next start closes the run as failed.
#[test]
fn a_run_whose_process_died_is_closed_as_failed() {
    let project = Project::new();
    let slow = project.read("mlci.toml") + SLOW_CHECK;
    project.write("mlci.toml", &slow);
    let mut ci = project.start(&["ci"]);
    assert!(ci.until(|event| event["event"] == "output" && event["line"] == "slow").is_some());
    assert_eq!(project.pass(&["runs"]).value["result"][0]["status"], "running");
    ci.kill();
    let next = project.pass(&["ci", "--stage", "..data"]);
    let warned = next.lines.iter().any(|event| {
        event["event"] == "warning" && event["message"].as_str().is_some_and(|text| text.contains("cut short"))
    });
    assert!(warned, "{:#?}", next.lines);
    let runs = project.pass(&["runs"]).value["result"].clone();
    assert_eq!(runs[0]["status"], "failed", "{runs:#}");
}

#[test]
fn two_at_once_in_one_checkout() {
    let project = Project::new();
    let slow = project.read("mlci.toml") + SLOW_CHECK;
    project.write("mlci.toml", &slow);
    let mut first = project.start(&["ci"]);
    assert!(first.until(|event| event["event"] == "stage_started" && event["name"] == "test").is_some());
    let second = project.run(&["ci"]);
    assert_eq!(second.code, 1);
    let holder = format!("mlci (process {}) is at work", first.child.id());
    assert!(second.error().contains(&holder), "{}", second.error());
    // Looking is not working.
    project.pass(&["status"]);
    first.kill();
}

/// What is newest is told by numbers, not by times: a machine whose clock was set back does not go back with it.
#[test]
fn a_clock_that_goes_backwards() {
    let project = Project::new();
    project.pass(&["ci"]);
    // Entries of the store and the run log, dated a year ahead, as a clock that ran ahead leaves them.
    let mut changed = 0;
    for file in project.files(".mlci") {
        if !(file.starts_with("store/") || file.starts_with("runs/")) {
            continue;
        }
        let path = format!(".mlci/{file}");
        let Ok(text) = std::fs::read_to_string(project.path(&path)) else { continue };
        let year = text.find("\"20").and_then(|at| text.get(at + 1..at + 5)).map(str::to_owned);
        if let Some(year) = year.filter(|year| year.parse::<u32>().is_ok()) {
            project.write(&path, &text.replace(&format!("\"{year}-"), "\"2199-"));
            changed += 1;
        }
    }
    assert!(changed > 3, "{changed} files have times");
    project.configure("seed = 42", "seed = 43");
    let second = project.pass(&["ci"]);
    assert_eq!(second.version(), 2);
    assert_eq!(project.pass(&["status"]).environment("staging")["model_digest"], second.value["model"]["digest"]);
    assert_eq!(project.pass(&["runs"]).value["result"][0]["id"], second.value["run"]["id"]);
    assert_eq!(project.pass(&["rollback", "staging"]).version(), 1);
}

/// A server does not end with the terminal's session that started it, and holds no pipe of its parent open.
#[test]
fn the_server_has_a_session_of_its_own() {
    let project = Project::new();
    let started = std::time::Instant::now();
    let finished = project.pass(&["ci"]);
    let pid = finished.environment("staging")["pid"].as_u64().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(fields[3], pid.to_string(), "it leads its own session");
    // `output()` in `pass` waits for the end of the pipe, which a server that kept it would never bring.
    assert!(started.elapsed() < Duration::from_secs(60));
    eventually("the server answers", || project.run(&["status"]).environment("staging")["status"] == "verified");
}
