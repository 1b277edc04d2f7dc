//! Against a real MLflow server that asks for a password (`mlflow server --app-name basic-auth`), named with its user and
//! password by `MLCI_LAB_MLFLOW_AUTH_URI`, such as `http://admin:PASSWORD@127.0.0.1:5001`.

// clippy.toml lifts these in test functions; here the helpers between them are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;

use mlci_track::{
    Digest, RunLog, Status,
    mlflow::{Client, Error, SyncOptions},
};

/// The right password in the address opens everything, artifacts too; a wrong one is told so at once and not shown.
#[tokio::test]
#[ignore = "needs an MLflow server with passwords: cargo xtask test --lab mlflow-auth"]
async fn passwords() {
    let uri = env::var("MLCI_LAB_MLFLOW_AUTH_URI").expect("MLCI_LAB_MLFLOW_AUTH_URI names the server and its user");
    let folder = tempfile::tempdir().unwrap();
    let log = RunLog::open(folder.path()).unwrap();
    let run = log.start(&format!("mlci-auth-{}", log.start("probe").unwrap().id())).unwrap();
    run.artifact("model/a.bin", &Digest::of(b"a"), 1).unwrap();
    run.finish(Status::Finished, None).unwrap();
    let options = SyncOptions::default().artifact("model/a.bin", b"a".to_vec());

    let client = Client::builder().tracking_uri(&uri).build().unwrap();
    let report = client.sync(&log, run.id(), &options).await.unwrap();
    assert_eq!(client.artifact(&report.run_id, "model/a.bin").await.unwrap(), "a");
    assert!(!report.page.contains('@'), "{}", report.page);

    let bare = client.tracking_uri();
    for (builder, secret) in [
        (Client::builder().tracking_uri(bare).basic_auth("admin", "wr0ng-password"), "wr0ng-password"),
        (Client::builder().tracking_uri(bare), "none"),
    ] {
        let error = builder.build().unwrap().sync(&log, run.id(), &options).await.unwrap_err();
        assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("MLFLOW_TRACKING_PASSWORD") && !text.contains(secret), "{text}");
    }
}
