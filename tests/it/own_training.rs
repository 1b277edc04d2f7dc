//! `[train] command`: what the team's own program is given, what becomes of what it leaves, and what is said when that is
//! of no use. The programs are shell scripts; the models were made by `tests/data/onnx/make.py`.

mod fails;

use std::{collections::BTreeMap, fs, process::Command};

use crate::project::{Project, repository};

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
