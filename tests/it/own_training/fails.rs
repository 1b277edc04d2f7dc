//! A program that fails, hangs, is stopped, or leaves something else than a model of these rows.

use std::{fs, process::Command};

use super::{leave, project};
use crate::project::{Finished, Project, eventually, repository};

#[track_caller]
fn fails(project: &Project, parts: &[&str]) -> Finished {
    let finished = project.run(&["ci", "--stage", "..train"]);
    assert_eq!((finished.code, finished.stage("train")), (1, "failed"), "{:#}", finished.value);
    let error = finished.error();
    for part in parts {
        assert!(error.contains(part), "{part} is not in:\n{error}");
    }
    finished
}

#[test]
fn a_program_that_is_not_there() {
    let project = project("");
    project.configure("[\"sh\", \"train.sh\"]", "[\"no-such-python\", \"train.py\"]");
    fails(&project, &["cannot start `no-such-python train.py`", "is the program installed and on PATH?"]);
    project.configure("\"no-such-python\", ", "\"sh train.sh\", ");
    fails(&project, &["cannot start `sh train.sh train.py`", "not a shell line"]);
    // A file of the project that nobody may execute.
    project.configure("\"sh train.sh\", \"train.py\"", "\"./train.sh\"");
    fails(&project, &["cannot start `./train.sh`", "make the file executable"]);
}

#[test]
fn a_program_that_fails() {
    let project = project("for i in $(seq 30); do echo \"epoch $i\"; done; echo 'no memory' >&2; exit 3");
    let failed = fails(
        &project,
        &["`sh train.sh` failed: exit status: 3", "its last lines:", "epoch 30", "no memory", "train.log"],
    );
    assert!(!failed.error().contains("epoch 1\n"), "{}", failed.error());
    assert_eq!(project.read(".mlci/logs/train.log").lines().count(), 31);
    // Nothing of it is taken for done.
    project.write("train.sh", "exit 4");
    fails(&project, &["exit status: 4"]);
    project.write("train.sh", "kill -SEGV $$");
    fails(&project, &["signal: 11"]);
}

/// It is ended with all that it has started: what waits, what will not listen, and what has closed its output.
#[test]
fn a_program_that_hangs() {
    let hangs = [
        "echo begun; sleep 300 & echo $! > child; wait",
        "trap '' TERM; echo begun; sh -c 'trap \"\" TERM; echo $$ > child; sleep 300'",
        "echo begun; sleep 300 > /dev/null 2>&1 & echo $! > child; exec > /dev/null 2>&1; wait",
        "echo $$ > child; echo begun; while :; do echo begun; done",
    ];
    for script in hangs {
        let project = project(script);
        project.configure("seed = 42", "seed = 42\ntimeout_seconds = 1");
        fails(&project, &["`sh train.sh` ran for longer than 1 s", "begun", "raise [train] timeout_seconds"]);
        let child = project.read("child").trim().to_owned();
        let gone = || fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "));
        eventually(script, gone);
    }
}

/// The other steps can have a limit too.
#[test]
fn a_check_that_hangs() {
    let project = project("");
    let check = "\n[check]\ncommand = [\"sleep\", \"300\"]\ninputs = []\ntimeout_seconds = 1\n";
    project.write("mlci.toml", &(project.read("mlci.toml") + check));
    let failed = project.run(&["ci"]);
    assert_eq!((failed.code, failed.stage("check")), (1, "failed"));
    assert!(failed.error().contains("raise [check] timeout_seconds"), "{}", failed.error());
}

/// What a program leaves running, and printing, is not waited for.
#[test]
fn a_program_that_leaves_something_running() {
    let project =
        project(&format!("{}(while :; do echo more; sleep 0.05; done) & echo $! > child", leave("wine.onnx")));
    project.configure("seed = 42", "seed = 42\ntimeout_seconds = 60");
    let started = std::time::Instant::now();
    project.pass(&["ci", "--stage", "..train"]);
    assert!(started.elapsed().as_secs() < 50, "it was waited for");
    let killed = Command::new("kill").arg(project.read("child").trim()).status().unwrap();
    assert!(killed.success());
}

#[test]
fn a_signal_ends_it_too() {
    let project = project("echo begun; sleep 300 & echo $! > child; wait");
    let mut ci = project.start(&["ci"]);
    assert!(ci.until(|event| event["event"] == "output" && event["line"] == "begun").is_some());
    eventually("the child's number", || project.path("child").exists() && !project.read("child").trim().is_empty());
    assert!(Command::new("kill").args(["-TERM", &ci.child.id().to_string()]).status().unwrap().success());
    assert_eq!(ci.child.wait().unwrap().code(), Some(143));
    let child = project.read("child").trim().to_owned();
    let gone = || fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "));
    eventually("the end of what it started", gone);
    assert_eq!(project.pass(&["runs"]).value["result"][0]["status"], "killed");
}

#[test]
fn a_program_that_leaves_no_model() {
    let project = project("echo trained; touch \"$MLCI_OUTPUT/model.pkl\"");
    let parts = ["`sh train.sh` ended well, but left no `model.onnx`", "`model.pkl`", "trained", "MLCI_OUTPUT"];
    let failed = fails(&project, &parts);
    assert!(!failed.error().contains("the working folder"), "{}", failed.error());
    project.write("train.sh", "echo x > model.onnx");
    fails(&project, &["output` is empty", "the `model.onnx` in the working folder is not taken"]);
    project.write("train.sh", "mkdir \"$MLCI_OUTPUT/model.onnx\"");
    fails(&project, &["`model.onnx`, which `sh train.sh` left, is no file"]);
    project.write("train.sh", "rm -r \"$MLCI_OUTPUT\"");
    fails(&project, &["left no `model.onnx`"]);
    project.write("train.sh", ": > \"$MLCI_OUTPUT/model.onnx\"");
    fails(&project, &["`model.onnx`, which `sh train.sh` left, is empty"]);
}

/// What an earlier run has left is not taken for this one's.
#[test]
fn yesterdays_model_is_not_taken() {
    let project = project(&leave("wine.onnx"));
    project.pass(&["ci", "--stage", "..train"]);
    project.write("train.sh", "echo forgot");
    fails(&project, &["left no `model.onnx`", "forgot"]);
}

#[test]
fn a_model_that_is_broken() {
    let project = project("echo trained; echo 'not a model' > \"$MLCI_OUTPUT/model.onnx\"");
    let unusable = "the `model.onnx` that `sh train.sh` left cannot be used";
    fails(&project, &[unusable, "trained", "MLCI_SCHEMA"]);
    let whole = repository().join("tests/data/onnx/wine.onnx");
    project.write("train.sh", &format!("head -c 150 '{}' > \"$MLCI_OUTPUT/model.onnx\"", whole.display()));
    fails(&project, &[unusable]);
}

#[test]
fn a_model_that_wants_other_columns() {
    let project = project(&leave("three_features.onnx"));
    fails(
        &project,
        &["the `model.onnx` that `sh train.sh` left cannot be used", "`features` [?, 3]", "`alcohol`", "the 3 that"],
    );
}

#[test]
fn a_model_that_predicts_no_number() {
    let project = project(&leave("not_a_number.onnx"));
    let parts = ["the `model.onnx` that `sh train.sh` left cannot be used", "a finite number for every row"];
    fails(&project, &parts);
}

#[test]
fn metrics_that_are_none() {
    for (metrics, why) in [
        ("{\"loss\": NaN}", "line 1, column 10: `loss` is NaN, which is no number of JSON"),
        ("{\"loss\": {\"train\": 1}}", "`loss` is an object"),
        ("loss = 1", "it is no JSON"),
    ] {
        let script = format!("echo trained\necho '{metrics}' > \"$MLCI_OUTPUT/metrics.json\"\n{}", leave("wine.onnx"));
        let unusable = "the `metrics.json` that `sh train.sh` left cannot be used";
        fails(&project(&script), &[unusable, why, "trained", "one flat object of finite numbers"]);
    }
}

/// Without a row on each side there is nothing to train, or to gate; that is said before the command runs.
#[test]
fn too_few_rows() {
    let project = project("touch ran; exit 1");
    project.write("wine.csv", "a,quality\n1,2\n");
    fails(&project, &["none of the 1 rows is", "test_fraction"]);
    assert!(!project.path("ran").exists());
}
