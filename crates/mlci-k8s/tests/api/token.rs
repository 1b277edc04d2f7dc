//! A token that expires while it is used.

use std::time::{Duration, Instant};

use mlci_k8s::{ApplyOptions, Cluster, Error, RolloutOptions, role};
use serde_json::json;

use crate::{
    Lab,
    access::{account, kubeconfig},
    control, eventually, variable,
};

#[tokio::test]
#[ignore = "needs the API server of Kubernetes: cargo xtask test --lab kubernetes-api"]
async fn one_that_expires_is_told_and_one_that_a_plugin_renews_is_renewed() {
    let lab = Lab::new("token").await;
    let workload = lab.workload();
    let namespace = lab.namespace.as_str();
    let role = role(&workload, &"deployer".parse().unwrap()).unwrap();
    let uid = account(&lab.client, namespace, "deployer", role).await;
    let words = ["token", namespace, "deployer", &uid, "4"];
    let (_folder, options) = kubeconfig(&lab.config, &json!({ "token": control(&words).await }));
    let fixed = Cluster::connect(&options).await.unwrap();
    let applied = fixed.apply(&workload, &ApplyOptions::default()).await.unwrap();

    // As `aws eks get-token` and the like hand them out.
    let plugin = format!(
        "printf '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\
         \"token\":\"%s\",\"expirationTimestamp\":\"%s\"}}}}' \"$(bash {} {})\" \"$(date -u -d '4 seconds' +%FT%TZ)\"",
        variable("MLCI_LAB_KUBE_API_CONTROL").display(),
        words.join(" ")
    );
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "bash", "args": ["-c", plugin],
        "interactiveMode": "Never",
    });
    let (_folder, options) = kubeconfig(&lab.config, &json!({ "exec": exec }));
    let renewed = Cluster::connect(&options).await.unwrap();

    let begun = Instant::now();
    let mut told = None;
    eventually("the token to expire", async || {
        let again = renewed.apply(&workload, &ApplyOptions::default()).await.unwrap();
        assert_eq!(again.generation, applied.generation);
        told = fixed.apply(&workload, &ApplyOptions::default()).await.err();
        told.is_some()
    })
    .await;
    println!("refused after {:?}", begun.elapsed());
    let error = told.unwrap();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    for words in ["context `limited`", "expired", "log in again"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    // At once, and not when the time for the rollout is up.
    let begun = Instant::now();
    let error = fixed.rollout(&applied, &RolloutOptions::default(), |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    renewed.apply(&workload, &ApplyOptions::default()).await.unwrap();
}
