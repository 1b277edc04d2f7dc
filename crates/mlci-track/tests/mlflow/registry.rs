use std::{env, process::Command};

use mlci_track::{
    Digest,
    mlflow::{Error, Registration, SyncOptions},
};
use serde_json::{Value, json};

use crate::{client, full_run};

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
    assert_eq!(client.version_of(name, &digest).await.unwrap(), Some(1));
    assert_eq!(client.version_of(name, &mlci_track::Digest::of(b"nobody's")).await.unwrap(), None);
    assert_eq!(client.version_of("no-such-model", &digest).await.unwrap(), None);
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
