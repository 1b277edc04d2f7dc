//! A server of ours stands before the real one and keeps requests or answers back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body, extract::Request, http::StatusCode, response::IntoResponse};
use mlci_track::{
    Digest,
    mlflow::{Registration, SyncOptions},
};

use crate::{builder, check_full_run, full_run, rest, uri};

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
