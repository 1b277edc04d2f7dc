//! `[track] mlflow`: what the pipeline did, as MLflow's own Python client sees it.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::{project::Project, unique, variable};

/// A pipeline with a name that no other test has, and the name.
fn pipeline(server: &str) -> (Project, String) {
    let (project, name) = (Project::new(), format!("wine-{}", unique()));
    project.configure("name = \"wine\"", &format!("name = \"{name}\""));
    project.configure("[image]", &format!("[track]\nmlflow = \"{server}\"\n\n[image]"));
    (project, name)
}

/// What the Python client reads.
pub(crate) fn seen(name: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("real/readback.py");
    let output = Command::new(variable("MLCI_LAB_MLFLOW_PYTHON")).arg(script).args([name, name]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
fn a_run_its_model_and_its_aliases() {
    variable("MLFLOW_TRACKING_URI");
    let (project, name) = pipeline("${MLFLOW_TRACKING_URI}");
    let first = project.pass(&["ci"]);
    assert!(first.text("/run/page").contains("/runs/"), "{:#}", first.value);

    let there = seen(&name);
    let run = &there["runs"][0];
    assert_eq!((run["status"].as_str(), run["ended"].as_bool()), (Some("FINISHED"), Some(true)), "{there:#}");
    assert_eq!(run["tags"]["mlci.run_id"], first.text("/run/id"));
    assert_eq!(run["tags"]["model"], first.text("/model/digest"));
    assert_eq!(run["tags"]["image"], first.text("/image/digest"));
    assert_eq!((run["params"]["algorithm"].as_str(), run["params"]["seed"].as_str()), (Some("ols"), Some("42")));
    let local = project.pass(&["runs", "show", first.text("/run/id")]).value["result"].clone();
    for metric in ["test.rmse", "test.r2", "train.mae"] {
        assert_eq!(run["metrics"][metric], local["metrics"][metric][0]["value"], "{metric}");
    }
    assert_eq!(run["folds"].as_array().map(Vec::len), Some(5));
    assert_eq!(run["artifacts"], serde_json::json!(["model/model.mlci"]));
    assert_eq!(there["versions"]["1"]["run"], run["id"]);
    assert_eq!(there["versions"]["1"]["tags"]["mlci.digest"], first.text("/model/digest"));
    assert_eq!(there["aliases"], serde_json::json!({"staging": 1}));

    // A second model, approved and sent back: MLflow's aliases follow ours.
    project.pass(&["approve", "production"]);
    project.pass(&["deploy", "production"]);
    project.configure("seed = 42", "seed = 43");
    project.pass(&["ci"]);
    project.pass(&["approve", "production"]);
    project.pass(&["deploy", "production"]);
    assert_eq!(seen(&name)["aliases"], serde_json::json!({"staging": 2, "production": 2}));
    project.pass(&["rollback", "production"]);
    let there = seen(&name);
    assert_eq!(there["aliases"], serde_json::json!({"staging": 2, "production": 1}));

    // Aliases follow from a checkout that has none of the runs, too.
    let elsewhere = Project::with(&project.read("mlci.toml"));
    let (store, images) = (project.path(".mlci/store"), project.path(".mlci/images"));
    let tables = format!("[artifact]\nstore = \"{}\"\n\n[image]\nlayout = \"{}\"", store.display(), images.display());
    elsewhere.configure("[image]", &tables);
    elsewhere.pass(&["rollback", "staging"]);
    assert_eq!(seen(&name)["aliases"], serde_json::json!({"staging": 1, "production": 1}));

    // Again and again, without duplicates.
    let synced = project.pass(&["runs", "sync"]).value["result"].clone();
    assert_eq!((synced["runs"].as_u64(), synced["versions"].as_u64()), (Some(2), Some(0)), "{synced:#}");
    let again = seen(&name);
    assert_eq!(again["runs"].as_array().map(Vec::len), Some(2), "{again:#}");
    assert_eq!(again["versions"], there["versions"]);
}

/// A refused model is a run there too, and no version.
#[test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
fn a_refused_run() {
    let (project, name) = pipeline(&variable("MLFLOW_TRACKING_URI"));
    project.pass(&["ci"]);
    project.configure("max = 0.70", "max = 0.1");
    assert_eq!(project.run(&["ci", "--force"]).code, 3);
    let there = seen(&name);
    assert_eq!(there["runs"][1]["tags"]["verdict"], "refused", "{there:#}");
    assert_eq!(there["versions"].as_object().map(serde_json::Map::len), Some(1));
}

/// MLflow is away: the pipeline goes on, says so, and brings everything once it is back.
#[test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
fn a_server_that_is_away_holds_nothing_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (project, name) = pipeline(&nobody);
    let first = project.pass(&["ci"]);
    let warning = first.lines.iter().find(|line| line["event"] == "warning").expect("a warning")["message"].clone();
    let warning = warning.as_str().unwrap();
    assert!(warning.contains(&nobody) && warning.contains("runs sync"), "{warning}");
    let failed = project.run(&["runs", "sync"]);
    assert_eq!(failed.code, 1);
    assert!(failed.error().contains(&nobody), "{}", failed.error());

    project.configure(&nobody, &variable("MLFLOW_TRACKING_URI"));
    let second = project.pass(&["ci"]);
    assert!(second.value["stages"].as_array().unwrap().iter().all(|stage| stage["status"] != "done"));
    let there = seen(&name);
    assert_eq!(there["runs"][0]["tags"]["mlci.run_id"], first.text("/run/id"));
    assert_eq!(there["aliases"], serde_json::json!({"staging": 1}));
}

/// A wrong prefix answers with a page, which is said to be one.
#[test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
fn an_address_that_is_not_mlflows() {
    let wrong = format!("{}/no/such/prefix", variable("MLFLOW_TRACKING_URI").trim_end_matches('/'));
    let (project, _) = pipeline(&wrong);
    project.pass(&["ci", "--stage", "..publish"]);
    let refused = project.run(&["runs", "sync"]);
    assert_eq!(refused.code, 1);
    assert!(refused.error().contains(&wrong) && refused.error().contains("404"), "{}", refused.error());
}
