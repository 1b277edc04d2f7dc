//! What is cut off at every request that changes something, as by `kill -9`, and done again.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{ConfigMap, Service, ServiceAccount},
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
    },
    serde::de::DeserializeOwned,
};
use mlci_k8s::{
    ApplyOptions, Autoscale, Cluster, Manifest, Network, Place, Result, Workload,
    http::{Method, Request},
    kube::{Api, Client, Resource, ResourceExt as _, client::Body},
};
use tokio::sync::Notify;

use crate::Lab;

/// Something that changes the cluster, in more than one request.
#[derive(Debug)]
enum Work {
    Deploy(Workload),
    Canary(Workload),
    RemoveCanary,
    Delete,
}

impl Work {
    async fn run(&self, cluster: &Cluster, of: &Workload) -> Result<()> {
        match self {
            Self::Deploy(workload) => {
                let applied = cluster.apply(workload, &ApplyOptions::default()).await?;
                cluster.prune(&applied).await.map(drop)
            }
            Self::Canary(workload) => cluster.apply_canary(workload, 1).await.map(drop),
            Self::RemoveCanary => cluster.remove_canary(&of.namespace, &of.name).await.map(drop),
            Self::Delete => cluster.delete(&of.namespace, &of.name).await.map(drop),
        }
    }
}

/// Whether it was cut off, once this request that changes something was done and before its answer came; otherwise it is
/// done. (Not to send the next one comes to the same.)
async fn is_cut(lab: &Lab, work: &Work, of: &Workload, at: usize) -> bool {
    let (count, over) = (Arc::new(AtomicUsize::new(1)), Arc::new(Notify::new()));
    let (real, ended) = (lab.client.clone(), over.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let changes = request.method() != Method::GET;
        let number = if changes { count.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let (real, ended) = (real.clone(), ended.clone());
        async move {
            let answer = real.send(request).await;
            if number == at {
                ended.notify_one();
                std::future::pending::<()>().await;
            }
            answer
        }
    });
    let place = Place { context: "cut".to_owned(), server: "https://cut".to_owned() };
    let client = Client::new(service, "default");
    let cluster = Cluster::with_client(client, place, Duration::from_secs(30)).await.unwrap();
    tokio::select! {
        done = work.run(&cluster, of) => { done.unwrap(); false }
        () = over.notified() => true,
    }
}

/// All that the namespace has.
async fn objects(lab: &Lab) -> BTreeSet<String> {
    async fn of<K>(lab: &Lab) -> impl Iterator<Item = String>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(lab.client.clone(), lab.namespace.as_str());
        let found = api.list(&Default::default()).await.unwrap();
        found.into_iter().map(|object| format!("{} {}", K::kind(&()), object.name_any()))
    }
    let mut all = BTreeSet::new();
    all.extend(of::<Deployment>(lab).await);
    all.extend(of::<Service>(lab).await);
    all.extend(of::<ServiceAccount>(lab).await);
    all.extend(of::<ConfigMap>(lab).await);
    all.extend(of::<PodDisruptionBudget>(lab).await);
    all.extend(of::<HorizontalPodAutoscaler>(lab).await);
    all.extend(of::<NetworkPolicy>(lab).await);
    all.extend(of::<Ingress>(lab).await);
    all
}

#[tokio::test]
#[ignore = "needs the API server of Kubernetes: cargo xtask test --lab kubernetes-api"]
async fn whatever_is_cut_off_at_any_request_is_done_when_it_is_done_again() {
    let lab = Lab::new("cut").await;
    let less = lab.workload();
    let mut full = less.clone();
    full.replicas = Some(2);
    full.autoscale = Some(Autoscale::new(2, 3));
    full.network = Some(Network::default());
    full.ingress = Some(mlci_k8s::Ingress::new("wine.example.com"));
    let own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: b}\n";
    full.manifests = Manifest::read(own).unwrap();
    let deploy = |workload: &Workload| Work::Deploy(workload.clone());
    let canary = || Work::Canary(less.clone());
    let works = [
        (vec![Work::Delete], deploy(&full)),
        (vec![deploy(&full)], deploy(&less)),
        (vec![deploy(&less)], canary()),
        (vec![deploy(&less), canary()], deploy(&full)),
        (vec![deploy(&less), canary()], Work::RemoveCanary),
        (vec![deploy(&full), canary()], Work::Delete),
    ];
    for (before, work) in &works {
        let prepare = async || {
            for step in before {
                step.run(&lab.cluster, &less).await.unwrap();
            }
        };
        prepare().await;
        work.run(&lab.cluster, &less).await.unwrap();
        let expected = objects(&lab).await;
        let mut cuts = 0;
        loop {
            prepare().await;
            if !is_cut(&lab, work, &less, cuts + 1).await {
                break;
            }
            cuts += 1;
            work.run(&lab.cluster, &less).await.unwrap();
            assert_eq!(objects(&lab).await, expected, "{work:?} cut off at {cuts}");
            if let Work::Deploy(workload) = work {
                let left = lab.cluster.diff(workload, &ApplyOptions::default()).await.unwrap();
                assert_eq!(left, [], "cut off at {cuts}");
            }
        }
        println!("{cuts} cuts, and then {expected:?}");
        assert!(cuts > 1, "{cuts}");
    }
}
