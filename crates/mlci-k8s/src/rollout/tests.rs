//! The state machine against tables of worlds, without a cluster. The worlds' states are those that a cluster shows.

mod done;
mod faults;
mod orders;

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use mlci_core::Digest;
use serde_json::{Value, json};

use super::{
    machine::{Expected, Machine, Patience, World},
    state::{Reason, State},
};

fn image(content: &str) -> String {
    format!("registry.example.com/wine@{}", Digest::of(content.as_bytes()))
}

fn template(content: &str) -> Value {
    json!({ "metadata": { "labels": { "app": "wine" } }, "spec": { "containers": [{ "name": "server", "image": image(content) }] } })
}

/// A Deployment of the image `content`; `counts` are replicas, updated, available.
fn deployment(content: &str, generation: i64, observed: i64, counts: [i32; 3]) -> Deployment {
    let [replicas, updated, available] = counts;
    serde_json::from_value(json!({
        "metadata": { "name": "wine", "uid": "deployment", "generation": generation },
        "spec": { "replicas": 2, "selector": {}, "template": template(content) },
        "status": {
            "observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available,
        },
    }))
    .unwrap()
}

fn with_condition(mut deployment: Deployment, kind: &str, reason: &str) -> Deployment {
    let condition = json!([{ "type": kind, "status": "False", "reason": reason, "message": "said the controller" }]);
    deployment.status.as_mut().unwrap().conditions = serde_json::from_value(condition).unwrap();
    deployment
}

/// The ReplicaSet of the image `content`, whose name and uid are the content too.
fn replica_set(content: &str, failure: Option<&str>) -> ReplicaSet {
    let mut template = template(content);
    template["metadata"]["labels"]["pod-template-hash"] = json!(content);
    let failure = failure.map(
        |message| json!([{ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message }]),
    );
    serde_json::from_value(json!({
        "metadata": { "name": content, "uid": content, "ownerReferences": [owner("Deployment", "deployment")] },
        "spec": { "selector": {}, "template": template },
        "status": { "replicas": 1, "conditions": failure },
    }))
    .unwrap()
}

fn owner(kind: &str, uid: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": kind, "name": uid, "uid": uid, "controller": true })
}

/// A pod of the ReplicaSet `content` whose server is in this state.
fn pod(name: &str, content: &str, ready: bool, server: Value) -> Pod {
    let mut server = server;
    server["name"] = json!("server");
    server["image"] = json!(image(content));
    server["imageID"] = json!(if ready { "sha256:0" } else { "" });
    server["ready"] = json!(ready);
    let ready = if ready { "True" } else { "False" };
    serde_json::from_value(json!({
        "metadata": { "name": name, "uid": name, "ownerReferences": [owner("ReplicaSet", content)] },
        "spec": { "containers": [{ "name": "server", "image": image(content) }] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }], "containerStatuses": [server] },
    }))
    .unwrap()
}

fn running(name: &str, content: &str) -> Pod {
    pod(name, content, true, json!({ "restartCount": 0, "state": { "running": {} } }))
}

fn waiting(name: &str, content: &str, reason: &str, message: &str, restarts: i32, last: &Value) -> Pod {
    let state = json!({ "waiting": { "reason": reason, "message": message } });
    pod(name, content, false, json!({ "restartCount": restarts, "state": state, "lastState": last }))
}

fn starting(name: &str, content: &str) -> Pod {
    waiting(name, content, "ContainerCreating", "", 0, &json!({}))
}

fn going(mut pod: Pod) -> Pod {
    pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    pod
}

fn machine() -> Machine {
    let expected = Expected { uid: "deployment".to_owned(), generation: 2, digest: Digest::of(b"new") };
    let seconds = Duration::from_secs;
    Machine::new(expected, Patience { again: seconds(3), unschedulable: seconds(30), stalled: seconds(10) })
}

fn world(deployment: Deployment, replica_sets: Vec<ReplicaSet>, pods: Vec<Pod>) -> World {
    World { deployment: Some(deployment), replica_sets, pods }
}

/// The world of a rollout under way, with these pods of the new version.
fn under_way(pods: Vec<Pod>) -> World {
    let old = vec![running("old-1", "old"), running("old-2", "old")];
    let sets = vec![replica_set("old", None), replica_set("new", None)];
    world(deployment("new", 2, 2, [3, 1, 2]), sets, pods.into_iter().chain(old).collect())
}

/// `None` while it is under way; time in seconds.
#[track_caller]
fn check(steps: &[(u64, World, Option<Reason>)]) {
    let mut machine = machine();
    for (second, world, expected) in steps {
        let found = match machine.step(world, Duration::from_secs(*second)) {
            State::Progress(_) => None,
            State::Failed(finding) => Some(finding.reason),
            State::Done(progress) => panic!("done: {progress}"),
        };
        assert_eq!(found, *expected, "after {second} s");
    }
}

const NOT_FOUND: &str = "failed to resolve reference: registry.example.com/wine: not found";

#[test]
fn a_node_that_takes_nothing_up_is_told_after_a_while() {
    let given = |taken: bool| {
        let mut pod = starting("a", "new");
        pod.spec.as_mut().unwrap().node_name = Some("one".to_owned());
        let status = pod.status.as_mut().unwrap();
        status.phase = Some("Pending".to_owned());
        status.container_statuses = None;
        status.start_time = taken.then(|| serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        under_way(vec![pod])
    };
    check(&[(0, given(false), None), (29, given(false), None), (30, given(false), Some(Reason::Node))]);
    check(&[(0, given(false), None), (1, given(true), None), (60, given(true), None)]);
}

#[test]
fn an_image_that_is_not_there_is_final_when_seen_twice() {
    let missing = |name: &str| waiting(name, "new", "ErrImagePull", NOT_FOUND, 0, &json!({}));
    let pull = Some(Reason::ImagePull);
    check(&[
        (0, under_way(vec![missing("a")]), None),
        (2, under_way(vec![missing("a")]), None),
        (3, under_way(vec![missing("a")]), pull),
    ]);
    check(&[(0, under_way(vec![missing("a"), missing("b")]), pull)]);
    // In between it was another state: the count begins anew.
    let steps =
        [(0, missing("a"), None), (2, starting("a", "new"), None), (4, missing("a"), None), (7, missing("a"), pull)];
    check(&steps.map(|(second, pod, expected)| (second, under_way(vec![pod]), expected)));
}

#[test]
fn a_registry_that_does_not_answer_may_come_back_until_the_kubelet_backs_off() {
    let away =
        |reason: &str| under_way(vec![waiting("a", "new", reason, "dial tcp: connection refused", 0, &json!({}))]);
    check(&[
        (0, away("ErrImagePull"), None),
        (9, away("ErrImagePull"), None),
        (11, away("ImagePullBackOff"), Some(Reason::ImagePull)),
    ]);
}

#[test]
fn one_early_restart_is_no_failure_and_two_ends_in_a_row_are() {
    let ended = |reason: &str| json!({ "terminated": { "exitCode": 1, "reason": reason } });
    let once = pod("a", "new", false, json!({ "restartCount": 0, "state": ended("Error") }));
    let again =
        pod("a", "new", false, json!({ "restartCount": 1, "state": { "running": {} }, "lastState": ended("Error") }));
    // A kubelet that waits before the first restart.
    let first_wait = waiting("a", "new", "CrashLoopBackOff", "back-off", 0, &ended("Error"));
    check(&[
        (0, under_way(vec![once]), None),
        (1, under_way(vec![first_wait]), None),
        (20, under_way(vec![again]), None),
    ]);
    for (word, reason) in
        [("Error", Reason::CrashLoop), ("OOMKilled", Reason::OutOfMemory), ("StartError", Reason::Container)]
    {
        let twice = waiting("a", "new", "CrashLoopBackOff", "back-off 10s", 1, &ended(word));
        check(&[(0, under_way(vec![twice]), Some(reason))]);
    }
}

#[test]
fn a_crash_loop_of_the_version_before_is_none_of_ours() {
    let old = waiting("old-3", "old", "CrashLoopBackOff", "back-off", 7, &json!({}));
    let leaving = going(waiting("a", "new", "ImagePullBackOff", "", 0, &json!({})));
    check(&[(0, under_way(vec![old, leaving, starting("b", "new")]), None)]);
}

#[test]
fn a_missing_secret_may_come_late() {
    let world = |reason: &str| under_way(vec![waiting("a", "new", reason, "secret \"x\" not found", 0, &json!({}))]);
    let word = "CreateContainerConfigError";
    check(&[(0, world(word), None), (2, world("ContainerCreating"), None)]);
    check(&[(0, world(word), None), (3, world(word), Some(Reason::Container))]);
}

#[test]
fn a_pod_without_a_node_is_final_after_the_grace() {
    let mut pod = starting("a", "new");
    let condition = json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available" }]);
    pod.status.as_mut().unwrap().conditions = serde_json::from_value(condition).unwrap();
    let world = under_way(vec![pod]);
    check(&[(5, world.clone(), None), (34, world.clone(), None), (35, world, Some(Reason::Unschedulable))]);
}

#[test]
fn a_refusal_is_final_when_it_stays() {
    let refused = |message: &str, pods: Vec<Pod>| {
        world(deployment("new", 2, 2, [2, 0, 2]), vec![replica_set("new", Some(message))], pods)
    };
    let quota = "pods \"a\" is forbidden: exceeded quota: small";
    let policy = "admission webhook \"p\" denied the request";
    check(&[(0, refused(quota, vec![]), None), (3, refused(quota, vec![]), Some(Reason::Quota))]);
    check(&[(0, refused(policy, vec![]), None), (3, refused(policy, vec![]), Some(Reason::Admission))]);
    // A pod on its way out frees the quota.
    let leaving = || vec![going(running("old-1", "old"))];
    check(&[
        (0, refused(quota, leaving()), None),
        (30, refused(quota, leaving()), None),
        (31, refused(quota, vec![]), None),
    ]);
    // What was seen before a rollout that was done for a moment does not count.
    let done = world(
        deployment("new", 2, 2, [2, 2, 2]),
        vec![replica_set("new", None)],
        vec![running("a", "new"), running("b", "new")],
    );
    let mut machine = machine();
    let mut step = |second, world: &World| machine.step(world, Duration::from_secs(second));
    assert!(matches!(step(0, &refused(quota, vec![])), State::Progress(_)));
    assert!(matches!(step(1, &done), State::Done(_)));
    assert!(matches!(step(5, &refused(quota, vec![])), State::Progress(_)));
    assert!(matches!(step(8, &refused(quota, vec![])), State::Failed(_)));
}

#[test]
fn a_deadline_left_over_from_the_rollout_before_is_not_believed() {
    let mut stalled = under_way(vec![starting("a", "new")]);
    stalled.deployment = stalled.deployment.map(|it| with_condition(it, "Progressing", "ProgressDeadlineExceeded"));
    check(&[
        (0, stalled.clone(), None),
        (9, stalled.clone(), None),
        (9, under_way(vec![]), None),
        (12, stalled.clone(), None),
    ]);
    check(&[(0, stalled.clone(), None), (10, stalled, Some(Reason::Deadline))]);
}

#[test]
fn what_others_do_in_between_is_seen() {
    let sets = || vec![replica_set("new", None), replica_set("other", None)];
    check(&[(0, world(deployment("other", 3, 2, [2, 2, 2]), sets(), vec![]), Some(Reason::Superseded))]);
    // An autoscaler changes the number, not the image.
    check(&[(0, world(deployment("new", 3, 2, [2, 2, 2]), sets(), vec![]), None)]);
    let mut again = deployment("new", 2, 2, [2, 2, 2]);
    again.metadata.uid = Some("another".to_owned());
    check(&[(0, world(again, sets(), vec![]), Some(Reason::Deleted))]);
    check(&[(0, World::default(), Some(Reason::Deleted))]);
    let mut paused = deployment("new", 2, 2, [2, 0, 2]);
    paused.spec.as_mut().unwrap().paused = Some(true);
    check(&[(0, world(paused, sets(), vec![]), Some(Reason::Paused))]);
    let mut changed = running("a", "new");
    changed.spec.as_mut().unwrap().containers[0].image = Some(image("another"));
    check(&[(0, under_way(vec![changed]), Some(Reason::Admission))]);
}

#[test]
fn pods_that_fail_on_their_nodes_are_counted() {
    let evicted = |name: &str| {
        let mut pod = starting(name, "new");
        let status = pod.status.as_mut().unwrap();
        (status.phase, status.reason) = (Some("Failed".to_owned()), Some("Evicted".to_owned()));
        pod
    };
    check(&[
        (0, under_way(vec![evicted("a"), evicted("b")]), None),
        (1, under_way(vec![evicted("a"), evicted("b"), evicted("c")]), Some(Reason::PodsFail)),
    ]);
}
