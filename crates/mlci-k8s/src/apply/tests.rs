//! Applying and pruning against an API server that keeps objects and forgets nothing else.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::*;
use crate::{Manifest, Network, Place, render::tests::workload};

/// What is in the cluster, by path, and which requests there were.
#[derive(Default)]
struct Server {
    objects: BTreeMap<String, Value>,
    log: Vec<String>,
    /// The number of the request that is refused: as if the caller had been killed before it.
    refuses: Option<usize>,
}

impl Server {
    fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        if path == "/version" {
            let keys = ["gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"];
            let mut version = json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.4" });
            keys.iter().for_each(|key| version[key] = json!(""));
            return (200, version);
        }
        let status = |code: u16, message: &str| {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "",
            });
            (code, status)
        };
        if self.refuses == Some(self.log.len()) {
            self.log.push("refused".to_owned());
            return status(403, "somebody cannot do it");
        }
        let kind = path.rsplit('/').nth(1).unwrap_or_default();
        self.log.push(format!("{method} {}", if path.ends_with("scalers") { "autoscalers" } else { kind }));
        match method {
            "GET" if path.ends_with("horizontalpodautoscalers") => {
                let items: Vec<_> = self.objects.values().filter(|it| it["kind"] == AUTOSCALER.kind.as_ref()).collect();
                (200, json!({ "apiVersion": "autoscaling/v2", "kind": "List", "metadata": {}, "items": items }))
            }
            "GET" => self.objects.get(path).map_or_else(|| status(404, "not found"), |object| (200, object.clone())),
            "DELETE" => (200, self.objects.remove(path).unwrap_or_default()),
            _ => {
                let mut object: Value = serde_json::from_slice(body).unwrap();
                object["metadata"]["uid"] = json!("uid");
                object["metadata"]["generation"] = json!(1);
                self.objects.insert(path.to_owned(), object.clone());
                (200, object)
            }
        }
    }

    fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<_> = self.objects.values().map(|it| ObjectId::of(it).to_string()).collect();
        kinds.sort();
        kinds
    }
}

async fn cluster(server: Arc<Mutex<Server>>) -> Cluster {
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (status, answer) = server.lock().unwrap().answer(parts.method.as_str(), parts.uri.path(), &body);
            let answer = Response::builder().status(status).body(Body::from(answer.to_string().into_bytes())).unwrap();
            Ok::<_, Infallible>(answer)
        }
    });
    let place = Place { context: "test".to_owned(), server: "https://192.0.2.1".to_owned() };
    Cluster::with_client(Client::new(service, "default"), place, Duration::from_secs(30)).await.unwrap()
}

fn larger() -> Workload {
    let mut workload = workload();
    workload.replicas = Some(2);
    workload.network = Some(Network::default());
    workload.manifests = Manifest::read("apiVersion: v1\nkind: Service\nmetadata: {name: own}").unwrap();
    workload
}

async fn deploy(cluster: &Cluster, workload: &Workload) -> Result<Vec<ObjectId>> {
    let applied = cluster.apply(workload, &ApplyOptions::default()).await?;
    cluster.prune(&applied).await
}

#[tokio::test]
async fn what_is_declared_no_longer_is_listed_and_removed() {
    let server = Arc::new(Mutex::new(Server::default()));
    let cluster = cluster(Arc::clone(&server)).await;
    assert_eq!(deploy(&cluster, &larger()).await.unwrap(), []);
    let rest = ["ConfigMap", "Deployment", "Service", "ServiceAccount"].map(|kind| format!("{kind} `wine-quality`"));
    let gone = ["NetworkPolicy `wine-quality`", "PodDisruptionBudget `wine-quality`", "Service `own`"];
    let shown = |objects: &[ObjectId]| objects.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut listed = shown(&cluster.apply(&workload(), &ApplyOptions::default()).await.unwrap().obsolete);
    listed.sort();
    assert_eq!(listed, gone);
    // Somebody has taken it over.
    let own = "/api/v1/namespaces/staging/services/own";
    let taken = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "own" } });
    server.lock().unwrap().objects.insert(own.to_owned(), taken);
    assert_eq!(deploy(&cluster, &workload()).await.unwrap().len(), 2);
    assert!(server.lock().unwrap().objects.remove(own).is_some());
    assert_eq!(server.lock().unwrap().kinds(), rest);

    // Nothing is left to do, and nothing is written but what is applied.
    server.lock().unwrap().log.clear();
    assert_eq!(deploy(&cluster, &workload()).await.unwrap(), []);
    let changes: Vec<_> = server.lock().unwrap().log.iter().filter(|it| !it.starts_with("GET")).cloned().collect();
    assert_eq!(changes, ["PATCH serviceaccounts", "PATCH services", "PATCH deployments"]);

    deploy(&cluster, &larger()).await.unwrap();
    assert_eq!(cluster.delete(&workload().namespace, &workload().name).await.unwrap().len(), 6);
    assert_eq!(server.lock().unwrap().kinds(), [""; 0]);
}

/// Cut short before each request in turn: the next try comes to the same end, and nothing is left of either version.
#[tokio::test]
async fn what_was_cut_short_is_finished_the_next_time() {
    let whole = Arc::new(Mutex::new(Server::default()));
    deploy(&cluster(Arc::clone(&whole)).await, &workload()).await.unwrap();
    let expected = whole.lock().unwrap().kinds();
    let mut number = 0;
    loop {
        let server = Arc::new(Mutex::new(Server { refuses: Some(number), ..Server::default() }));
        let cluster = cluster(Arc::clone(&server)).await;
        let cut_short = deploy(&cluster, &larger()).await.is_err();
        // Also while the smaller version is on its way.
        if !cut_short {
            let _ = deploy(&cluster, &workload()).await;
        }
        server.lock().unwrap().refuses = None;
        deploy(&cluster, &workload()).await.unwrap();
        let server = server.lock().unwrap();
        assert_eq!(server.kinds(), expected, "cut short at request {number}: {:?}", server.log);
        if !server.log.contains(&"refused".to_owned()) {
            break;
        }
        number += 1;
    }
    assert!(number > 20, "{number}");
}

#[tokio::test]
async fn an_autoscaler_that_goes_gives_the_number_back() {
    let server = Arc::new(Mutex::new(Server::default()));
    let cluster = cluster(Arc::clone(&server)).await;
    let mut scaled = workload();
    scaled.autoscale = Some(crate::Autoscale::new(3, 5));
    let applied = cluster.apply(&scaled, &ApplyOptions::default()).await.unwrap();
    assert_eq!(applied.autoscaler.as_deref(), Some("wine-quality"));
    let replicas = || {
        let server = server.lock().unwrap();
        let deployment = server.objects.values().find(|it| it["kind"] == "Deployment").unwrap();
        deployment["spec"]["replicas"].clone()
    };
    assert_eq!(replicas(), 3, "a new Deployment begins with the fewest pods");
    server.lock().unwrap().log.clear();
    let applied = cluster.apply(&workload(), &ApplyOptions::default()).await.unwrap();
    assert_eq!((applied.autoscaler, replicas()), (None, json!(1)));
    // Before the number is set: the autoscaler would set it back.
    let log = server.lock().unwrap().log.clone();
    let position = |what: &str| log.iter().position(|it| it == what).unwrap();
    assert!(position("DELETE horizontalpodautoscalers") < position("PATCH deployments"), "{log:?}");

    // Somebody else's, for this Deployment: the number is left to it.
    let theirs = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "theirs" },
        "spec": { "maxReplicas": 9, "scaleTargetRef": { "kind": "Deployment", "name": "wine-quality" } },
    });
    server.lock().unwrap().objects.insert("theirs".to_owned(), theirs);
    let applied = cluster.apply(&workload(), &ApplyOptions::default()).await.unwrap();
    assert_eq!((applied.autoscaler.as_deref(), replicas()), (Some("theirs"), Value::Null));
}
