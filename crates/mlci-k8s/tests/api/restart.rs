//! An API server that is started anew.

use std::time::{Duration, Instant};

use mlci_k8s::{ApplyOptions, Cluster, Error, Place, kube::Client, role};
use serde_json::json;

use crate::{
    Lab,
    access::{account, kubeconfig},
    control,
};

/// As somebody who may do no more than he has to, since an API server that has just started does not know at once what
/// that is.
#[tokio::test]
#[ignore = "needs the API server of Kubernetes: cargo xtask test --lab kubernetes-api"]
async fn calls_go_on_once_it_is_back_and_end_with_the_cause_where_it_is_not() {
    let lab = Lab::alone("restart").await;
    let mut workload = lab.workload();
    let namespace = lab.namespace.as_str();
    let role = role(&workload, &"deployer".parse().unwrap()).unwrap();
    let uid = account(&lab.client, namespace, "deployer", role).await;
    let token = control(&["token", namespace, "deployer", &uid, "600"]).await;
    let (_folder, options) = kubeconfig(&lab.config, &json!({ "token": token }));
    let cluster = Cluster::connect(&options).await.unwrap();
    let first = cluster.apply(&workload, &ApplyOptions::default()).await.unwrap();

    control(&["stop", "apiserver"]).await;
    workload.env.insert("A".to_owned(), "1".to_owned());
    let apply_options = ApplyOptions::default();
    let begun = Instant::now();
    // Longer than a call that fails for another reason is tried again.
    let (applied, _) = tokio::join!(cluster.apply(&workload, &apply_options), async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        control(&["start", "apiserver"]).await
    });
    println!("applied {:?} after the stop", begun.elapsed());
    assert_eq!(applied.unwrap().generation, first.generation + 1);

    control(&["stop", "apiserver"]).await;
    let place = Place { context: "lab".to_owned(), server: lab.config.cluster_url.to_string() };
    let client = Client::try_from(lab.config.clone()).unwrap();
    let anew = Cluster::with_client(client.clone(), place.clone(), Duration::from_secs(5)).await;
    let error = anew.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "at once: {error:?}");
    control(&["start", "apiserver"]).await;
    let mut hasty = options.clone();
    hasty.timeout = Duration::from_secs(2);
    let hasty = Cluster::connect(&hasty).await.unwrap();
    control(&["stop", "apiserver"]).await;
    let error = hasty.apply(&workload, &apply_options).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("get deployments.apps `wine`") && text.contains("context `limited`"), "{text}");
    control(&["start", "apiserver"]).await;
    let again = cluster.apply(&workload, &apply_options).await.unwrap();
    assert_eq!(again.generation, first.generation + 1, "to do the same again changes nothing");
}
