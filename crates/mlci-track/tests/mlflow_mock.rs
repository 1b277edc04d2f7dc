//! What a real MLflow server does not do on demand, by a mock: lost answers, overload, failures, other services' pages.
//! That MLflow itself is spoken to as it should be is for `mlflow.rs` to show.

// clippy.toml lifts these in test functions; here the helpers between them are tests too.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    error::Error as _,
    future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router, body,
    extract::Request,
    http::{HeaderName, StatusCode},
    response::IntoResponse,
};
use mlci_track::{
    Digest, Run, RunLog, Status,
    mlflow::{Client, ClientBuilder, Error, SyncOptions},
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

async fn sync(client: &Client, content: &'static [u8]) -> Result<mlci_track::mlflow::SyncReport, Error> {
    let logged = logged();
    client.sync(&logged.log, logged.run.id(), &SyncOptions::default().artifact("model/wine.mlci", content)).await
}

/// Case A7: every call is under the prefix, with and without a slash at the end, and also those for artifacts.
#[tokio::test]
async fn mock_every_call_is_under_the_prefix() {
    const PREFIX: &str = "/team/mlflow/";
    for slash in ["", "/"] {
        let mock = Mock::start(|seen, _| match seen.path.strip_prefix(PREFIX) {
            Some("version") => Reply::Status(200, "3.17.2"),
            Some(_) => well(seen),
            None => Reply::Status(404, "<html><title>Not Found</title></html>"),
        })
        .await;
        let client = mock.builder().tracking_uri(format!("{}/team/mlflow{slash}", mock.uri)).build().unwrap();
        let report = sync(&client, b"model").await.unwrap();
        client.server_version().await.unwrap();
        client.artifact("r1", "model/wine.mlci").await.unwrap();
        assert_eq!(report.page, format!("{}/team/mlflow/#/experiments/1/runs/r1", mock.uri));
        assert!(mock.seen().iter().all(|seen| seen.path.starts_with(PREFIX)), "{:?}", mock.seen());
        let artifact = "/team/mlflow/api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/model/wine.mlci";
        let methods: Vec<_> =
            mock.seen().into_iter().filter(|seen| seen.path == artifact).map(|seen| seen.method).collect();
        assert_eq!(methods, ["PUT", "GET"]);

        // Without the prefix: the page is told to be one, with the address, and not asked for again.
        let before = mock.seen().len();
        let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
        assert!(matches!(error, Error::NotMlflow { status: 404, .. }), "{error:?}");
        let text = error.to_string();
        let url = format!("GET {}/api/2.0/mlflow/experiments/get-by-name", mock.uri);
        assert!(text.contains(&url) && text.contains("titled `Not Found`") && text.contains("prefix"), "{text}");
        assert_eq!(mock.seen().len(), before + 1);
    }
}

/// The run is made, but the answer is lost: it is found by its tag and not made again.
#[tokio::test]
async fn mock_a_lost_answer_makes_no_second_run() {
    let mock = Mock::start(|seen, before| match seen.path.rsplit('/').next() {
        Some("create") => Reply::Never,
        Some("search") if before > 0 => Reply::Json(json!({ "runs": [run("mlflow-artifacts:/1/r1", &json!([]))] })),
        _ => well(seen),
    })
    .await;
    let client = mock.builder().timeout(Duration::from_millis(500)).build().unwrap();
    let report = sync(&client, b"model").await.unwrap();
    assert_eq!((report.run_id.as_str(), report.made), ("r1", true));
    assert_eq!(mock.count("runs/create"), 1);
    let search = mock.seen().into_iter().find(|seen| seen.path.ends_with("runs/search")).unwrap();
    assert!(search.body["filter"].as_str().unwrap().starts_with("tags.`mlci.run_id` = '"), "{search:?}");
}

#[track_caller]
fn check_server(error: &Error, expected: u16, tried: u32, parts: &[&str]) {
    let Error::Server { status, attempts, .. } = error else { panic!("{error:?}") };
    assert_eq!((*status, *attempts), (expected, tried));
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

/// 5xx is tried again within bounds, and the error says how often; 4xx is not.
#[tokio::test]
async fn mock_failures_are_tried_again_within_bounds() {
    for (status, body, parts) in [
        (500, r#"{"error_code":"INTERNAL_ERROR","message":"disk full"}"#, ["disk full", "tried 3 times"]),
        (503, "<html><title>Service Unavailable</title></html>", ["titled `Service Unavailable`", "tried 3 times"]),
    ] {
        let mock = Mock::start(move |_, _| Reply::Status(status, body)).await;
        let error = sync(&mock.builder().retries(2).build().unwrap(), b"model").await.unwrap_err();
        check_server(&error, status, 3, &parts);
        assert!(error.is_transient());
        assert_eq!(mock.seen().len(), 3);
    }

    // Twice away in the middle: the sync does not fail.
    let mock = Mock::start(|seen, before| if before < 2 { Reply::Status(502, "") } else { well(seen) }).await;
    sync(&mock.builder().build().unwrap(), b"model").await.unwrap();

    let refusal = r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid \u001b[31m name"}"#;
    let mock = Mock::start(move |_, _| Reply::Status(400, refusal)).await;
    let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
    let Error::Refused { code, status: 400, .. } = &error else { panic!("{error:?}") };
    assert_eq!(code, "INVALID_PARAMETER_VALUE");
    assert!(!error.is_transient() && !error.to_string().contains('\u{1b}'), "{error}");
    assert_eq!(mock.seen().len(), 1);
}

/// 429 is tried again when `Retry-After` says, in both its forms; one beyond a minute is left to the caller.
#[tokio::test]
async fn mock_retry_after_is_kept() {
    for value in ["1", "0", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        let mock = Mock::start(move |seen, before| match seen.path.ends_with("runs/search") && before == 0 {
            true => Reply::Header(429, "retry-after", value),
            false => well(seen),
        })
        .await;
        let start = Instant::now();
        sync(&mock.builder().build().unwrap(), b"model").await.unwrap();
        assert_eq!(mock.count("runs/search"), 2);
        // No sooner than asked for; how much later is not said.
        assert!(value != "1" || start.elapsed() >= Duration::from_secs(1));
    }
    for value in ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"] {
        let mock = Mock::start(move |_, _| Reply::Header(429, "retry-after", value)).await;
        let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
        check_server(&error, 429, 1, &["429", "tried once"]);
        let Error::Server { retry_after: Some(after), .. } = error else { panic!("{error:?}") };
        assert!(after >= Duration::from_secs(3600));
    }
}

/// What is not MLflow is told so, and what does not let the client in says what to look at. Nothing is tried again.
#[tokio::test]
async fn mock_other_services_and_closed_doors() {
    let html = "<!DOCTYPE html><html><head><title>Log in to\n the proxy</title></head></html>";
    for (status, body, parts) in [
        (200, html, ["HTML page titled `Log in to the proxy`", "tracking URI"]),
        (200, "OK", ["`OK`", "tracking URI"]),
        (404, "", ["nothing", "prefix"]),
        (413, html, ["HTML page", "size"]),
        (200, r#"{"experiment":{"experiment_id":1}}"#, ["MLflow does not say", "experiments/get-by-name"]),
        (401, "You are not authenticated.", ["not authenticated", "MLFLOW_TRACKING_PASSWORD"]),
        (403, "Permission denied", ["Permission denied", "permission"]),
        (403, "Invalid Host header - possible DNS rebinding attack detected", ["Invalid Host", "--allowed-hosts"]),
    ] {
        let mock = Mock::start(move |_, _| Reply::Status(status, body)).await;
        let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert_eq!(matches!(error, Error::Denied { .. }), matches!(status, 401 | 403), "{error:?}");
        assert_eq!(mock.seen().len(), 1, "{text}");
    }
    let mock = Mock::start(|_, _| Reply::Header(308, "location", "https://elsewhere/ml")).await;
    let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("308") && text.contains("redirect to https://elsewhere/ml"), "{text}");
}

/// Credentials go into the header and nowhere else.
#[tokio::test]
async fn mock_credentials_are_sent_and_not_shown() {
    // base64 of `ann:s3cret` (RFC 4648 §4).
    const BASIC: &str = "Basic YW5uOnMzY3JldA==";
    let address = |mock: &Mock| mock.uri.replace("http://", "http://ann:s3cret@");
    for (kind, expected) in [("uri", BASIC), ("basic", BASIC), ("token", "Bearer s3cret")] {
        let mock = Mock::start(|_, _| Reply::Status(401, "who are you?")).await;
        let builder = match kind {
            "uri" => mock.builder().tracking_uri(address(&mock)),
            "basic" => mock.builder().basic_auth("ann", "s3cret"),
            _ => mock.builder().token("s3cret"),
        };
        let client = builder.build().unwrap();
        let error = sync(&client, b"model").await.unwrap_err();
        assert_eq!(mock.seen()[0].authorization, expected, "{kind}");
        let shown = format!("{error} {error:?} {client:?} {}", client.tracking_uri());
        assert!(!shown.contains("s3cret") && !shown.contains("YW5u"), "{shown}");
    }
}

/// Nobody listens: the error says where, how often, and why. From another task, as a pipeline may do it.
#[tokio::test]
async fn mock_a_server_that_is_not_there() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::builder().tracking_uri(format!("http://u:s3cret@{address}")).retries(1).build().unwrap();
    let error = tokio::spawn(async move { sync(&client, b"model").await }).await.unwrap().unwrap_err();
    assert!(error.is_transient() && matches!(error, Error::Unreachable { attempts: 2, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("tried 2 times") && text.contains(&format!("server at http://{address}/ up?")), "{text}");
    let mut chain = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain += &format!(": {error}");
        cause = error.source();
    }
    assert!(chain.contains("refused") && !chain.contains("s3cret"), "{chain}");
}

/// A param that somebody else logs between our look and our batch: MLflow refuses, and the error says which.
#[tokio::test]
async fn mock_a_param_that_changes_meanwhile() {
    let mock = Mock::start(|seen, _| match seen.path.rsplit('/').next() {
        Some("log-batch") => Reply::Status(400, r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}"#),
        Some("get") => {
            Reply::Json(json!({ "run": run("mlflow-artifacts:/1/r1", &json!([{ "key": "a", "value": "1" }])) }))
        }
        _ => well(seen),
    })
    .await;
    let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
    let Error::ParamChanged { key, old, new, .. } = &error else { panic!("{error:?}") };
    assert_eq!((key.as_str(), old.as_str(), new.as_str()), ("a", "1", "9"));
    assert_eq!(mock.count("log-batch"), 1);
}

/// An artifact that cannot be uploaded is an error, and the run's end arrives all the same.
#[tokio::test]
async fn mock_the_end_does_not_hang_on_an_artifact() {
    let mock = Mock::start(|seen, _| match seen.path.ends_with("runs/create") {
        true => Reply::Json(json!({ "run": run("s3://bucket/1/r1/artifacts", &json!([])) })),
        false => well(seen),
    })
    .await;
    let client = mock.builder().build().unwrap();
    let error = sync(&client, b"model").await.unwrap_err();
    assert!(matches!(&error, Error::ArtifactStore { uri, .. } if uri.starts_with("s3://bucket")), "{error:?}");
    assert!(mock.seen().iter().any(|seen| seen.path.ends_with("runs/update") && seen.body["status"] == "FINISHED"));

    let error = sync(&client, b"other").await.unwrap_err();
    let Error::ArtifactChanged { expected, found, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*expected, *found), (Digest::of(b"model"), Digest::of(b"other")));
    assert!(mock.seen().iter().all(|seen| seen.method != "PUT"));
}
