use std::{net::TcpListener, path::Path};

use serde_json::json;

use super::*;
use crate::error::chain;

/// A kubeconfig with the contexts `a` and `b`, both of this server.
fn kubeconfig(folder: &Path, server: &str, user: &serde_json::Value) -> ClusterOptions {
    let context = |name: &str| json!({ "name": name, "context": { "cluster": "c", "user": "u" } });
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "b",
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "u", "user": user }],
        "contexts": [context("b"), context("a")],
    });
    let path = folder.join("config");
    std::fs::write(&path, text.to_string()).unwrap();
    ClusterOptions { kubeconfig: Some(path), ..ClusterOptions::new("a") }
}

/// What connecting says, with its causes.
async fn refused(options: &ClusterOptions, words: &[&str]) -> Error {
    let error = Cluster::connect(options).await.unwrap_err();
    let text = chain(&error);
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    error
}

#[tokio::test]
async fn a_context_has_to_be_named_and_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = kubeconfig(folder.path(), "https://127.0.0.1:1", &json!({}));
    let path = options.kubeconfig.clone().unwrap().display().to_string();
    for missing in ["", "c", "A"] {
        options.context = missing.to_owned();
        let error = refused(&options, &[&format!("no context `{missing}`"), "it has `a`, `b`", &path]).await;
        assert!(matches!(error, Error::NoContext { .. }));
    }
}

#[tokio::test]
async fn a_kubeconfig_has_to_be_there_and_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = ClusterOptions::new("a");
    let path = folder.path().join("none");
    options.kubeconfig = Some(path.clone());
    let error = refused(&options, &[path.to_str().unwrap(), "No such file"]).await;
    assert!(matches!(error, Error::Kubeconfig { .. }));
    std::fs::write(&path, "contexts: [").unwrap();
    assert!(matches!(refused(&options, &["YAML"]).await, Error::Kubeconfig { .. }));
    let unreadable = json!({ "client-certificate": "/none.crt", "client-key": "/none.key" });
    let options = kubeconfig(folder.path(), "https://127.0.0.1:1", &unreadable);
    let error = refused(&options, &["credentials", "/none.crt", "context `a`"]).await;
    assert!(matches!(error, Error::Credentials { .. }));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = kubeconfig(folder.path(), &format!("https://u:secret@{address}/behind/"), &json!({}));
    let error = refused(&options, &["context `a`", &address.to_string(), "not reachable", "refused"]).await;
    assert!(!chain(&error).contains("secret"), "{error}");
    let Error::Unreachable { place, .. } = error else { panic!("{error}") };
    assert_eq!(place.server, format!("https://{address}/behind"));
}

#[tokio::test]
async fn a_plugin_that_fails_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never",
    } });
    let options = kubeconfig(folder.path(), "https://127.0.0.1:1", &plugin);
    let error = refused(&options, &["credentials of context `a`", "false"]).await;
    assert!(matches!(error, Error::Credentials { .. }));
}

#[tokio::test]
async fn a_plugin_that_hangs_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["3"], "interactiveMode": "Never",
    } });
    let mut options = kubeconfig(folder.path(), "https://127.0.0.1:1", &plugin);
    options.timeout = Duration::from_millis(100);
    let error = refused(&options, &["credentials of context `a`", "plugin", "100ms"]).await;
    assert!(matches!(error, Error::Credentials { .. }));
}
