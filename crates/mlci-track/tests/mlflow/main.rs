//! Against a real MLflow server, named by `MLFLOW_TRACKING_URI` and, where it asks for them, the other variables. Names are
//! unique, so that tests can share a server.

// clippy.toml lifts these in test functions; here the helpers between them are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod registry;
mod runs;

use std::{collections::BTreeMap, env, ops::Range};

use mlci_track::{
    Digest, Run, RunLog, Status,
    mlflow::{Client, ClientBuilder, Count},
};
use serde_json::{Value, json};

fn uri() -> String {
    env::var("MLFLOW_TRACKING_URI")
        .expect("MLFLOW_TRACKING_URI names the server: cargo xtask test --lab mlflow sets it")
}

fn builder() -> ClientBuilder {
    uri();
    Client::builder().variables(|name| env::var(name).ok())
}

fn client() -> Client {
    builder().build().unwrap()
}

/// A log in a folder of its own, with one run whose name no other test has.
struct Logged {
    log: RunLog,
    run: Run,
    name: String,
    _folder: tempfile::TempDir,
}

impl Logged {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = RunLog::open(folder.path()).unwrap();
        let name = format!("mlci-test-{}", folder.path().file_name().unwrap().to_str().unwrap());
        // Two machines may share a server: the id is random where the folder's name is not.
        let probe = log.start("probe").unwrap();
        let name = format!("{name}-{}", probe.id());
        Self { run: log.start(&name).unwrap(), log, name, _folder: folder }
    }

    fn points(&self, key: &str, steps: Range<u64>) {
        for step in steps {
            self.run.metric(key, 1.0 / (step + 1) as f64, step).unwrap();
        }
    }
}

/// What the server itself says, by a request that does not go through this crate.
async fn rest(path: &str, body: Option<Value>) -> Value {
    let url = format!("{}/api/2.0/mlflow/{path}", uri().trim_end_matches('/'));
    let client = reqwest::Client::new();
    let mut request = match body {
        Some(body) => client.post(url).header("content-type", "application/json").body(body.to_string()),
        None => client.get(url),
    };
    if let Ok(user) = env::var("MLFLOW_TRACKING_USERNAME") {
        request = request.basic_auth(user, env::var("MLFLOW_TRACKING_PASSWORD").ok());
    }
    let answer = request.send().await.unwrap().error_for_status().unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// All runs of the experiment with the run's name.
async fn runs(logged: &Logged) -> Vec<Value> {
    let found = rest(&format!("experiments/get-by-name?experiment_name={}", logged.name), None).await;
    let id = found["experiment"]["experiment_id"].as_str().unwrap().to_owned();
    let found = rest("runs/search", Some(json!({ "experiment_ids": [id], "run_view_type": "ALL" }))).await;
    found["runs"].as_array().cloned().unwrap_or_default()
}

/// The points of a metric by step: values as the server writes them.
async fn history(run_id: &str, key: &str) -> Vec<(i64, Value)> {
    let answer = rest(&format!("metrics/get-history?run_id={run_id}&metric_key={key}"), None).await;
    let points = answer["metrics"].as_array().cloned().unwrap_or_default();
    let step = |point: &Value| point["step"].as_i64().unwrap_or(0);
    let mut points: Vec<_> = points.iter().map(|point| (step(point), point["value"].clone())).collect();
    points.sort_by_key(|point| point.0);
    points
}

fn pairs(list: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(|pair| (text(&pair["key"]), text(&pair["value"]))).collect()
}

const fn sent(sent: usize) -> Count {
    Count { sent, present: 0 }
}

const fn present(present: usize) -> Count {
    Count { sent: 0, present }
}

fn full_run() -> (Logged, Vec<u8>) {
    let logged = Logged::new();
    let model = b"model".to_vec();
    for number in 0..101 {
        logged.run.param(&format!("p{number}"), number).unwrap();
    }
    logged.points("loss", 0..2500);
    logged.run.tag("a", "b").unwrap();
    logged.run.artifact("model/wine.mlci", &Digest::of(&model), model.len() as u64).unwrap();
    logged.run.finish(Status::Finished, None).unwrap();
    (logged, model)
}

/// What `full_run` comes to, however it got there.
async fn check_full_run(logged: &Logged, model: &[u8]) {
    let [run] = &runs(logged).await[..] else { panic!("one run expected") };
    let run_id = run["info"]["run_id"].as_str().unwrap();
    assert_eq!(run["info"]["status"], "FINISHED");
    assert_eq!(pairs(&run["data"]["params"]).len(), 101);
    assert_eq!(pairs(&run["data"]["tags"])["mlci.points"], "2500");
    let steps: Vec<_> = history(run_id, "loss").await.iter().map(|point| point.0).collect();
    assert_eq!(steps, (0..2500).collect::<Vec<_>>());
    assert_eq!(client().artifact(run_id, "model/wine.mlci").await.unwrap(), model);
}
