//! The watch against an API server that drops it, answers 410, 429, 500, or nonsense.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use futures::{StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::{Client, client::Body};

use super::*;
use crate::{Applied, Cluster, Error, ImageReference, Place, RolloutOptions};

/// What the first lists and watches of each kind get; the ones after them get the world in which the rollout is done.
#[derive(Clone)]
struct Fault {
    status: u16,
    body: String,
    lists: u32,
    watches: u32,
}

fn failure(code: u16, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "" })
}

/// What a Service sends to.
fn slice(pods: &[&str]) -> Value {
    let endpoint = |pod: &&str| json!({ "addresses": ["192.0.2.9"], "targetRef": { "kind": "Pod", "name": pod } });
    let endpoints: Vec<_> = pods.iter().map(endpoint).collect();
    json!({ "metadata": {}, "addressType": "IPv4", "ports": [{ "name": "http", "port": 8080 }], "endpoints": endpoints })
}

/// What is listed at first, and how each object is once the rollout is done.
fn objects(kind: &str) -> Vec<(Value, Value)> {
    let object = |value: Value| {
        let mut value = value;
        value["metadata"]["resourceVersion"] = json!("1");
        value
    };
    let pairs = match kind {
        "deployments" => {
            let states = [deployment("new", 2, 1, [2, 2, 2]), deployment("new", 2, 2, [2, 2, 2])];
            vec![states.map(|it| serde_json::to_value(it).unwrap())]
        }
        "endpointslices" => vec![[(); 2].map(|()| slice(&["a", "b"]))],
        "replicasets" => vec![[(); 2].map(|()| serde_json::to_value(replica_set("new", None)).unwrap())],
        _ => ["a", "b"]
            .map(|name| [starting(name, "new"), running(name, "new")].map(|it| serde_json::to_value(it).unwrap()))
            .to_vec(),
    };
    pairs.into_iter().map(|[first, last]| (object(first), object(last))).collect()
}

fn answer(fault: &Fault, request: &Request<Body>, counts: &Mutex<BTreeMap<String, u32>>) -> (u16, String, bool) {
    let path = request.uri().path();
    let kind = path.rsplit('/').next().unwrap_or_default().to_owned();
    if path == "/version" {
        let empty = ["gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"];
        let mut version = json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.4" });
        empty.iter().for_each(|key| version[key] = json!(""));
        return (200, version.to_string(), true);
    }
    let mut counts = counts.lock().unwrap();
    let mut number = |what: &str| {
        let count = counts.entry(format!("{what} {kind}")).or_insert(0);
        *count += 1;
        *count
    };
    if !request.uri().query().is_some_and(|query| query.contains("watch=true")) {
        if number("list") <= fault.lists {
            return (fault.status, fault.body.clone(), true);
        }
        let items: Vec<_> = objects(&kind).into_iter().map(|(first, _)| first).collect();
        return (200, json!({ "metadata": { "resourceVersion": "1" }, "items": items }).to_string(), true);
    }
    if number("watch") <= fault.watches {
        return (fault.status, fault.body.clone(), true);
    }
    let lines =
        objects(&kind).into_iter().map(|(_, last)| json!({ "type": "MODIFIED", "object": last }).to_string() + "\n");
    // A watch that is well goes on.
    (200, lines.collect(), false)
}

async fn rolled_out(fault: Fault) -> Result<crate::RolledOut, Error> {
    let counts = Mutex::new(BTreeMap::new());
    asked(move |request| answer(&fault, request, &counts)).await
}

/// A rollout in a cluster whose API server answers so: status, body, and whether that is all.
async fn asked(
    answer: impl Fn(&Request<Body>) -> (u16, String, bool) + Send + Sync + 'static,
) -> Result<crate::RolledOut, Error> {
    let answer = Arc::new(answer);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (status, body, ends) = answer(&request);
        let frame = stream::once(async { Ok::<_, Infallible>(Frame::data(body.into())) });
        let frames = if ends { frame.boxed() } else { frame.chain(stream::pending()).boxed() };
        let response = Response::builder().status(status).body(StreamBody::new(frames)).unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    let place = Place { context: "test".to_owned(), server: "https://192.0.2.1".to_owned() };
    let cluster = Cluster::with_client(Client::new(service, ""), place, Duration::from_secs(30)).await.unwrap();
    let applied = Applied {
        namespace: "staging".parse().unwrap(),
        name: "wine".parse().unwrap(),
        labelled: "wine".parse().unwrap(),
        image: image("new").parse::<ImageReference>().unwrap(),
        uid: "deployment".to_owned(),
        generation: 2,
        obsolete: Vec::new(),
        autoscaler: None,
        declared: Vec::new(),
    };
    cluster.rollout(&applied, &RolloutOptions::default(), |_| {}).await
}

#[tokio::test(start_paused = true)]
async fn a_lost_watch_is_taken_up_again() {
    let event = |status: Value| json!({ "type": "ERROR", "object": status }).to_string() + "\n";
    let faults = [
        ("dropped at once", 200, String::new()),
        ("cut off inside a line", 200, "{\"type\":\"MODI".to_owned()),
        ("too old a version, in the stream", 200, event(failure(410, "too old resource version"))),
        ("too old a version", 410, failure(410, "too old resource version").to_string()),
        ("too many requests", 429, failure(429, "slow down").to_string()),
        ("an error", 500, failure(500, "etcd has no leader").to_string()),
        ("a proxy's page", 502, "<html>bad gateway</html>".to_owned()),
        ("a refusal of a server that has just started", 403, failure(403, "u cannot watch").to_string()),
    ];
    for (name, status, body) in faults {
        let done = rolled_out(Fault { status, body, lists: 0, watches: 1 }).await;
        assert_eq!(done.map(|done| done.progress.ready).map_err(|error| error.to_string()), Ok(2), "{name}");
    }
}

/// With pauses of 0.2 s, 0.4 s, … 3.2 s, 3.2 s between the tries, the eighth comes after more than 10 s.
#[tokio::test(start_paused = true)]
async fn an_error_may_last_and_a_refusal_may_not() {
    let fault =
        |code: u16| Fault { status: code, body: failure(code, "u cannot watch").to_string(), lists: 0, watches: 8 };
    assert_eq!(rolled_out(fault(500)).await.map(|done| done.progress.ready).map_err(|error| error.to_string()), Ok(2));
    let unlisted = |code: u16| Fault { lists: 2, watches: 0, ..fault(code) };
    assert!(rolled_out(unlisted(500)).await.is_ok());
    // Who was never allowed is told at once.
    assert!(rolled_out(unlisted(403)).await.is_err_and(|error| error.is_refusal()));
    for code in [401, 403] {
        let error = rolled_out(fault(code)).await.unwrap_err();
        assert!(error.is_refusal(), "{error}");
    }
}

/// These are the pods that are listed first, and no watch says more; whoever asks again is told that they run.
async fn lost_after(pods: fn(Value) -> Value) -> crate::RolledOut {
    let fault = Fault { status: 0, body: String::new(), lists: 0, watches: 0 };
    let (counts, lists) = (Mutex::new(BTreeMap::new()), Mutex::new(0));
    let done = asked(move |request| {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        if is_watch {
            return (200, String::new(), false);
        }
        let kind = request.uri().path().rsplit('/').next().unwrap_or_default();
        let mut lists = lists.lock().unwrap();
        *lists += i32::from(kind == "pods");
        let (first, last): (Vec<_>, Vec<_>) = objects(kind).into_iter().unzip();
        let items = match (kind, *lists) {
            ("version", _) => return answer(&fault, request, &counts),
            ("pods", 1) => first.into_iter().map(pods).collect(),
            _ => last,
        };
        (200, json!({ "metadata": { "resourceVersion": "1" }, "items": items }).to_string(), true)
    });
    done.await.unwrap()
}

/// A pod that has been given to a node is the last that was heard; by the time that it is too late, it runs.
#[tokio::test(start_paused = true)]
async fn what_was_heard_long_ago_is_asked_for_before_it_is_a_failure() {
    let given = |mut pod: Value| {
        pod["spec"]["nodeName"] = json!("one");
        pod["status"] = json!({ "phase": "Pending" });
        pod
    };
    let done = lost_after(given).await;
    assert_eq!((done.progress.ready, done.after.as_secs()), (2, 30));
    // A container that is being made is no failure for as long as there is time.
    let done = lost_after(|pod| pod).await;
    assert_eq!((done.progress.ready, done.after), (2, RolloutOptions::default().timeout));
}

/// A cluster whose pods are ready at once, while it answers like this so often when it is asked for EndpointSlices.
async fn behind(status: u16, body: Value, asked_for: u32) -> Result<crate::RolledOut, Error> {
    let fault = Fault { status: 0, body: String::new(), lists: 0, watches: 0 };
    let (counts, times) = (Mutex::new(BTreeMap::new()), Mutex::new(0));
    let list = |items: Vec<Value>| json!({ "metadata": { "resourceVersion": "1" }, "items": items }).to_string();
    asked(move |request| {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let kind = path.rsplit('/').next().unwrap_or_default();
        // Those of the whole namespace.
        if kind == "pods" && !query.contains("labelSelector=") {
            let mut pods = ["a", "b", "other", "leaving"].map(|name| json!({ "metadata": { "name": name } }));
            pods[3]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            return (200, list(pods.to_vec()), true);
        }
        let mut times = times.lock().unwrap();
        *times += u32::from(kind == "endpointslices");
        if kind == "endpointslices" && *times <= asked_for {
            return (status, body.to_string(), true);
        }
        answer(&fault, request, &counts)
    })
    .await
}

async fn sending_to(pods: &[&str], asked_for: u32) -> Result<crate::RolledOut, Error> {
    behind(200, json!({ "metadata": { "resourceVersion": "1" }, "items": [slice(pods)] }), asked_for).await
}

#[tokio::test(start_paused = true)]
async fn a_rollout_is_done_once_the_service_sends_to_its_pods_and_to_none_that_has_gone() {
    for pods in [&[][..], &["a"], &["a", "b", "old"], &["a", "b", "leaving"], &["old"]] {
        let done = sending_to(pods, 3).await.unwrap();
        // 50, 100 and 200 ms.
        assert_eq!((done.progress.ready, done.after.as_millis() / 10), (2, 35), "{pods:?}");
    }
    // Another workload's pod, which the Service was patched to send to.
    for pods in [&["a", "b"][..], &["a", "b", "other"]] {
        assert_eq!(sending_to(pods, 3).await.unwrap().after, Duration::ZERO, "{pods:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_follows_fails_the_rollout() {
    for (pods, words) in [
        (&["a"][..], "the Service `wine` does not send to b by a port `http`; see whether"),
        (&["a", "b", "old"], "the Service `wine` still sends to what has gone: old; see whether"),
        (
            &["leaving"],
            "does not send to a, b by a port `http`, and still sends to what has gone: leaving; see whether",
        ),
    ] {
        let error = sending_to(pods, u32::MAX).await.unwrap_err();
        let Error::Rollout(failure) = &error else { panic!("{error}") };
        assert_eq!((failure.reason, failure.after.as_secs()), (Reason::Endpoints, 120), "{pods:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_cannot_be_read_are_asked_for_again() {
    for code in [410, 429, 500, 503] {
        let done = behind(code, failure(code, "not now"), 9).await;
        assert_eq!(done.map(|done| done.progress.ready).map_err(|error| error.to_string()), Ok(2), "{code}");
    }
    let error = behind(500, failure(500, "not now"), u32::MAX).await.unwrap_err().to_string();
    assert!(error.contains("what its Service sends to is not known (") && error.contains("endpointslices"), "{error}");
    // A server that has just started refuses for a moment; who has no right to it is told.
    let refused = failure(403, "u cannot list resource endpointslices");
    assert!(behind(403, refused.clone(), 9).await.is_ok());
    let error = behind(403, refused, u32::MAX).await.unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("endpointslices"), "{error}");
}

/// Ready while the Service was behind, and not any more: it is under way as before, and the time is up as ever.
#[tokio::test(start_paused = true)]
async fn pods_that_are_ready_for_a_moment_do_not_count() {
    let fault = Fault { status: 0, body: String::new(), lists: 0, watches: 0 };
    let (counts, watches, looks) = (Mutex::new(BTreeMap::new()), Mutex::new(0), Arc::new(Mutex::new(0)));
    let looked = looks.clone();
    let error = asked(move |request| {
        let kind = request.uri().path().rsplit('/').next().unwrap_or_default();
        if kind == "endpointslices" {
            *looked.lock().unwrap() += 1;
            let items = [slice(&["old"])];
            return (200, json!({ "metadata": { "resourceVersion": "1" }, "items": items }).to_string(), true);
        }
        if kind == "pods" && request.uri().query().is_some_and(|query| query.contains("watch=true")) {
            let mut watches = watches.lock().unwrap();
            *watches += 1;
            let pods = objects(kind).into_iter().map(|(first, last)| if *watches == 1 { last } else { first });
            let lines = pods.map(|pod| json!({ "type": "MODIFIED", "object": pod }).to_string() + "\n");
            return (200, lines.collect(), *watches == 1);
        }
        answer(&fault, request, &counts)
    })
    .await
    .unwrap_err();
    let Error::Rollout(failure) = &error else { panic!("{error}") };
    assert_eq!((failure.reason, failure.after), (Reason::Deadline, RolloutOptions::default().timeout), "{error}");
    assert!(*looks.lock().unwrap() > 0, "it was ready in between");
}
