//! Parts of a real cluster that go away in the middle of a deployment. `MLCI_LAB_KUBE_CONTROL` names the script that
//! stops and starts parts of the lab's: a cluster of one's own is not taken apart. A test program of its own, since
//! nothing else may run in the cluster meanwhile.

// Clippy's exception for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(dead_code, reason = "the helpers are those of the other test programs, and not all are needed here")]

#[path = "../real/lab.rs"]
mod lab;
#[path = "../real/on_cluster.rs"]
mod on_cluster;
#[path = "../it/project.rs"]
mod project;

use std::{
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use lab::{unique, variable};
use on_cluster::{OnCluster, kubectl};
use project::eventually;

/// One of these tests at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn control(arguments: &[&str]) {
    let script = variable("MLCI_LAB_KUBE_CONTROL");
    let output = Command::new("bash").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A part that does not run, until this is dropped.
struct Stopped(&'static str);

impl Stopped {
    fn new(part: &'static str) -> Self {
        control(&["stop", part]);
        Self(part)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        control(&["start", self.0]);
    }
}

/// A pipeline with a first release in staging, and a second that is not built yet.
fn second_release(keys: &str) -> (OnCluster, project::Finished) {
    let on = OnCluster::new();
    on.project.configure("ready_seconds = 60", &format!("ready_seconds = 60\n{keys}"));
    let first = on.project.pass(&["ci"]);
    on.project.configure("seed = 42", "seed = 43");
    (on, first)
}

#[test]
#[ignore = "needs the lab's own Kubernetes cluster, parts of which it stops: cargo xtask test --lab kubernetes"]
fn the_api_server_is_started_anew_in_the_middle() {
    let _alone = alone();
    // Controllers, scheduler and kubelet come back one after the other, each after a pause of up to a minute (client-go,
    // tools/cache/reflector.go: 30 s, and as much again by chance).
    let (on, _) = second_release("unschedulable_seconds = 180");
    let project = &on.project;
    project.configure("ready_seconds = 60", "ready_seconds = 300");
    let deploys = on.under_way("ci");
    drop(Stopped::new("apiserver"));
    let second = deploys.end();
    assert_eq!(second.code, 0, "{:#}", second.value);
    assert_eq!(second.environment("staging")["status"], "verified");
    assert_eq!(on.images(0), [second.text("/image/pushed")]);

    // Away before it begins: told at once, and nothing has changed.
    project.configure("seed = 43", "seed = 44");
    project.pass(&["ci", "--stage", "..image"]);
    let stopped = Stopped::new("apiserver");
    let begun = Instant::now();
    let away = project.run(&["ci"]);
    println!("after {:?}: {}", begun.elapsed(), away.error());
    assert_eq!((away.code, away.stage("deploy")), (1, "failed"), "{:#}", away.value);
    assert!(away.error().contains("is not reachable"), "{}", away.error());
    drop(stopped);
    assert_eq!(on.images(0), [second.text("/image/pushed")]);
    let third = project.pass(&["ci"]);
    assert_eq!(on.images(0), [third.text("/image/pushed")]);
}

/// The node answers nobody, and what runs on it goes on. The API server does not know yet.
#[test]
#[ignore = "needs the lab's own Kubernetes cluster, parts of which it stops: cargo xtask test --lab kubernetes"]
fn a_node_that_falls_silent_is_told_and_takes_up_the_release_once_it_is_back() {
    let _alone = alone();
    let (on, first) = second_release("unschedulable_seconds = 5");
    let project = &on.project;
    project.pass(&["ci", "--stage", "..image"]);
    let stopped = Stopped::new("kubelet");
    let begun = Instant::now();
    let told = project.run(&["ci"]);
    println!("after {:?}: {}", begun.elapsed(), told.error());
    assert_eq!(told.code, 1, "{:#}", told.value);
    for words in ["pod `wine-", "does not take it up", "look at the node"] {
        assert!(told.error().contains(words), "{words}: {}", told.error());
    }
    assert!(on.images(0).contains(&first.text("/image/pushed").to_owned()), "what served before is still there");
    drop(stopped);
    let second = project.pass(&["ci"]);
    assert_eq!(second.environment("staging")["status"], "verified", "{:#}", second.value);
    assert_eq!(on.images(0), [second.text("/image/pushed")]);
}

/// The node is emptied, as when it is taken out of service: no other takes the pods.
#[test]
#[ignore = "needs the lab's own Kubernetes cluster, parts of which it stops: cargo xtask test --lab kubernetes"]
fn a_node_that_is_emptied_in_the_middle_is_told_and_the_release_comes_once_it_is_back() {
    struct Tainted(String);
    impl Drop for Tainted {
        fn drop(&mut self) {
            kubectl(&["taint", "node", &self.0, "mlci-test-"]);
        }
    }
    let _alone = alone();
    let (on, _) = second_release("unschedulable_seconds = 5");
    let deploys = on.under_way("ci");
    let node = kubectl(&["get", "nodes", "--output", "jsonpath={.items[0].metadata.name}"]);
    kubectl(&["taint", "node", &node, "mlci-test=out:NoExecute"]);
    let tainted = Tainted(node);
    let begun = Instant::now();
    let told = deploys.end();
    println!("after {:?}: {}", begun.elapsed(), told.error());
    assert_eq!(told.code, 4, "{:#}", told.value);
    for words in ["Unschedulable", "untolerated taint", "nothing serves there now", "could not be brought back"] {
        assert!(told.error().contains(words), "{words}: {}", told.error());
    }
    drop(tainted);
    let deployed = on.project.pass(&["deploy", "staging"]);
    assert_eq!(deployed.environment("staging")["status"], "verified", "{:#}", deployed.value);
    eventually("the second alone", || on.images(0) == [told.text("/image/pushed")]);
}
