//! A namespace that goes. Here no controller ends it, so that it stays for as long as the test wants.

use k8s_openapi::api::core::v1::Namespace;
use mlci_k8s::{ApplyOptions, Error, kube::Api};
use serde_json::json;

use crate::{Lab, eventually};

#[tokio::test]
#[ignore = "needs the API server of Kubernetes: cargo xtask test --lab kubernetes-api"]
async fn one_that_is_terminating_takes_nothing_and_is_said_to_be() {
    let lab = Lab::new("terminating").await;
    let workload = lab.workload();
    let name = lab.namespace.as_str();
    let api: Api<Namespace> = Api::all(lab.client.clone());
    api.delete(name, &Default::default()).await.unwrap();
    eventually("the API server to refuse what is new", async || {
        api.get(name).await.unwrap().metadata.deletion_timestamp.is_some()
    })
    .await;
    let mut options = ApplyOptions::default();
    for create in [false, true] {
        options.create_namespace = create;
        for error in
            [lab.cluster.apply(&workload, &options).await.err(), lab.cluster.diff(&workload, &options).await.err()]
        {
            let error = error.unwrap();
            assert!(matches!(error, Error::NamespaceTerminating { .. }), "{error:?}");
            assert!(error.to_string().contains(name) && error.to_string().contains("is being deleted"), "{error}");
        }
    }

    // Gone at last: it is missing, or made anew.
    let path = format!("/api/v1/namespaces/{name}/finalize");
    let done =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name }, "spec": { "finalizers": [] } });
    let request = mlci_k8s::http::Request::put(path).header("content-type", "application/json");
    lab.client.request_text(request.body(done.to_string().into_bytes()).unwrap()).await.unwrap();
    options.create_namespace = false;
    let error = lab.cluster.apply(&workload, &options).await.unwrap_err();
    assert!(matches!(error, Error::NamespaceMissing { .. }), "{error:?}");
    options.create_namespace = true;
    lab.cluster.apply(&workload, &options).await.unwrap();
}
