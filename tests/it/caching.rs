//! What has not changed is not done again, and what has changed is.

use std::{fs, fs::FileTimes, time::SystemTime};

use crate::project::{Project, eventually, http, processes_in};

#[test]
fn a_second_ci_does_no_work() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    let second = project.pass(&["ci"]);
    for stage in ["data", "train", "gate", "track", "publish", "image", "deploy"] {
        assert_eq!(second.stage(stage), "cached", "{stage}");
    }
    for same in ["/run/id", "/model/digest", "/image/digest", "/environments/0/address"] {
        assert_eq!(first.text(same), second.text(same), "{same}");
    }
    let output = project.output(&["ci"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("nothing has changed"), "{said}");
}

/// The size and the time stamp are as before; only a digit of one value is not.
#[test]
fn a_change_of_one_digit_is_seen() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    let path = project.path("wine.csv");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let text = project.read("wine.csv");
    let changed = text.replacen("7.4,0.7,", "7.5,0.7,", 1);
    assert_eq!((text.len(), text == changed), (changed.len(), false));
    project.write("wine.csv", &changed);
    let times = FileTimes::new().set_modified(modified);
    fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);

    let second = project.pass(&["ci"]);
    assert_eq!((second.stage("data"), second.stage("train")), ("done", "done"));
    assert_ne!(first.text("/model/digest"), second.text("/model/digest"));
    assert_eq!(second.version(), 2);
}

/// Touching a file changes nothing that counts.
#[test]
fn a_new_time_stamp_is_no_change() {
    let project = Project::new();
    project.pass(&["ci", "--stage", "..train"]);
    let times = FileTimes::new().set_modified(SystemTime::now());
    fs::File::options().write(true).open(project.path("wine.csv")).unwrap().set_times(times).unwrap();
    assert_eq!(project.pass(&["ci", "--stage", "..train"]).stage("train"), "cached");
}

#[test]
fn a_killed_environment_is_deployed_again() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    let pid = first.environment("staging")["pid"].as_u64().unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    eventually("the end of the server", || processes_in(project.root()).is_empty());
    assert_eq!(project.pass(&["status"]).environment("staging")["status"], "down");
    let second = project.pass(&["ci"]);
    assert_eq!((second.stage("image"), second.stage("deploy")), ("cached", "done"));
    // One stable port an environment.
    assert_eq!(first.text("/environments/0/address"), second.text("/environments/0/address"));
    assert_eq!(http(second.text("/environments/0/address"), "GET", "/readyz", "").unwrap().0, 200);
}

#[test]
fn stages_by_name() {
    let project = Project::new();
    let none = project.run(&["ci", "--stage", "gate"]);
    assert_eq!(none.code, 2);
    assert!(none.error().contains("the stage `data` has not been run"), "{}", none.error());
    let some = project.pass(&["ci", "--stage", "data..train"]);
    assert_eq!((some.stage("train"), some.stage("gate")), ("done", "skipped"));
    assert!(some.value.get("image").is_none());
    let one = project.pass(&["ci", "--stage", "gate"]);
    assert_eq!((one.stage("train"), one.stage("gate"), one.stage("track")), ("cached", "done", "skipped"));
    let from = project.pass(&["ci", "--stage", "..gate", "--from", "train"]);
    assert_eq!((from.stage("data"), from.stage("train"), from.stage("gate")), ("cached", "done", "done"));
    let force = project.pass(&["ci", "--stage", "..train", "--force"]);
    assert_eq!((force.stage("data"), force.stage("train")), ("done", "done"));
}

/// The team's own steps run once for the same inputs, and the test gets the model.
#[test]
fn the_teams_own_commands() {
    let project = Project::new();
    let old = project.read("mlci.toml");
    let steps = r#"
[check]
command = ["sh", "-c", "echo check >> ran"]
inputs = ["wine.csv"]

[test]
command = ["sh", "-c", "test -s \"$MLCI_MODEL\" && echo test >> ran"]
inputs = []
"#;
    project.write("mlci.toml", &(old + steps));
    let first = project.pass(&["ci", "--stage", "..test"]);
    assert_eq!((first.stage("check"), first.stage("test")), ("done", "done"));
    let second = project.pass(&["ci", "--stage", "..test"]);
    assert_eq!((second.stage("check"), second.stage("test")), ("cached", "cached"));
    assert_eq!(project.read("ran"), "check\ntest\n");

    project.configure("echo check >> ran", "echo broken; exit 3");
    let failed = project.run(&["ci", "--stage", "..test"]);
    assert_eq!((failed.code, failed.stage("check")), (1, "failed"));
    assert!(failed.error().contains("broken"), "{}", failed.error());
    assert_eq!(failed.stage("train"), "skipped");
}

/// A damaged model file, or one that is gone, is made again; so is a damaged journal.
#[test]
fn what_was_damaged_is_made_again() {
    let project = Project::new();
    let first = project.pass(&["ci", "--stage", "..publish"]);
    for damage in ["model", "journal"] {
        let folder = if damage == "model" { ".mlci/models" } else { ".mlci/journal" };
        for file in project.files(folder) {
            fs::write(project.path(folder).join(file), b"damage").unwrap();
        }
        let again = project.pass(&["ci", "--stage", "..publish"]);
        assert_eq!(again.stage("train"), "done", "{damage}");
        assert_eq!(again.text("/model/digest"), first.text("/model/digest"));
        assert_eq!(again.version(), 1);
    }
}

#[test]
fn after_clean_the_same_comes_out() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    project.pass(&["clean"]);
    let again = project.pass(&["ci"]);
    assert_eq!(again.stage("train"), "done");
    for same in ["/model/digest", "/image/digest"] {
        assert_eq!(first.text(same), again.text(same), "{same}");
    }
    assert_eq!(again.version(), 1);
    assert_eq!(again.stage("deploy"), "cached");
}

/// Once it is the champion, the model is not gated again, and its report stays.
#[test]
fn a_model_that_becomes_the_champion_changes_nothing() {
    let project = Project::new();
    project.pass(&["ci"]);
    project.pass(&["approve", "production"]);
    project.pass(&["deploy", "production"]);
    let again = project.pass(&["ci"]);
    assert_eq!((again.stage("gate"), again.stage("track"), again.stage("deploy")), ("cached", "cached", "cached"));
    assert_eq!(again.environment("production")["status"], "verified");
    assert_eq!(project.pass(&["runs"]).value["result"].as_array().unwrap().len(), 1);
}

/// A layer that is gone is made again, and the tag names what the last line names.
#[test]
fn an_image_that_is_not_whole_is_made_again() {
    let project = Project::new();
    let first = project.pass(&["ci", "--stage", "..image"]);
    let layers = project.files(".mlci/images/blobs/sha256");
    let largest = layers.iter().max_by_key(|file| {
        fs::metadata(project.path(".mlci/images/blobs/sha256").join(file)).map_or(0, |metadata| metadata.len())
    });
    fs::remove_file(project.path(".mlci/images/blobs/sha256").join(largest.unwrap())).unwrap();
    let again = project.pass(&["ci", "--stage", "..image"]);
    assert_eq!((again.stage("image"), again.text("/image/digest")), ("done", first.text("/image/digest")));
}

/// Steps are not passed over by asking for what comes after them.
#[test]
fn a_failing_test_is_not_passed_over() {
    let project = Project::new();
    let old = project.read("mlci.toml");
    project.write("mlci.toml", &(old + "\n[test]\ncommand = [\"false\"]\ninputs = []\n"));
    assert_eq!(project.run(&["ci"]).stage("test"), "failed");
    let after = project.run(&["ci", "--stage", "gate.."]);
    assert_eq!(after.code, 2, "{:#}", after.value);
    assert!(after.error().contains("`test` has not been run"), "{}", after.error());
}

/// A misspelt input would let a step never run again.
#[test]
fn inputs_that_do_not_exist() {
    let project = Project::new();
    let old = project.read("mlci.toml");
    project.write("mlci.toml", &(old + "\n[check]\ncommand = [\"true\"]\ninputs = [\"scr\"]\n"));
    let refused = project.run(&["ci"]);
    assert_eq!(refused.code, 2);
    assert!(refused.error().contains("[check] inputs names `scr`"), "{}", refused.error());
}

/// The values of variables reach neither the terminal nor the report nor a log.
#[test]
fn secrets_are_not_shown() {
    // Where something is, is shown.
    let places = Project::new();
    places.configure("path = \"wine.csv\"", "path = \"${DATA_OF_OURS}\"");
    let output = places.command(&["ci", "--stage", "..data"]).env("DATA_OF_OURS", "nowhere.csv").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`nowhere.csv`"), "{said}");

    let project = Project::new();
    let old = project.read("mlci.toml");
    let step = "\n[test]\ncommand = [\"echo\", \"--token\", \"${TOKEN_OF_OURS}\"]\ninputs = []\n";
    project.write("mlci.toml", &(old + step));
    let output = project
        .command(&["ci", "--stage", "..test", "--format", "json"])
        .env("TOKEN_OF_OURS", "hunter-2-hunter")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("${TOKEN_OF_OURS}") && !said.contains("hunter-2"), "{said}");
    for file in project.files(".mlci") {
        // A socket cannot be read.
        let Ok(bytes) = fs::read(project.path(".mlci").join(&file)) else { continue };
        assert!(!bytes.windows(8).any(|window| window == b"hunter-2"), "{file}");
    }
}
