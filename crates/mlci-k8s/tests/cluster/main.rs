//! Against a real cluster. `KUBECONFIG` and `MLCI_LAB_KUBE_CONTEXT` name it, `MLCI_LAB_KUBE_REGISTRY` the address of a
//! registry without TLS that both this machine and the nodes reach.
//!
//! Each test makes a namespace of its own, which enforces the restricted pod security standard, and removes it.

// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../common/access.rs"]
mod access;
mod addons;
mod canary;
mod deploy;
mod errors;
mod failures;
mod faults;
#[path = "../common/hook.rs"]
mod hook;
mod image;
mod objects;
mod rights;
mod webhook;

use std::{future::Future, time::Duration};

use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use mlci_k8s::{
    ApplyOptions, Cluster, ClusterOptions, Error, Failure, ImageReference, Namespace, RolledOut, RolloutOptions,
    Workload,
    http::Request,
    kube::{
        Api, Client, Config,
        api::{DeleteParams, Patch, PatchParams},
        config::KubeConfigOptions,
    },
};
use serde_json::json;

/// What a test works with.
#[derive(Clone)]
pub(crate) struct Lab {
    pub(crate) cluster: Cluster,
    /// Another client, for what others do in the cluster.
    pub(crate) client: Client,
    pub(crate) namespace: Namespace,
}

pub(crate) fn context() -> String {
    assert!(std::env::var_os("KUBECONFIG").is_some(), "KUBECONFIG has to name the lab's kubeconfig");
    std::env::var("MLCI_LAB_KUBE_CONTEXT").expect("MLCI_LAB_KUBE_CONTEXT has to name the lab's context")
}

/// The lab's context, as a client takes it.
pub(crate) async fn config() -> Config {
    let chosen = KubeConfigOptions { context: Some(context()), cluster: None, user: None };
    Config::from_kubeconfig(&chosen).await.unwrap()
}

/// Runs a test in a namespace of its own, which is removed however the test ends.
pub(crate) async fn in_namespace<F>(test: &str, body: impl FnOnce(Lab) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let cluster = Cluster::connect(&ClusterOptions::new(context())).await.unwrap();
    let client = Client::try_from(config().await).unwrap();
    let namespace: Namespace = format!("mlci-test-{}-{test}", std::process::id()).parse().unwrap();
    make_namespace(&client, namespace.as_str()).await;
    let lab = Lab { cluster, client: client.clone(), namespace: namespace.clone() };
    let result = tokio::spawn(body(lab)).await;
    remove_namespace(&client, namespace.as_str()).await;
    if let Err(error) = result {
        std::panic::resume_unwind(error.into_panic());
    }
}

pub(crate) async fn make_namespace(client: &Client, name: &str) {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": name, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    let api: Api<NamespaceObject> = Api::all(client.clone());
    api.patch(name, &PatchParams::apply("mlci-test"), &Patch::Apply(object)).await.unwrap();
}

pub(crate) async fn remove_namespace(client: &Client, name: &str) {
    let api: Api<NamespaceObject> = Api::all(client.clone());
    api.delete(name, &DeleteParams::default()).await.unwrap();
}

impl Lab {
    /// One pod of this image that goes at once when it has to.
    pub(crate) fn workload(&self, image: ImageReference) -> Workload {
        let mut workload = Workload::new(self.namespace.clone(), "wine".parse().unwrap(), image);
        workload.resources.cpu = "10m".parse().unwrap();
        workload.resources.memory = "32Mi".parse().unwrap();
        workload.drain = Duration::ZERO;
        workload.stop = Duration::from_secs(1);
        workload
    }

    pub(crate) async fn deploy(&self, workload: &Workload) -> Result<RolledOut, Error> {
        let applied = self.cluster.apply(workload, &ApplyOptions::default()).await?;
        let done = self.cluster.rollout(&applied, &options(), |progress| println!("{progress}")).await?;
        self.cluster.prune(&applied).await?;
        Ok(done)
    }

    /// The failure that this rollout has to have.
    pub(crate) async fn failure(&self, workload: &Workload, options: &RolloutOptions) -> Failure {
        let applied = self.cluster.apply(workload, &ApplyOptions::default()).await.unwrap();
        let error = self.cluster.rollout(&applied, options, |progress| println!("{progress}")).await.unwrap_err();
        println!("after {:?}: {error}", matches!(error, Error::Rollout(_)));
        let Error::Rollout(failure) = error else { panic!("{error}") };
        println!("known after {:?}", failure.after);
        *failure
    }

    /// The version that the Service answers with, through the API server's proxy.
    pub(crate) async fn version(&self, workload: &Workload) -> String {
        let request = Request::get("/").body(Vec::new()).unwrap();
        let answer = self.cluster.proxy(&workload.namespace, &workload.name, request).await.unwrap();
        answer.headers()["x-version"].to_str().unwrap().to_owned()
    }
}

pub(crate) fn options() -> RolloutOptions {
    let mut options = RolloutOptions::default();
    options.timeout = Duration::from_secs(90);
    options
}
