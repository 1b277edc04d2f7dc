//! `[train] command`: what the team's own program is given, what becomes of what it leaves, and what is said when that is
//! of no use. The programs are shell scripts; the models were made by `tests/data/onnx/make.py`.

use std::{collections::BTreeMap, fs, process::Command};

use crate::project::{Finished, Project, eventually, repository};

const CONFIGURATION: &str = r#"[project]
name = "wine"

[data]
path = "wine.csv"
target = "quality"

[train]
command = ["sh", "train.sh"]
seed = 42

[gate.limits]
r2 = { min = 0.30 }
"#;

/// A project whose training program is this shell script.
fn project(script: &str) -> Project {
    let project = Project::with(CONFIGURATION);
    project.write("train.sh", script);
    project
}

/// A line that leaves one of the models.
fn leave(model: &str) -> String {
    format!("cp '{}' \"$MLCI_OUTPUT/model.onnx\"\n", repository().join("tests/data/onnx").join(model).display())
}

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
fn a_model_goes_through_the_gate_with_its_own_metrics() {
    let project = project(&format!("{}echo '{{\"cv_r2\": 0.25}}' > \"$MLCI_OUTPUT/metrics.json\"", leave("wine.onnx")));
    let ci = project.pass(&["ci", "--stage", "..publish"]);
    assert_eq!((ci.stage("train"), ci.stage("gate"), ci.stage("publish")), ("done", "done", "done"));
    let run = project.pass(&["runs", "show", ci.text("/run/id")]).value["result"].clone();
    assert_eq!(run["metrics"]["command.cv_r2"][0]["value"], 0.25);
    let report = project.read(".mlci/report/report.md");
    assert!(
        report.contains("## Measured by the training command") && report.contains("| `cv_r2` | 0.2500 |"),
        "{report}"
    );
    assert!(project.read(".mlci/report/index.html").contains("cv_r2"));
    assert!(run["metrics"]["test.r2"][0]["value"].as_f64().is_some_and(|r2| r2 > 0.3), "{run:#}");
    assert_eq!(run["params"]["command"], "sh train.sh");
    assert!(run["params"].get("algorithm").is_none(), "{run:#}");
}

/// The lines that the only model there was tested on.
fn held_out(project: &Project) -> Vec<usize> {
    let evaluation = project.files(".mlci/models").into_iter().find(|name| name.ends_with(".evaluation.json")).unwrap();
    let evaluation: serde_json::Value =
        serde_json::from_str(&project.read(&format!(".mlci/models/{evaluation}"))).unwrap();
    evaluation["lines"].as_array().unwrap().iter().map(|line| line.as_u64().unwrap() as usize).collect()
}

#[test]
fn it_sees_the_training_rows_only() {
    let project =
        project(&format!("cp \"$MLCI_DATA\" given.csv; cp \"$MLCI_SCHEMA\" given.json\n{}", leave("wine.onnx")));
    project.pass(&["ci", "--stage", "..train"]);
    let (all, given) = (project.read("wine.csv"), project.read("given.csv"));
    let held_out = held_out(&project);
    assert!(held_out.len() > 200);
    // The same bytes in the same order, without those lines.
    let expected: Vec<&str> =
        all.lines().enumerate().filter(|(index, _)| !held_out.contains(&(index + 1))).map(|(_, line)| line).collect();
    assert_eq!(given.lines().collect::<Vec<_>>(), expected);
    // Equal rows stay together, so that none of them gives another away.
    let given: std::collections::BTreeSet<&str> = given.lines().collect();
    assert!(held_out.iter().all(|line| !given.contains(all.lines().nth(line - 1).unwrap())));

    let schema: serde_json::Value = serde_json::from_str(&project.read("given.json")).unwrap();
    assert_eq!(schema["features"][10], serde_json::json!({"name": "alcohol", "kind": "float"}));
    assert_eq!(
        (schema["features"].as_array().map(Vec::len), schema["target"]["name"].as_str()),
        (Some(11), Some("quality"))
    );
}

/// What stands in for a missing value when the model is asked has to stand in when it learns.
#[test]
fn it_is_told_what_stands_in_for_what_is_missing() {
    let project =
        project(&format!("cp \"$MLCI_DATA\" given.csv; cp \"$MLCI_SCHEMA\" given.json\n{}", leave("wine.onnx")));
    let wine = project.read("wine.csv");
    let without: Vec<String> = wine
        .lines()
        .enumerate()
        .map(|(line, row)| {
            match row.rsplit_once(',').and_then(|(features, y)| Some((features.rsplit_once(',')?.0, y))) {
                Some((features, y)) if line % 10 == 5 => format!("{features},,{y}\n"),
                _ => format!("{row}\n"),
            }
        })
        .collect();
    project.write("wine.csv", &without.concat());
    project.configure("[train]", "[data.columns.alcohol]\nfill = 10.5\n\n[train]");
    project.pass(&["ci", "--stage", "..train"]);
    let schema: serde_json::Value = serde_json::from_str(&project.read("given.json")).unwrap();
    let expected = serde_json::json!({"name": "alcohol", "kind": "float", "fill": 10.5});
    assert_eq!(schema["features"][10], expected);
    assert!(project.read("given.csv").contains(",,"), "cells are as they stand in the file");
}

/// Of data in Parquet it gets Parquet.
#[cfg(feature = "parquet")]
#[test]
fn parquet_is_given_as_parquet() {
    let script = format!("cp \"$MLCI_DATA\" given.parquet; echo \"$MLCI_DATA\" > name\n{}", leave("wine.onnx"));
    let project = project(&script);
    fs::copy(repository().join("tests/data/winequality-red.parquet"), project.path("wine.parquet")).unwrap();
    project.configure("path = \"wine.csv\"", "path = \"wine.parquet\"\nexclude = [\"tags\"]");
    project.pass(&["ci", "--stage", "..train"]);
    let name = project.read("name");
    assert!(name.trim_end().ends_with("/data.parquet"), "{name}");
    let held_out = held_out(&project);
    assert!(held_out.len() > 200);

    // The other rows, with the columns that are not used.
    project.configure("path = \"wine.parquet\"\nexclude = [\"tags\"]", "path = \"given.parquet\"");
    let given = project.run(&["ci", "--stage", "..data"]);
    assert!(given.error().contains("`tags` is nested"), "{}", given.error());
    project.configure("path = \"given.parquet\"", "path = \"given.parquet\"\nexclude = [\"tags\"]");
    let data = project.pass(&["ci", "--stage", "..data"]);
    let note = data.text("/stages/2/note");
    assert!(note.starts_with(&format!("{} rows, 13 columns", 1599 - held_out.len())), "{note}");
}

#[test]
fn its_environment_is_known() {
    let project = project(&format!("env -0 > variables\n{}", leave("wine.onnx")));
    project.configure("seed = 42", "seed = 42\nenv = [\"EPOCHS\"]");
    let output = project
        .command(&["ci", "--stage", "..train"])
        .env_clear()
        .envs([("PATH", std::env::var("PATH").unwrap()), ("HOME", "/home/me".into()), ("LC_ALL", "C.UTF-8".into())])
        .envs([("EPOCHS", "12"), ("HTTPS_PROXY", "http://proxy:1"), ("CUDA_VISIBLE_DEVICES", "0")])
        .envs([("AWS_SECRET_ACCESS_KEY", "secret"), ("GITHUB_TOKEN", "secret"), ("PYTHONPATH", "/elsewhere")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let variables = project.read("variables");
    let mut seen: BTreeMap<&str, &str> = variables.split('\0').filter_map(|pair| pair.split_once('=')).collect();
    // The shell's own.
    seen.retain(|name, _| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    let train = fs::canonicalize(project.path(".mlci/train")).unwrap();
    let path = |name: &str| train.join(name).display().to_string();
    let (data, schema, output) = (path("data.csv"), path("schema.json"), path("output"));
    let expected = [
        ("PATH", std::env::var("PATH").unwrap().as_str()),
        ("HOME", "/home/me"),
        ("LC_ALL", "C.UTF-8"),
        ("EPOCHS", "12"),
        ("HTTPS_PROXY", "http://proxy:1"),
        ("CUDA_VISIBLE_DEVICES", "0"),
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONHASHSEED", "0"),
        ("MLCI_DATA", &data),
        ("MLCI_SCHEMA", &schema),
        ("MLCI_OUTPUT", &output),
        ("MLCI_PROJECT", "wine"),
        ("MLCI_TARGET", "quality"),
        ("MLCI_DELIMITER", ","),
        ("MLCI_SEED", "42"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let seen: BTreeMap<String, String> = seen.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    assert_eq!(seen, expected.into());
}

#[test]
fn a_variable_that_is_named_has_to_be_set_and_is_not_shown() {
    let project = project(&format!("echo \"the token is $TRAINING_TOKEN\"\n{}", leave("wine.onnx")));
    project.configure("seed = 42", "seed = 42\nenv = [\"TRAINING_TOKEN\"]");
    let missing = project.run(&["ci", "--stage", "..train"]);
    assert_eq!(missing.code, 2, "{:#}", missing.value);
    assert!(missing.error().contains("[train] env names `TRAINING_TOKEN`, which is not set"), "{}", missing.error());
    let output = project.command(&["ci", "--stage", "..train"]).env("TRAINING_TOKEN", "s3cr3t-value").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = project.read(".mlci/logs/train.log");
    assert_eq!(log, "the token is ${TRAINING_TOKEN}\n");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("s3cr3t"));
}

/// What decides whether it runs again: data, code, the values of named variables; not the gate, nor what is ignored.
#[test]
fn a_finished_training_is_not_run_again() {
    let project = project(&format!("echo run >> .mlci/count\n{}", leave("wine.onnx")));
    project.configure("seed = 42", "seed = 42\nenv = [\"EPOCHS\"]");
    let git = |arguments: &[&str]| {
        let status = Command::new("git").current_dir(project.root()).args(arguments).status().unwrap();
        assert!(status.success());
    };
    git(&["init", "--quiet"]);
    let train = |epochs: &str| {
        let output = project.command(&["ci", "--stage", "..gate", "--format", "json"]).env("EPOCHS", epochs).output();
        let finished = crate::project::finished(&output.unwrap());
        (finished.stage("train").to_owned(), project.read(".mlci/count").lines().count())
    };
    assert_eq!(train("1"), ("done".into(), 1));
    assert_eq!(train("1"), ("cached".into(), 1));
    project.configure("min = 0.30", "min = 0.29");
    project.write("__pycache__/train.cpython-311.pyc", "compiled");
    assert_eq!(train("1"), ("cached".into(), 1), "the gate's limits and compiled files are none of its inputs");
    assert_eq!(train("2"), ("done".into(), 2), "a named variable is");
    project.write("train.sh", &(project.read("train.sh") + "# changed\n"));
    assert_eq!(train("2"), ("done".into(), 3), "its sources are");
    project.write("notes.txt", "a new file");
    assert_eq!(train("2"), ("done".into(), 4), "so is every file that git does not ignore");
    project.configure("seed = 42", "seed = 42\ninputs = [\"train.sh\"]");
    assert_eq!(train("2"), ("done".into(), 5));
    project.write("notes.txt", "changed");
    assert_eq!(train("2"), ("cached".into(), 5), "unless others are named");
    // What it left is kept with the model, and made again where it is lost.
    let onnx = project.files(".mlci/models").into_iter().find(|name| name.ends_with(".onnx")).unwrap();
    fs::remove_file(project.path(&format!(".mlci/models/{onnx}"))).unwrap();
    assert_eq!(train("2").0, "done");
    project.configure("inputs = [\"train.sh\"]", "inputs = [\"train.py\"]");
    let missing = project.command(&["ci", "--format", "json"]).env("EPOCHS", "2").output().unwrap();
    let missing = crate::project::finished(&missing);
    assert_eq!(missing.code, 2);
    assert!(missing.error().contains("[train] inputs names `train.py`, which does not exist"), "{}", missing.error());
}

#[test]
fn the_tests_of_the_model_get_both_files() {
    let project = project(&leave("wine.onnx"));
    let test = "\n[test]\ncommand = [\"sh\", \"-c\", \"cmp $MLCI_ONNX wine.onnx && test -s $MLCI_MODEL && echo both\"]\ninputs = []\n";
    project.write("mlci.toml", &(project.read("mlci.toml") + test));
    fs::copy(repository().join("tests/data/onnx/wine.onnx"), project.path("wine.onnx")).unwrap();
    project.pass(&["ci", "--stage", "..test"]);
    assert_eq!(project.read(".mlci/logs/test.log"), "both\n");
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

/// Which command it is, is seen before it runs.
#[test]
fn the_plan_and_the_configuration_show_it() {
    let project = project(&leave("wine.onnx"));
    let plan = project.pass(&["plan"]);
    assert_eq!((plan.stage("data"), plan.stage("train")), ("planned", "skipped"));
    project.pass(&["ci", "--stage", "..data"]);
    assert_eq!(project.pass(&["plan"]).stage("train"), "planned");
    assert!(!project.path(".mlci/train").exists());
    let shown = String::from_utf8(project.output(&["config", "show"]).stdout).unwrap();
    assert!(shown.contains("train.command = [\"sh\",\"train.sh\"]  # line 9"), "{shown}");
}

/// What has a `train.py` is proposed to train with it.
#[test]
fn init_proposes_the_program_that_is_there() {
    let project = project("");
    fs::remove_file(project.path("mlci.toml")).unwrap();
    project.write("train.py", "print('trains')\n");
    project.write("requirements.txt", "scikit-learn\n");
    project.write("tests/test_train.py", "def test_nothing(): pass\n");
    let told = String::from_utf8(project.output(&["init", "--name", "wine"]).stdout).unwrap();
    assert!(told.contains("trains by running `.venv/bin/python train.py`") && told.contains("MLCI_OUTPUT"), "{told}");
    let value = project.pass(&["config", "show"]).value["result"]["values"].clone();
    assert_eq!(value["train"]["command"], serde_json::json!([".venv/bin/python", "train.py"]), "{value:#}");
    assert_eq!(value["check"]["command"], serde_json::json!([".venv/bin/python", "-m", "pytest", "--quiet"]));
    assert_eq!(value["setup"]["inputs"], serde_json::json!(["requirements.txt"]));
    let ignored = project.read(".gitignore");
    assert!(ignored.contains(".mlci/") && ignored.contains(".venv/"), "{ignored}");
    // Without requirements the machine's own Python is it; a program that knows of mlci needs no word about it.
    fs::remove_file(project.path("requirements.txt")).unwrap();
    project.write("train.py", "import os\nos.environ['MLCI_DATA'], os.environ['MLCI_OUTPUT']\n");
    let output = project.output(&["init", "--config", "other.toml", "--name", "wine"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("trains by running `python3 train.py`") && !told.contains("MLCI_OUTPUT"), "{told}");
    assert!(!project.read("other.toml").contains("[setup]"));
}

#[test]
fn the_doctor_looks_for_the_programs() {
    let project = project("");
    project.configure("\"sh\", ", "\"no-such-python\", ");
    let sick = project.run(&["doctor"]).value["result"].clone();
    let finding = |what: &str| sick.as_array().unwrap().iter().find(|finding| finding["what"] == what).cloned();
    let train = finding("[train] command").expect("a finding");
    assert_eq!((train["verdict"].as_str(), finding("[check] command")), (Some("fail"), None), "{train:#}");
    assert!(
        train["found"].as_str().is_some_and(|found| found.contains("`no-such-python` is not on PATH")),
        "{train:#}"
    );
}

/// The example stands alone, so it has the sample's data once more; it stays the same.
#[test]
fn the_examples_data_is_the_samples() {
    let [sample, example] = ["tests/data/winequality-red.csv", "docs/examples/python/data.csv"]
        .map(|file| fs::read(repository().join(file)).unwrap());
    assert!(sample == example);
}
