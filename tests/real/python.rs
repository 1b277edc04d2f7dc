//! `docs/examples/python`, the project of a team that trains with scikit-learn, by way of the pipeline.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    project::{Project, built_server, http, repository},
    variable,
};

/// A copy of the example whose virtual environment is the lab's, so that its `[setup]` finds everything there.
fn example() -> Project {
    let source = repository().join("docs/examples/python");
    let configuration = fs::read_to_string(source.join("mlci.toml")).unwrap();
    let project = Project::with(&configuration);
    for file in ["train.py", "requirements.txt", "data.csv", "tests/test_train.py", "tests/test_model.py"] {
        let target = project.path(file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(source.join(file), target).unwrap();
    }
    let environment = Path::new(&variable("MLCI_LAB_PYTHON")).ancestors().nth(2).unwrap().to_owned();
    std::os::unix::fs::symlink(environment, project.path(".venv")).unwrap();
    project
}

/// What a program in Python prints, in the example's folder.
fn python(project: &Project, program: &str) -> Value {
    let output =
        Command::new(variable("MLCI_LAB_PYTHON")).current_dir(project.root()).args(["-c", program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs scikit-learn: cargo xtask test --lab python"]
fn the_example_goes_to_staging_and_predicts_what_scikit_learn_predicts() {
    let project = example();
    let server = built_server(&["--features", "onnx"]);
    project.configure("[gate.limits]", &format!("[image]\nserver = \"{}\"\n\n[gate.limits]", server.display()));
    let ci = project.pass(&["ci"]);
    for stage in ["setup", "check", "data", "train", "test", "gate", "track", "publish", "image", "deploy"] {
        assert_eq!(ci.stage(stage), "done", "{stage}");
    }
    let staging = ci.environment("staging");
    assert_eq!(
        (staging["status"].as_str(), &staging["model_digest"]),
        (Some("verified"), &ci.value["model"]["digest"])
    );
    // What is in no git repository goes no further.
    assert_eq!(ci.environment("production")["status"], "refused");
    let metrics = project.pass(&["runs", "show", ci.text("/run/id")]).value["result"]["metrics"].clone();
    for name in ["command.cv_r2", "command.cv_rmse", "test.r2", "test.rmse"] {
        assert!(metrics[name][0]["value"].as_f64().is_some_and(|value| (0.2..0.8).contains(&value)), "{metrics:#}");
    }

    // The same rows, fitted again by scikit-learn alone; all rows, those it has not seen among them.
    let expected = python(
        &project,
        "import json, train\n\
         from pathlib import Path\n\
         model = train.build(42).fit(*train.load(Path('.mlci/train/data.csv')))\n\
         rows = train.load(Path('data.csv'))[0]\n\
         print(json.dumps({'rows': rows.to_numpy().tolist(), 'predictions': model.predict(rows).tolist()}))",
    );
    let body = json!({ "rows": expected["rows"] }).to_string();
    let (status, _, reply) = http(staging["address"].as_str().unwrap(), "POST", "/predict", &body).unwrap();
    assert_eq!(status, 200, "{reply}");
    let reply: Value = serde_json::from_str(&reply).unwrap();
    let (served, wanted) = (reply["predictions"].as_array().unwrap(), expected["predictions"].as_array().unwrap());
    assert_eq!((served.len(), wanted.len()), (1599, 1599));
    let difference = |(one, other): (&Value, &Value)| {
        let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
        ((one - other) / other).abs()
    };
    let largest = served.iter().zip(wanted).map(difference).fold(0.0, f64::max);
    // A sum of 200 trees in 32-bit floats, each of which has 24 bits.
    assert!(largest < 16.0 * 2_f64.powi(-24), "they differ by up to {largest:e}");

    let again = project.pass(&["ci"]);
    for stage in ["setup", "check", "data", "train", "test", "gate", "publish", "image", "deploy"] {
        assert_eq!(again.stage(stage), "cached", "{stage}");
    }
    // Training again gives the same bytes, so there is no second version.
    let forced = project.pass(&["ci", "--from", "train"]);
    assert_eq!((forced.stage("train"), forced.version()), ("done", 1));
}

#[test]
#[ignore = "needs scikit-learn: cargo xtask test --lab python"]
fn what_a_program_does_wrong_is_told() {
    let project = example();
    let good = project.read("train.py");
    let train = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        project.write("train.py", &good.replace(from, to));
        let finished = project.run(&["ci", "--stage", "data..train"]);
        assert_eq!((finished.code, finished.stage("train")), (1, "failed"), "{:#}", finished.value);
        finished.error()
    };
    // What is wrong here would be found before, by tests that know of it.
    project.configure("inputs = [\"train.py\", \"tests\", \"requirements.txt\"]", "inputs = []");
    project.pass(&["ci", "--stage", "..data"]);

    let error = train("features, target = load(data)", "features, target = load(data)[\"x\"]");
    assert!(error.contains("Traceback (most recent call last)") && error.contains("TypeError"), "{error}");
    let error = train("float(scores[\"test_r2\"].mean())", "float(\"nan\")");
    assert!(error.contains("`cv_r2` is NaN, which is no number of JSON"), "{error}");
    let error =
        train("features, target = load(data)", "features, target = load(data)\n    features = features.iloc[:, :3]");
    assert!(error.contains("`features` [?, 3]") && error.contains("`alcohol`"), "{error}");
}
