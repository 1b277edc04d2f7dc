//! What goes well: apply, rollout, restart, tables, verification, rollback, scale, delete.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use mlci_k8s::{ApplyOptions, Workload, http::Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{Lab, image, in_namespace, make_namespace, options, remove_namespace};

/// The first column of the pods' table.
async fn pod_names(lab: &Lab, workload: &Workload) -> BTreeSet<String> {
    let table = lab.cluster.pods(&workload.namespace, &workload.name).await.unwrap();
    table.rows.into_iter().filter_map(|row| row.into_iter().next()).collect()
}

/// What a plain HTTP request to this address gets, head and body.
pub(crate) async fn get(address: SocketAddr, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn apply_restart_roll_back_scale_delete() {
    in_namespace("deploy", |lab| async move {
        let (first, second) = (image::push("v1"), image::push("v2"));
        let mut workload = lab.workload(first.clone());
        workload.replicas = Some(2);
        workload.annotations.insert("mlci.model.digest".to_owned(), "sha256:1".to_owned());
        let (namespace, name) = (workload.namespace.clone(), workload.name.clone());
        assert_eq!(lab.cluster.current(&namespace, &name).await.unwrap(), None);

        let done = lab.deploy(&workload).await.unwrap();
        println!("two pods after {:?}", done.after);
        assert_eq!((done.progress.ready, done.progress.updated, done.progress.old), (2, 2, 0));

        let pods = lab.cluster.pods(&namespace, &name).await.unwrap();
        println!("{pods}");
        assert_eq!(pods.columns, ["Name", "Ready", "Status", "Restarts", "Age"]);
        assert_eq!(pods.rows.len(), 2);
        assert!(pods.rows.iter().all(|row| row[1..4] == ["1/1", "Running", "0"]), "{pods}");
        let services = lab.cluster.services(&namespace, &name).await.unwrap();
        println!("{services}");
        assert_eq!(
            (services.rows.len(), services.rows[0][0].as_str(), services.rows[0][4].as_str()),
            (1, "wine", "80/TCP")
        );

        // To apply again changes nothing, and a new record restarts no pod.
        let before = pod_names(&lab, &workload).await;
        let current = lab.cluster.current(&namespace, &name).await.unwrap().unwrap();
        assert_eq!((current.digest, current.settled, current.ours), (Some(first.digest()), true, true));
        assert_eq!(current.annotations["mlci.model.digest"], "sha256:1");
        let applied = lab.cluster.apply(&workload, &ApplyOptions::default()).await.unwrap();
        assert_eq!(applied.generation, current.generation);
        workload.annotations.insert("mlci.model.digest".to_owned(), "sha256:2".to_owned());
        lab.deploy(&workload).await.unwrap();
        let current = lab.cluster.current(&namespace, &name).await.unwrap().unwrap();
        assert_eq!(current.annotations["mlci.model.digest"], "sha256:2");
        assert_eq!(pod_names(&lab, &workload).await, before);

        // Through the Service, both ways; a forward takes turns among the pods.
        let request = Request::post("/predict?a=1").body(b"[[7.4]]".to_vec()).unwrap();
        let answer = lab.cluster.proxy(&namespace, &name, request).await.unwrap();
        let body = String::from_utf8(answer.into_body()).unwrap();
        assert!(body.starts_with("v1 wine-") && body.ends_with(" [[7.4]]"), "{body}");
        let forward = lab.cluster.forward(&namespace, &name).await.unwrap();
        assert!(forward.address().ip().is_loopback());
        let mut hosts = BTreeSet::new();
        for _ in 0..4 {
            let answer = get(forward.address(), "[[9.4]]").await;
            assert!(answer.ends_with(" [[9.4]]"), "{answer} {:?}", forward.last_error());
            hosts.extend(answer.split(' ').find(|word| word.starts_with("wine-")).map(ToOwned::to_owned));
        }
        assert_eq!(hosts, before);
        let closed = forward.address();
        drop(forward);
        // The listener goes with the task, a moment later.
        tokio::time::timeout(Duration::from_secs(10), async {
            while TcpStream::connect(closed).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();

        let logs = lab.cluster.logs(&namespace, &name, 10).await.unwrap();
        assert!(logs.len() == 2 && logs.iter().all(|log| log.lines == ["listening"]), "{logs:?}");

        let applied = lab.cluster.restart(&namespace, &name).await.unwrap();
        let done = lab.cluster.rollout(&applied, &options(), |_| {}).await.unwrap();
        println!("restart after {:?}", done.after);
        let restarted: BTreeSet<_> = done.progress.pods.into_iter().map(|pod| pod.name).collect();
        assert!(restarted.is_disjoint(&before), "{restarted:?} {before:?}");

        let mut next = workload.clone();
        next.image = second.clone();
        lab.deploy(&next).await.unwrap();
        assert_eq!(lab.version(&next).await, "v2");
        let done = lab.cluster.rollback(&workload, &options(), |_| {}).await.unwrap();
        println!("rollback after {:?}", done.after);
        assert_eq!(lab.version(&workload).await, "v1");
        let current = lab.cluster.current(&namespace, &name).await.unwrap().unwrap();
        assert_eq!(current.digest, Some(first.digest()));

        // The next apply takes back a change of scale, which is mlci's own.
        let applied = lab.cluster.scale(&namespace, &name, 3).await.unwrap();
        let done = lab.cluster.rollout(&applied, &options(), |_| {}).await.unwrap();
        assert_eq!(done.progress.ready, 3);
        workload.replicas = Some(1);
        assert_eq!(lab.deploy(&workload).await.unwrap().progress.desired, 1);

        // One pod has no disruption budget; the one of before is gone already.
        let deleted = lab.cluster.delete(&namespace, &name).await.unwrap();
        let kinds: Vec<_> = deleted.iter().map(|object| object.kind.as_str()).collect();
        assert_eq!(kinds, ["Deployment", "Service", "ServiceAccount"]);
        assert_eq!(lab.cluster.current(&namespace, &name).await.unwrap(), None);
        assert_eq!(lab.cluster.delete(&namespace, &name).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn two_namespaces_do_not_know_of_each_other() {
    in_namespace("staging", |lab| async move {
        let mut production = lab.clone();
        production.namespace = format!("{}-production", lab.namespace).parse().unwrap();
        make_namespace(&lab.client, production.namespace.as_str()).await;
        let task = tokio::spawn(async move {
            let old = production.workload(image::push("v1"));
            let new = lab.workload(image::push("v2"));
            let (a, b) = tokio::join!(production.deploy(&old), lab.deploy(&new));
            a.unwrap();
            b.unwrap();
            assert_eq!((lab.version(&new).await.as_str(), production.version(&old).await.as_str()), ("v2", "v1"));
            lab.cluster.delete(&new.namespace, &new.name).await.unwrap();
            assert_eq!(production.version(&old).await, "v1");
            (production.client, production.namespace)
        });
        let (client, namespace) = task.await.unwrap();
        remove_namespace(&client, namespace.as_str()).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_namespace_is_made_when_that_is_asked_for() {
    in_namespace("base", |lab| async move {
        let mut workload = lab.workload(image::push("v1"));
        workload.namespace = format!("{}-made", lab.namespace).parse().unwrap();
        let mut options = ApplyOptions::default();
        let error = lab.cluster.apply(&workload, &options).await.unwrap_err();
        assert!(matches!(error, mlci_k8s::Error::NamespaceMissing { .. }), "{error}");
        options.create_namespace = true;
        let first = lab.cluster.apply(&workload, &options).await.unwrap();
        let second = lab.cluster.apply(&workload, &options).await.unwrap();
        remove_namespace(&lab.client, workload.namespace.as_str()).await;
        assert_eq!(first, second);
        // It goes away now, and takes nothing new.
        let mut other = workload;
        other.name = "other".parse().unwrap();
        let error = lab.cluster.apply(&other, &options).await.unwrap_err();
        assert!(matches!(error, mlci_k8s::Error::NamespaceTerminating { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_rollout_is_paused_resumed_and_given_up() {
    in_namespace("paused", |lab| async move {
        let mut first = lab.workload(image::push("v1"));
        first.replicas = Some(2);
        lab.deploy(&first).await.unwrap();
        let (namespace, name) = (first.namespace.clone(), first.name.clone());
        let mut second = first.clone();
        second.image = image::push("v2");

        // Paused before its first pod: the one who waits is told, and the old version serves on.
        lab.cluster.pause(&namespace, &name).await.unwrap();
        let applied = lab.cluster.apply(&second, &ApplyOptions::default()).await.unwrap();
        let error = lab.cluster.rollout(&applied, &options(), |_| {}).await.unwrap_err();
        let mlci_k8s::Error::Rollout(failure) = &error else { panic!("{error}") };
        assert_eq!(failure.reason, mlci_k8s::Reason::Paused, "{failure}");
        assert_eq!(lab.version(&first).await, "v1");
        let resumed = lab.cluster.resume(&namespace, &name).await.unwrap();
        assert_eq!(lab.cluster.rollout(&resumed, &options(), |_| {}).await.unwrap().progress.ready, 2);
        assert_eq!(lab.version(&second).await, "v2");

        // Given up in the middle: paused, what was there before applied, resumed.
        lab.cluster.pause(&namespace, &name).await.unwrap();
        lab.cluster.apply(&first, &ApplyOptions::default()).await.unwrap();
        lab.cluster.apply(&second, &ApplyOptions::default()).await.unwrap();
        let before = pod_names(&lab, &second).await;
        let resumed = lab.cluster.resume(&namespace, &name).await.unwrap();
        lab.cluster.rollout(&resumed, &options(), |_| {}).await.unwrap();
        assert_eq!(lab.version(&second).await, "v2");
        // Some of before may still be on their way out; none is new.
        let after = pod_names(&lab, &second).await;
        assert!(after.is_subset(&before), "{after:?} {before:?}");
        // What is resumed twice is resumed.
        lab.cluster.resume(&namespace, &name).await.unwrap();
    })
    .await;
}
