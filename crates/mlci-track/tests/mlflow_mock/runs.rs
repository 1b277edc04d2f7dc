use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use mlci_track::{Digest, mlflow::Error};
use serde_json::json;

use crate::{Mock, Reply, run, sync, well};

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
    let made = AtomicBool::new(false);
    let mock = Mock::start(move |seen, _| match seen.path.rsplit('/').next() {
        Some("create") => {
            made.store(true, Ordering::Relaxed);
            Reply::Never
        }
        Some("search") if made.load(Ordering::Relaxed) => {
            Reply::Json(json!({ "runs": [run("mlflow-artifacts:/1/r1", &json!([]))] }))
        }
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
