use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use kube::{
    Api, Resource,
    api::ListParams,
    runtime::{
        utils::{Backoff, StreamBackoff},
        watcher::{
            self,
            Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed},
            Event, watcher,
        },
    },
};

use crate::{
    apply::Applied,
    call::{Action, explain},
    cluster::Cluster,
    error::Error,
    logs::selector,
    rollout::machine::World,
};

/// After so many seconds the API server ends a watch, and it is begun anew. One that has been silent for some more is
/// lost, with nobody to say so, such as behind a load balancer that forgets it.
pub(crate) const WATCH_SECONDS: u32 = 15;

/// What a watch brought.
pub(crate) enum Change {
    /// The world may be another.
    World,
    /// A watch failed; it is taken up again unless this ends everything.
    Error(Error),
}

enum Heard {
    Deployment(Event<Deployment>),
    ReplicaSet(Event<ReplicaSet>),
    Pod(Event<Pod>),
    Error(Error),
}

/// The objects of one kind, by uid.
#[derive(Debug)]
struct Store<K> {
    objects: BTreeMap<String, K>,
    /// A list that is being read; until it is whole, the old one holds.
    list: Option<BTreeMap<String, K>>,
    complete: bool,
}

impl<K: Resource> Store<K> {
    const fn new() -> Self {
        Self { objects: BTreeMap::new(), list: None, complete: false }
    }

    fn take(&mut self, event: Event<K>) {
        let uid = |object: &K| object.meta().uid.clone().unwrap_or_default();
        match event {
            Event::Init => self.list = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                self.list.get_or_insert_default().insert(uid(&object), object);
            }
            Event::InitDone => {
                self.objects = self.list.take().unwrap_or_default();
                self.complete = true;
            }
            Event::Apply(object) => {
                self.objects.insert(uid(&object), object);
            }
            Event::Delete(object) => {
                self.objects.remove(&uid(&object));
            }
        }
    }
}

/// A workload's Deployment, ReplicaSets and pods, kept up to date by three watches.
pub(crate) struct Watched {
    heard: BoxStream<'static, Heard>,
    deployments: Store<Deployment>,
    replica_sets: Store<ReplicaSet>,
    pods: Store<Pod>,
    world: World,
}

impl Watched {
    pub(crate) fn new(cluster: &Cluster, applied: &Applied) -> Self {
        let namespace = applied.namespace.as_str();
        let name = applied.name.as_str();
        let labels = selector(&applied.labelled);
        let named = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let labelled = watcher::Config::default().labels(&labels);
        let heard = stream::select_all([
            watch(cluster, namespace, "deployments.apps", named, Heard::Deployment),
            watch(cluster, namespace, "replicasets.apps", labelled.clone(), Heard::ReplicaSet),
            watch(cluster, namespace, "pods", labelled, Heard::Pod),
        ])
        .boxed();
        let (deployments, replica_sets, pods) = (Store::new(), Store::new(), Store::new());
        Self { heard, deployments, replica_sets, pods, world: World::default() }
    }

    /// The world as it is now, asked for instead of heard of.
    pub(crate) async fn now(cluster: &Cluster, applied: &Applied) -> Result<World, Error> {
        let named = ListParams::default().fields(&format!("metadata.name={}", applied.name));
        let labelled = ListParams::default().labels(&selector(&applied.labelled));
        let (deployments, replica_sets, pods) = tokio::try_join!(
            list::<Deployment>(cluster, applied, "deployments.apps", &named),
            list::<ReplicaSet>(cluster, applied, "replicasets.apps", &labelled),
            list::<Pod>(cluster, applied, "pods", &labelled),
        )?;
        Ok(World { deployment: deployments.into_iter().next(), replica_sets, pods })
    }

    /// The next change. Nothing is lost when this is dropped before it has ended.
    pub(crate) async fn next(&mut self) -> Change {
        match self.heard.next().await {
            Some(Heard::Deployment(event)) => {
                self.deployments.take(event);
                self.world.deployment = self.deployments.objects.values().next_back().cloned();
            }
            Some(Heard::ReplicaSet(event)) => {
                self.replica_sets.take(event);
                self.world.replica_sets = self.replica_sets.objects.values().cloned().collect();
            }
            Some(Heard::Pod(event)) => {
                self.pods.take(event);
                self.world.pods = self.pods.objects.values().cloned().collect();
            }
            Some(Heard::Error(error)) => return Change::Error(error),
            // The watches never end by themselves.
            None => std::future::pending().await,
        }
        Change::World
    }

    /// The world, once each watch has brought its first whole list.
    pub(crate) const fn world(&self) -> Option<&World> {
        if self.deployments.complete && self.replica_sets.complete && self.pods.complete {
            Some(&self.world)
        } else {
            None
        }
    }
}

async fn list<K>(
    cluster: &Cluster,
    applied: &Applied,
    resource: &'static str,
    params: &ListParams,
) -> Result<Vec<K>, Error>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + k8s_openapi::serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), applied.namespace.as_str());
    let action = Action::all("list", resource, applied.namespace.as_str());
    Ok(cluster.call(&action, || api.list(params)).await?.items)
}

fn watch<K>(
    cluster: &Cluster,
    namespace: &str,
    resource: &'static str,
    config: watcher::Config,
    heard: fn(Event<K>) -> Heard,
) -> BoxStream<'static, Heard>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Send
        + k8s_openapi::serde::de::DeserializeOwned
        + 'static,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let (namespace, place) = (namespace.to_owned(), cluster.place.clone());
    let config = config.timeout(WATCH_SECONDS);
    let begin = move || watcher(api.clone(), config.clone()).boxed();
    // A watcher whose version is too old asks for the same again, if the answer is no event but a status: 410 Gone.
    let watched = stream::unfold(begin(), move |mut now| {
        let begin = begin.clone();
        async move {
            let item = now.next().await?;
            let is_gone = matches!(&item, Err(WatchStartFailed(kube::Error::Api(status))) if status.code == 410);
            Some((item, if is_gone { begin() } else { now }))
        }
    });
    StreamBackoff::new(watched.boxed(), Pause::default())
        .map(move |item| match item {
            Ok(event) => heard(event),
            Err(error) => {
                let error = match error {
                    InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => error,
                    WatchError(status) => kube::Error::Api(status),
                    NoResourceVersion => kube::Error::LinesCodecMaxLineLengthExceeded,
                };
                Heard::Error(explain(error, &Action::all("watch", resource, &namespace), &place))
            }
        })
        .boxed()
}

/// How long a watch that was lost is let be. kube's own pauses grow up to 30 s, in which a failure would go unnoticed.
#[derive(Debug, Default)]
struct Pause(u32);

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = Duration::from_millis(200 << self.0);
        self.0 = (self.0 + 1).min(4);
        Some(pause)
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {
        self.0 = 0;
    }
}
