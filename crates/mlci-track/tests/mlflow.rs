//! Against a real MLflow server, named by `MLFLOW_TRACKING_URI` and, where it asks for them, the other variables. Names are
//! unique, so that tests can share a server.

// clippy.toml lifts these in test functions; here the helpers between them are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    env,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body, extract::Request, http::StatusCode, response::IntoResponse};
use mlci_track::{
    Digest, Run, RunLog, Status,
    mlflow::{Client, ClientBuilder, Count, Error, Registration, SyncOptions},
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

    fn points(&self, key: &str, steps: std::ops::Range<u64>) {
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

/// The same run twice, with everything that a run can have: the second sync finds it all and sends nothing.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn a_second_sync_sends_nothing() {
    let logged = Logged::new();
    let model = b"a model".repeat(1000);
    for number in 0..150 {
        logged.run.param(&format!("p{number}"), number).unwrap();
    }
    logged.run.tag("mlflow.note.content", "what this run is for").unwrap();
    logged.run.tag("staging", "verified").unwrap();
    logged.points("loss", 0..10);
    logged.run.artifact("model/wein ä.bin", &Digest::of(&model), model.len() as u64).unwrap();
    logged.run.artifact("elsewhere.bin", &Digest::of(b"x"), 1).unwrap();
    logged.run.finish(Status::Killed, Some("SIGTERM")).unwrap();

    let client = client();
    let options = || SyncOptions::default().artifact("model/wein ä.bin", model.clone());
    let first = client.sync(&logged.log, logged.run.id(), &options()).await.unwrap();
    assert_eq!((first.made, first.ended), (true, true));
    assert_eq!((first.params, first.points, first.tags, first.artifacts), (sent(150), sent(10), sent(3), sent(1)));
    assert_eq!(first.missing, ["elsewhere.bin"]);

    let second = client.sync(&logged.log, logged.run.id(), &options()).await.unwrap();
    assert_eq!((second.made, second.ended, &second.run_id), (false, false, &first.run_id));
    assert_eq!(
        (second.params, second.points, second.tags, second.artifacts),
        (present(150), present(10), present(3), present(1))
    );

    let [run] = &runs(&logged).await[..] else { panic!("one run expected") };
    let record = logged.log.read(logged.run.id()).unwrap();
    assert_eq!(run["info"]["run_id"].as_str(), Some(first.run_id.as_str()));
    assert_eq!(run["info"]["run_name"].as_str(), Some(logged.name.as_str()));
    assert_eq!(run["info"]["status"], "KILLED");
    assert_eq!(run["info"]["start_time"].as_i64(), Some(record.start.as_millisecond()));
    assert_eq!(run["info"]["end_time"].as_i64(), record.end.map(|end| end.as_millisecond()));
    assert_eq!(pairs(&run["data"]["params"]), record.params);
    let tags = pairs(&run["data"]["tags"]);
    assert_eq!(tags["staging"], "verified");
    assert_eq!(tags["mlci.reason"], "SIGTERM");
    assert_eq!(history(&first.run_id, "loss").await.len(), 10);
    assert_eq!(client.artifact(&first.run_id, "model/wein ä.bin").await.unwrap(), model);
    assert!(
        first.page.starts_with(uri().trim_end_matches('/')) && first.page.contains(&first.run_id),
        "{}",
        first.page
    );
    assert!(client.server_version().await.unwrap().contains('.'));
}

/// A run that is synced while it is written, with many points: each arrives once, with its step, value and time.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn many_points_arrive_once() {
    let logged = Logged::new();
    let client = client();
    let options = SyncOptions::default();
    logged.points("loss", 0..2500);
    logged.points("acc", 0..500);
    let first = client.sync(&logged.log, logged.run.id(), &options).await.unwrap();
    assert_eq!((first.points, first.ended), (sent(3000), false));
    assert_eq!(runs(&logged).await[0]["info"]["status"], "RUNNING");

    logged.points("loss", 2500..9500);
    // A step that is measured again is another point.
    logged.run.metric("loss", 7.0, 3).unwrap();
    logged.run.finish(Status::Finished, None).unwrap();
    let second = client.sync(&logged.log, logged.run.id(), &options).await.unwrap();
    assert_eq!((second.points, second.ended), (Count { sent: 7001, present: 3000 }, true));

    let history = history(&first.run_id, "loss").await;
    let mut expected: Vec<_> = (0..9500).map(|step| (step, 1.0 / (step + 1) as f64)).collect();
    expected.insert(4, (3, 7.0));
    let mut found: Vec<_> = history.iter().map(|(step, value)| (*step, value.as_f64().unwrap())).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    assert_eq!(found, expected);
}

/// Case A4: NaN twice at a step is one point, infinity is reported, the run ends.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn nan_and_infinity() {
    let logged = Logged::new();
    for (key, value) in [("loss", f64::NAN), ("loss", f64::NAN), ("acc", f64::INFINITY), ("acc", f64::INFINITY)] {
        logged.run.metric(key, value, 0).unwrap();
    }
    logged.run.metric("acc", f64::NEG_INFINITY, 1).unwrap();
    logged.run.finish(Status::Finished, None).unwrap();
    let client = client();
    for count in [sent(3), present(3)] {
        let report = client.sync(&logged.log, logged.run.id(), &SyncOptions::default()).await.unwrap();
        assert_eq!(report.points, count);
        assert_eq!(report.infinite, ["acc"]);
        assert_eq!(history(&report.run_id, "loss").await, [(0, json!("NaN"))]);
        assert_eq!(history(&report.run_id, "acc").await, [(0, json!(f64::MAX)), (1, json!(f64::MIN))]);
    }
    assert_eq!(runs(&logged).await[0]["info"]["status"], "FINISHED");
}

/// Case A5: what is there with the same value is fine; another value fails at once and is named, and nothing is sent.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn a_param_keeps_its_value() {
    let logged = Logged::new();
    let client = client();
    for (key, value) in [("a", 1), ("b", 2)] {
        logged.run.param(key, value).unwrap();
    }
    let options = SyncOptions::default();
    let first = client.sync(&logged.log, logged.run.id(), &options).await.unwrap();
    logged.run.param("c", 2).unwrap();
    let second = client.sync(&logged.log, logged.run.id(), &options).await.unwrap();
    assert_eq!(second.params, Count { sent: 1, present: 2 });

    // The log refuses another value itself, so somebody else logs one that the log does not have yet.
    rest("runs/log-parameter", Some(json!({ "run_id": first.run_id, "key": "d", "value": "5" }))).await;
    logged.run.param("d", 9).unwrap();
    logged.run.metric("m", 1.0, 0).unwrap();
    let error = client.sync(&logged.log, logged.run.id(), &options).await.unwrap_err();
    let Error::ParamChanged { key, old, new, .. } = &error else { panic!("{error:?}") };
    assert_eq!((key.as_str(), old.as_str(), new.as_str()), ("d", "5", "9"));
    assert!(history(&first.run_id, "m").await.is_empty());
}

/// A server that passes requests on to the real one, after a look at their number, from 0.
struct Between {
    uri: String,
    count: Arc<AtomicUsize>,
}

/// What happens to a request.
#[derive(Clone, Copy)]
enum Fate {
    Pass,
    /// It never arrives.
    Refuse,
    /// It arrives and is done, but the answer does not.
    Lose,
}

impl Between {
    async fn start(fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let (counter, fate) = (Arc::clone(&count), Arc::new(fate));
        let handler = move |request: Request| {
            let fate = fate(counter.fetch_add(1, Ordering::Relaxed));
            async move {
                if matches!(fate, Fate::Refuse) {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                let (parts, content) = request.into_parts();
                let url = format!("{}{}", uri().trim_end_matches('/'), parts.uri);
                let content = body::to_bytes(content, usize::MAX).await.unwrap();
                let mut passed = reqwest::Client::new().request(parts.method, url).body(content);
                for name in ["authorization", "content-type"] {
                    if let Some(value) = parts.headers.get(name) {
                        passed = passed.header(name, value);
                    }
                }
                let answer = passed.send().await.unwrap();
                let (status, content) = (answer.status(), answer.bytes().await.unwrap());
                match fate {
                    Fate::Lose => StatusCode::BAD_GATEWAY.into_response(),
                    _ => (status, content).into_response(),
                }
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(handler)).into_future());
        Self { uri, count }
    }
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

/// The answer to every first try is lost, after the real server has done what was asked. Nothing is there twice.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn lost_answers_make_no_duplicates() {
    let between = Between::start(|number| if number % 2 == 0 { Fate::Lose } else { Fate::Pass }).await;
    let (logged, model) = full_run();
    let client = builder().tracking_uri(&between.uri).build().unwrap();
    let options = SyncOptions::default().artifact("model/wine.mlci", model.clone());
    let report = client.sync(&logged.log, logged.run.id(), &options).await.unwrap();
    assert!(report.made);
    check_full_run(&logged, &model).await;

    let digest = Digest::of(&model);
    let registration =
        Registration { name: &logged.name, run_id: &report.run_id, folder: "model", digest: &digest, tags: &[] };
    assert_eq!(client.register(&registration).await.unwrap().number, 1);
    let found = rest(&format!("model-versions/search?filter=run_id%3D'{}'", report.run_id), None).await;
    assert_eq!(found["model_versions"].as_array().unwrap().len(), 1);
}

/// The server goes away after every number of requests in turn; the sync after it goes on where that one was cut off.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn a_sync_that_was_cut_off_goes_on() {
    let (logged, model) = full_run();
    let options = SyncOptions::default().artifact("model/wine.mlci", model.clone());
    let mut sent = 0;
    for passed in 1.. {
        let between = Between::start(move |number| if number < passed { Fate::Pass } else { Fate::Refuse }).await;
        let client = builder().tracking_uri(&between.uri).retries(0).build().unwrap();
        match client.sync(&logged.log, logged.run.id(), &options).await {
            Ok(report) => {
                assert!(between.count.load(Ordering::Relaxed) <= passed);
                sent += report.points.sent;
                break;
            }
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
        // One request more each time, until there are enough: find the experiment, the run, and send what is left.
        assert!(passed < 20, "it never ends");
    }
    // The last sync had no points left to send, since those before it had kept their position.
    assert_eq!(sent, 0);
    check_full_run(&logged, &model).await;
}

/// One version for each digest, aliases that move, and what MLflow's own client reads of it all.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn versions_and_aliases_as_mlflows_own_client_reads_them() {
    let python = env::var("MLCI_LAB_MLFLOW_PYTHON").expect("MLCI_LAB_MLFLOW_PYTHON names a Python that has MLflow");
    let (logged, model) = full_run();
    let client = client();
    let options = SyncOptions::default().artifacts_from(|name, artifact| {
        assert_eq!((name, artifact.bytes), ("model/wine.mlci", model.len() as u64));
        Ok(Some(model.clone().into()))
    });
    let report = client.sync(&logged.log, logged.run.id(), &options).await.unwrap();

    let name = logged.name.as_str();
    assert_eq!(client.alias(name, "champion").await.unwrap(), None);
    let (digest, other) = (Digest::of(&model), Digest::of(b"other"));
    let first = Registration {
        name,
        run_id: &report.run_id,
        folder: "model",
        digest: &digest,
        tags: &[("commit", "0123abc"), ("stage", "built")],
    };
    let version = client.register(&first).await.unwrap();
    assert_eq!((version.number, version.made), (1, true));
    // Again, with a tag that has changed.
    let again = client.register(&Registration { tags: &[("stage", "tested")], ..first }).await.unwrap();
    assert_eq!((again.number, again.made), (1, false));
    assert_eq!(client.register(&Registration { digest: &other, ..first }).await.unwrap().number, 2);
    for number in [2, 1] {
        client.set_alias(name, "champion", number).await.unwrap();
        assert_eq!(client.alias(name, "champion").await.unwrap(), Some(number));
    }
    let error = client.set_alias(name, "champion", 77).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { code, .. } if code == "RESOURCE_DOES_NOT_EXIST"), "{error:?}");

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readback.py");
    let output = Command::new(python).args([script, &report.run_id, name, "champion"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    let record = logged.log.read(logged.run.id()).unwrap();
    assert_eq!(read["experiment"], name);
    assert_eq!(read["run_name"], name);
    assert_eq!(read["status"], "FINISHED");
    assert_eq!(read["start_time"].as_i64(), Some(record.start.as_millisecond()));
    assert_eq!(read["end_time"].as_i64(), record.end.map(|end| end.as_millisecond()));
    assert_eq!(read["params"], json!(record.params));
    assert_eq!(read["tags"]["a"], "b");
    assert_eq!(read["tags"]["mlci.run_id"], logged.run.id().to_string());
    let points = record.metrics["loss"].iter();
    let points: Vec<_> = points.map(|point| json!([point.step, point.value, point.time.as_millisecond()])).collect();
    assert_eq!(read["loss"], json!(points));
    assert_eq!(read["artifacts"], json!({ "model/wine.mlci": digest.hex() }));
    assert_eq!(read["model"]["version"], "1");
    assert_eq!(read["model"]["run_id"], report.run_id);
    assert_eq!(read["model"]["content"], json!({ "wine.mlci": digest.hex() }));
    let tags = json!({ "commit": "0123abc", "stage": "tested", "mlci.digest": digest.to_string() });
    assert_eq!(read["model"]["tags"], tags);
}

/// An experiment that was deleted keeps its name; a run that was deleted is made anew.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn what_was_deleted() {
    let logged = Logged::new();
    let client = client();
    let options = SyncOptions::default();
    let first = client.sync(&logged.log, logged.run.id(), &options).await.unwrap();
    rest("runs/delete", Some(json!({ "run_id": first.run_id }))).await;
    let second = client.sync(&logged.log, logged.run.id(), &options).await.unwrap();
    assert!(second.made && second.run_id != first.run_id);
    rest("experiments/delete", Some(json!({ "experiment_id": first.experiment_id }))).await;
    let error = client.sync(&logged.log, logged.run.id(), &options).await.unwrap_err();
    assert!(matches!(&error, Error::ExperimentDeleted { name } if *name == logged.name), "{error:?}");
}

/// What the real server says to mistakes comes out with what was tried, what came back and what to do.
#[tokio::test]
#[ignore = "needs an MLflow server: cargo xtask test --lab mlflow"]
async fn mistakes_are_explained() {
    let logged = Logged::new();
    let wrong_prefix = builder().tracking_uri(format!("{}/team/mlflow", uri().trim_end_matches('/'))).build().unwrap();
    let error = wrong_prefix.sync(&logged.log, logged.run.id(), &SyncOptions::default()).await.unwrap_err();
    let Error::NotMlflow { call, status: 404, .. } = &error else { panic!("{error:?}") };
    assert!(call.url.contains("/team/mlflow/api/2.0/mlflow/experiments/"), "{error}");
    let text = error.to_string();
    assert!(text.contains("HTML page titled `404 Not Found`") && text.contains("prefix"), "{text}");

    let client = client();
    let digest = Digest::of(b"");
    let unknown = Registration { name: "m", run_id: "0123", folder: "a", digest: &digest, tags: &[] };
    let error = client.register(&unknown).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { code, .. } if code == "RESOURCE_DOES_NOT_EXIST"), "{error:?}");
    assert!(error.to_string().contains("0123"), "{error}");
}
