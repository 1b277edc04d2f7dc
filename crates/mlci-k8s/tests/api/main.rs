//! Against a real API server that has no controllers and no nodes: `MLCI_LAB_KUBE_API` names the kubeconfig of one that
//! the lab has started, `MLCI_LAB_KUBE_API_CONTROL` the script that stops and starts it. What is applied stays as it is,
//! and no pod ever comes.

// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../common/access.rs"]
mod access;
mod cut;
#[path = "../common/hook.rs"]
mod hook;
mod namespace;
mod restart;
mod token;
mod webhook;

use std::{path::PathBuf, time::Duration};

use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use mlci_core::Digest;
use mlci_k8s::{
    Cluster, ClusterOptions, ImageReference, Namespace, Workload,
    kube::{
        Api, Client, Config,
        api::PostParams,
        config::{KubeConfigOptions, Kubeconfig},
    },
};
use serde_json::json;
use tokio::{
    process::Command,
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// What a test works with, in a namespace of its own. Nothing removes that: the server goes with what it holds.
pub(crate) struct Lab {
    pub(crate) cluster: Cluster,
    /// Another client, for what others do there.
    pub(crate) client: Client,
    pub(crate) config: Config,
    pub(crate) namespace: Namespace,
    _turn: Turn,
}

/// One test stops the server, while the others do not ask it.
#[expect(dead_code, reason = "held until the test is over")]
enum Turn {
    Beside(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

static TURN: RwLock<()> = RwLock::const_new(());

fn variable(name: &str) -> PathBuf {
    let value = std::env::var_os(name);
    value.unwrap_or_else(|| panic!("{name} has to be set: only the lab's own API server is stopped")).into()
}

impl Lab {
    pub(crate) async fn new(test: &str) -> Self {
        Self::with(Turn::Beside(TURN.read().await), test).await
    }

    pub(crate) async fn alone(test: &str) -> Self {
        Self::with(Turn::Alone(TURN.write().await), test).await
    }

    async fn with(turn: Turn, test: &str) -> Self {
        let path = variable("MLCI_LAB_KUBE_API");
        let kubeconfig = Kubeconfig::read_from(&path).unwrap();
        let chosen = KubeConfigOptions { context: Some("lab".to_owned()), cluster: None, user: None };
        let config = Config::from_custom_kubeconfig(kubeconfig, &chosen).await.unwrap();
        let client = Client::try_from(config.clone()).unwrap();
        let mut options = ClusterOptions::new("lab");
        options.kubeconfig = Some(path);
        let cluster = Cluster::connect(&options).await.unwrap();
        let namespace: Namespace = format!("mlci-test-{}-{test}", std::process::id()).parse().unwrap();
        let api: Api<NamespaceObject> = Api::all(client.clone());
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace.as_str() } });
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        Self { cluster, client, config, namespace, _turn: turn }
    }

    pub(crate) fn workload(&self) -> Workload {
        let image = ImageReference::new("registry.example.com/wine", Digest::of(b"image")).unwrap();
        Workload::new(self.namespace.clone(), "wine".parse().unwrap(), image)
    }
}

/// What the lab's script prints.
pub(crate) async fn control(arguments: &[&str]) -> String {
    let script = variable("MLCI_LAB_KUBE_API_CONTROL");
    let output = Command::new("bash").arg(script).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until it holds, for a minute at the most.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited a minute for {what}"));
}
