//! Conflicts with others, and clusters that are not there.

use k8s_openapi::api::apps::v1::Deployment;
use mlci_k8s::{
    ApplyOptions, Cluster, ClusterOptions, Error,
    http::Request,
    kube::{
        Api,
        api::{Patch, PatchParams},
    },
};
use serde_json::json;

use crate::{context, image, in_namespace};

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn what_others_manage_is_named_and_left_alone() {
    in_namespace("conflict", |lab| async move {
        let mut workload = lab.workload(image::push("v1"));
        lab.deploy(&workload).await.unwrap();
        let api: Api<Deployment> = Api::namespaced(lab.client.clone(), lab.namespace.as_str());
        let manager = PatchParams { field_manager: Some("somebody".to_owned()), ..PatchParams::default() };
        api.patch("wine", &manager, &Patch::Merge(json!({ "spec": { "replicas": 2 } }))).await.unwrap();

        let error = lab.cluster.apply(&workload, &ApplyOptions::default()).await.unwrap_err();
        let Error::Conflict { conflicts, .. } = &error else { panic!("{error}") };
        assert_eq!((conflicts[0].manager.as_str(), conflicts[0].field.as_str()), ("somebody", ".spec.replicas"));
        assert!(error.to_string().contains("`.spec.replicas` is managed by `somebody`"), "{error}");
        let error = lab.cluster.scale(&workload.namespace, &workload.name, 3).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
        assert_eq!(api.get("wine").await.unwrap().spec.unwrap().replicas, Some(2));

        // Left to them, it stays as they want it.
        workload.replicas = None;
        assert_eq!(lab.deploy(&workload).await.unwrap().progress.desired, 2);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_service_without_pods_is_said_to_be_so() {
    in_namespace("empty", |lab| async move {
        let mut workload = lab.workload(image::push("v1"));
        workload.replicas = Some(0);
        lab.deploy(&workload).await.unwrap();
        let request = Request::get("/").body(Vec::new()).unwrap();
        let error = lab.cluster.proxy(&workload.namespace, &workload.name, request).await.unwrap_err();
        assert!(matches!(error, Error::NoEndpoint { .. }), "{error}");
        let error = lab.cluster.forward(&workload.namespace, &workload.name).await.unwrap_err();
        assert!(matches!(error, Error::NoEndpoint { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn the_context_has_to_be_named_rightly() {
    let error = Cluster::connect(&ClusterOptions::new("nowhere")).await.unwrap_err();
    let Error::NoContext { known, .. } = &error else { panic!("{error}") };
    assert!(known.contains(&context()), "{error}");
    assert!(error.to_string().contains(&format!("`{}`", context())), "{error}");
    let cluster = Cluster::connect(&ClusterOptions::new(context())).await.unwrap();
    assert!(cluster.version().starts_with("v1."), "{cluster:?}");
}
