//! Everything with exactly the Role that is rendered, and what is said when a right is missing.

use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use mlci_k8s::{
    ApplyOptions, Cluster, ClusterOptions, Error, Name, Result, RolloutOptions, Workload,
    http::Request,
    kube::{Api, api::PostParams},
    role,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    Lab,
    access::{account, kubeconfig},
    config, image, in_namespace, options,
};

/// A cluster as whoever has this token sees it.
async fn with_token(token: &str) -> (TempDir, ClusterOptions) {
    kubeconfig(&config().await, &json!({ "token": token }))
}

/// A cluster as a new account with this Role sees it.
async fn limited(lab: &Lab, name: &str, role: Value) -> (TempDir, Cluster) {
    let namespace = lab.namespace.as_str();
    account(&lab.client, namespace, name, role).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(lab.client.clone(), namespace);
    let token = accounts.create_token_request(name, &PostParams::default(), &TokenRequest::default()).await.unwrap();
    let (folder, options) = with_token(&token.status.unwrap().token).await;
    let cluster = Cluster::connect(&options).await.unwrap();
    (folder, cluster)
}

/// Every function of the crate once; with this much it is shown that a right is there.
async fn everything(cluster: &Cluster, workload: &Workload) -> Result<()> {
    let (namespace, name) = (&workload.namespace, &workload.name);
    let options: RolloutOptions = options();
    cluster.diff(workload, &ApplyOptions::default()).await?;
    let applied = cluster.apply(workload, &ApplyOptions::default()).await?;
    cluster.rollout(&applied, &options, |_| {}).await?;
    let mut less = workload.clone();
    less.replicas = Some(1);
    let applied = cluster.apply(&less, &ApplyOptions::default()).await?;
    cluster.prune(&applied).await?;
    let one = cluster.scale(namespace, name, 1).await?;
    cluster.rollout(&one, &options, |_| {}).await?;
    let again = cluster.restart(namespace, name).await?;
    cluster.rollout(&again, &options, |_| {}).await?;
    cluster.apply_canary(&less, 1).await?;
    cluster.tracks(namespace, name).await?;
    assert!(cluster.remove_canary(namespace, name).await?);
    cluster.current(namespace, name).await?;
    cluster.pods(namespace, name).await?;
    cluster.services(namespace, name).await?;
    cluster.logs(namespace, name, 1).await?;
    for request in [Request::get("/"), Request::post("/")] {
        cluster.proxy(namespace, name, request.body(Vec::new()).unwrap()).await?;
    }
    let forward = cluster.forward(namespace, name).await?;
    let mut stream = TcpStream::connect(forward.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("200 OK"), "{answer:?} {:?}", forward.last_error());
    cluster.delete(namespace, name).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn the_role_is_enough_and_what_is_missing_is_named() {
    in_namespace("rights", |lab| async move {
        let mut workload = lab.workload(image::push("v1"));
        workload.replicas = Some(2);
        let name: Name = "deployer".parse().unwrap();
        let full = role(&workload, &name).unwrap();
        let (_folder, cluster) = limited(&lab, "deployer", full.clone()).await;
        everything(&cluster, &workload).await.unwrap();

        // Without one rule after the other: each is needed, and the error says which right is missing.
        let rules = full["rules"].as_array().unwrap();
        for (left_out, rule) in rules.iter().enumerate() {
            let name = format!("without-{left_out}");
            let mut less = full.clone();
            less["metadata"]["name"] = json!(name);
            less["rules"].as_array_mut().unwrap().remove(left_out);
            let (_folder, cluster) = limited(&lab, &name, less).await;
            let error = everything(&cluster, &workload).await;
            let Err(Error::Forbidden { verb, resource, namespace, .. }) = &error else { panic!("{rule}: {error:?}") };
            assert_eq!(namespace.as_deref(), Some(lab.namespace.as_str()));
            let plain = resource.split('.').next().unwrap();
            assert!(rule["resources"].as_array().unwrap().iter().any(|it| it == plain), "{rule}: {resource}");
            assert!(rule["verbs"].as_array().unwrap().iter().any(|it| it == verb), "{rule}: {verb}");
        }
        // What the cluster gives no one with a Role in a namespace.
        let mut elsewhere = workload.clone();
        elsewhere.namespace = "kube-system".parse().unwrap();
        let error = cluster.apply(&elsewhere, &ApplyOptions::default()).await.unwrap_err();
        let text = error.to_string();
        for words in ["`get`", "`deployments.apps`", "namespace `kube-system`", "context `limited`"] {
            assert!(text.contains(words), "{text}");
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_wrong_token_is_told_from_a_missing_right() {
    let (_folder, options) = with_token("wrong").await;
    let error = Cluster::connect(&options).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    assert!(error.to_string().contains("context `limited`"), "{error}");
}
