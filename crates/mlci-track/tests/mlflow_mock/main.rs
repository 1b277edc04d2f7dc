//! What a real MLflow server does not do on demand, by a mock: lost answers, overload, failures, other services' pages.
//! That MLflow itself is spoken to as it should be is for the tests in `mlflow` to show.

// clippy.toml lifts these in test functions; here the helpers between them are tests too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod answers;
mod runs;

use std::{
    future,
    sync::{Arc, Mutex},
};

use axum::{
    Router, body,
    extract::Request,
    http::{HeaderName, StatusCode},
    response::IntoResponse,
};
use mlci_track::{
    Digest, Run, RunLog, Status,
    mlflow::{Client, ClientBuilder, Error, SyncOptions, SyncReport},
};
use serde_json::{Value, json};

/// A request as it came in.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    authorization: String,
    body: Value,
}

enum Reply {
    Json(Value),
    Status(u16, &'static str),
    Header(u16, &'static str, &'static str),
    /// The request has arrived; no answer ever does.
    Never,
}

struct Mock {
    uri: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Mock {
    /// Answers by the request and how many with this path came before it.
    async fn start(reply: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let (list, reply) = (Arc::clone(&seen), Arc::new(reply));
        let handler = move |request: Request| {
            let (list, reply) = (Arc::clone(&list), Arc::clone(&reply));
            async move {
                let (parts, content) = request.into_parts();
                let content = body::to_bytes(content, usize::MAX).await.unwrap();
                let header = parts.headers.get("authorization");
                let seen = Seen {
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                    authorization: header.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default(),
                    body: serde_json::from_slice(&content).unwrap_or_default(),
                };
                let reply = {
                    let mut list = list.lock().unwrap();
                    let before = list.iter().filter(|other| other.path == seen.path).count();
                    list.push(seen.clone());
                    reply(&seen, before)
                };
                match reply {
                    Reply::Json(value) => value.to_string().into_response(),
                    Reply::Status(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
                    Reply::Header(status, name, value) => {
                        let headers = [(HeaderName::from_static(name), value)];
                        (StatusCode::from_u16(status).unwrap(), headers).into_response()
                    }
                    Reply::Never => future::pending().await,
                }
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(handler)).into_future());
        Self { uri, seen }
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder().tracking_uri(&self.uri)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn count(&self, end: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path.ends_with(end)).count()
    }
}

fn run(artifact_uri: &str, params: &Value) -> Value {
    let info = json!({ "run_id": "r1", "experiment_id": "1", "status": "RUNNING", "artifact_uri": artifact_uri });
    json!({ "info": info, "data": { "params": params } })
}

/// An MLflow server in which everything goes well and the run is new.
fn well(seen: &Seen) -> Reply {
    Reply::Json(match seen.path.rsplit_once("/mlflow/").map_or("", |parts| parts.1) {
        "experiments/get-by-name" => json!({ "experiment": { "experiment_id": "1", "lifecycle_stage": "active" } }),
        "runs/create" | "runs/get" => json!({ "run": run("mlflow-artifacts:/1/r1/artifacts", &json!([])) }),
        _ => json!({}),
    })
}

struct Logged {
    log: RunLog,
    run: Run,
    _folder: tempfile::TempDir,
}

/// A finished run with a bit of everything.
fn logged() -> Logged {
    let folder = tempfile::tempdir().unwrap();
    let log = RunLog::open(folder.path()).unwrap();
    let run = log.start("wine").unwrap();
    run.param("a", 9).unwrap();
    run.metric("loss", 0.5, 0).unwrap();
    run.tag("b", "c").unwrap();
    run.artifact("model/wine.mlci", &Digest::of(b"model"), 5).unwrap();
    run.finish(Status::Finished, None).unwrap();
    Logged { log, run, _folder: folder }
}

async fn sync(client: &Client, content: &'static [u8]) -> Result<SyncReport, Error> {
    let logged = logged();
    client.sync(&logged.log, logged.run.id(), &SyncOptions::default().artifact("model/wine.mlci", content)).await
}
