use mlci_track::{
    Digest, Status,
    mlflow::{Count, Error, Registration, SyncOptions},
};
use serde_json::json;

use crate::{Logged, builder, client, history, pairs, present, rest, runs, sent, uri};

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
