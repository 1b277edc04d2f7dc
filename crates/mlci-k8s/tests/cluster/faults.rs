//! Between the test and the real API server: connections that are cut or fall silent, and answers that say to come again.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mlci_k8s::{
    ApplyOptions, Cluster, Error, Place, Reason,
    http::{Request, Response},
    kube::{Client, client::Body},
};
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::{Lab, config, image, in_namespace, options};

/// What becomes of the connections that are open.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    /// Nothing goes through any more, and nobody is told.
    Silent,
}

/// Hands on connections to the API server.
struct Between {
    fault: Arc<Notify>,
    hit: Arc<AtomicUsize>,
}

/// The lab as seen through it.
async fn through(lab: &Lab, fault: Fault) -> (Lab, Between) {
    let mut config = config().await;
    let url = config.cluster_url.clone();
    let host = url.host().unwrap().to_owned();
    let server = (host.clone(), url.port_u16().unwrap_or(443));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    config.cluster_url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    config.tls_server_name = Some(host);
    // As `Cluster::connect` has it: a connection that was silent before it was used again is given up.
    config.read_timeout = Some(Duration::from_secs(30));
    let between = Between { fault: Arc::default(), hit: Arc::default() };
    let (notify, hit) = (between.fault.clone(), between.hit.clone());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (notify, hit, server) = (notify.clone(), hit.clone(), server.clone());
            tokio::spawn(async move {
                let mut far = TcpStream::connect(server).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => return,
                    () = notify.notified() => hit.fetch_add(1, Ordering::Relaxed),
                };
                match fault {
                    Fault::Cut => {}
                    Fault::Silent => std::future::pending().await,
                }
            });
        }
    });
    let client = Client::try_from(config).unwrap();
    (as_seen_by(lab, client).await, between)
}

async fn as_seen_by(lab: &Lab, client: Client) -> Lab {
    let place = Place { context: "between".to_owned(), server: "https://between".to_owned() };
    let cluster = Cluster::with_client(client, place, Duration::from_secs(30)).await.unwrap();
    Lab { cluster, ..lab.clone() }
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn connections_that_are_cut_again_and_again() {
    in_namespace("cut", |lab| async move {
        let (seen, between) = through(&lab, Fault::Cut).await;
        let mut workload = lab.workload(image::push("v1"));
        workload.replicas = Some(2);
        let (fault, hit) = (between.fault, between.hit);
        let cuts = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(300)).await;
                fault.notify_waiters();
            }
        });
        seen.deploy(&workload).await.unwrap();
        workload.image = image::push("v2");
        let done = seen.deploy(&workload).await.unwrap();
        assert_eq!((done.progress.ready, done.progress.old), (2, 0));
        // What fails is told as it is.
        workload.args = vec!["exit".to_owned()];
        assert_eq!(seen.failure(&workload, &options()).await.reason, Reason::CrashLoop);
        cuts.abort();
        let hit = hit.load(Ordering::Relaxed);
        println!("{hit} connections were cut");
        assert!(hit > 9, "{hit}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn watches_that_fall_silent() {
    in_namespace("silent", |lab| async move {
        let (seen, between) = through(&lab, Fault::Silent).await;
        let workload = lab.workload(image::push("v1"));
        let applied = seen.cluster.apply(&workload, &ApplyOptions::default()).await.unwrap();
        let mut heard = false;
        let once = |_: &mlci_k8s::Progress| {
            if !std::mem::replace(&mut heard, true) {
                between.fault.notify_waiters();
            }
        };
        let done = seen.cluster.rollout(&applied, &options(), once).await.unwrap();
        let hit = between.hit.load(Ordering::Relaxed);
        println!("done after {:?}, {hit} connections fell silent", done.after);
        assert!(hit >= 3, "{hit}");
    })
    .await;
}

/// The answer instead of the API server's, for the first requests of each kind.
fn refusal(is_watch: bool, number: usize) -> Option<Response<Body>> {
    let status = |code: u16, reason: &str| json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason });
    let (code, body) = match (is_watch, number) {
        (true, 0) => (410, status(410, "Expired")),
        // As the API server says it once a watch has begun.
        (true, 1) => (200, json!({ "type": "ERROR", "object": status(410, "Expired") })),
        (false, 0) | (true, 2) => (429, status(429, "TooManyRequests")),
        (false, 1) | (true, 3) => (500, status(500, "InternalError")),
        (false, 2) | (true, 4) => (503, status(503, "ServiceUnavailable")),
        _ => return None,
    };
    Some(Response::builder().status(code).body(Body::from(format!("{body}\n").into_bytes())).unwrap())
}

/// The lab whose API server answers like this at first, counted, and has forgotten the version that each first watch
/// asks for; `for_ever`: it lets no watch begin.
async fn overloaded(lab: &Lab, for_ever: bool) -> (Lab, Arc<AtomicUsize>) {
    let (asked, count) = (Arc::new(Mutex::new(HashMap::new())), Arc::new(AtomicUsize::new(0)));
    let (real, counted) = (lab.client.clone(), count.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.contains("watch=true");
        let version = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion=")).map(str::to_owned);
        let kind = (request.method().clone(), request.uri().path().to_owned(), is_watch);
        let number = {
            let mut asked = asked.lock().unwrap();
            let (number, forgotten) = asked.entry(kind).or_insert_with(|| (0, version.clone()));
            *number += 1;
            if is_watch && *forgotten == version { 0 } else { *number - 1 }
        };
        let instead = match is_watch {
            true if for_ever => refusal(true, number.min(4)),
            true => refusal(true, number),
            // That is asked once only; and what is watched is seen as it is before any pod has come.
            false if request.uri().path() == "/version" || query.contains("Selector") => None,
            false => refusal(false, number),
        };
        counted.fetch_add(usize::from(instead.is_some()), Ordering::Relaxed);
        let real = real.clone();
        async move {
            match instead {
                Some(answer) => Ok(answer),
                None => real.send(request).await,
            }
        }
    });
    (as_seen_by(lab, Client::new(service, "default")).await, count)
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn answers_to_come_again_and_watches_that_are_gone() {
    in_namespace("again", |lab| async move {
        let (seen, count) = overloaded(&lab, false).await;
        let workload = lab.workload(image::push("v1"));
        let done = seen.deploy(&workload).await.unwrap();
        let count = count.load(Ordering::Relaxed);
        println!("done after {:?}, {count} requests were refused", done.after);
        assert!(count > 30, "{count}");

        // Watches that never begin: the time is up, and why is said.
        let (seen, _) = overloaded(&lab, true).await;
        let mut next = workload.clone();
        next.port = 9;
        let applied = lab.cluster.apply(&next, &ApplyOptions::default()).await.unwrap();
        let mut options = options();
        options.timeout = Duration::from_secs(8);
        let error = seen.cluster.rollout(&applied, &options, |_| {}).await.unwrap_err();
        assert!(matches!(error, Error::Rollout(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("the watch was lost last by"), "{text}");
    })
    .await;
}
