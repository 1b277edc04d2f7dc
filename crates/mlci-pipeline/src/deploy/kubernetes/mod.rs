//! The target `kubernetes`: the image from its registry, as a Deployment behind a Service.
//!
//! A release takes the place of another when every pod runs its digest and is ready, and the golden predictions agree
//! through the Service. Where that fails, the one before is applied again.

mod ask;
mod canary;
mod hold;
mod judge;
mod settings;
mod show;
#[cfg(feature = "monitor")]
mod watch;
#[cfg(not(feature = "monitor"))]
#[path = "watch_absent.rs"]
mod watch;

use std::{cell::RefCell, sync::Arc, time::Duration};

use mlci_artifact::Store;
use mlci_core::{Digest, Label, ModelName};
use mlci_k8s::{ApplyOptions, Cluster, ClusterOptions, Deployed, ImageReference, Name, Namespace, ObjectId, Workload};
use mlci_model::Model;
use tokio::runtime::Runtime;

use self::settings::{MODEL, Settings, VERSION};
pub(super) use self::{
    ask::Wanted,
    judge::{other, with_undone},
    show::change,
};
use super::target::{DeployError, Look, Running, Shown, Target};
use crate::{
    config::{Environment, Image, TargetKind},
    error::{Error, Result},
    event::CanaryCheck,
    interrupt::Undo,
    records::Release,
};

const LOG_LINES: u32 = 200;

/// An environment in a cluster.
pub(crate) struct Kubernetes {
    pub(super) settings: Settings,
    /// Whether its objects are those of a Helm release.
    by_helm: bool,
    pub(super) create_namespace: bool,
    /// How long the golden predictions may take.
    latency: Option<Duration>,
    pub(super) context: String,
    pub(super) namespace: Namespace,
    pub(super) name: Name,
    repository: String,
    store: Store,
    pub(super) runtime: Arc<Runtime>,
    /// A canary that has passed, from its trial to the deployment.
    up: RefCell<Option<Undo>>,
}

impl Kubernetes {
    pub(crate) fn new(
        name: &Label,
        project: &ModelName,
        environment: Environment,
        image: &Image,
        store: Store,
        runtime: Arc<Runtime>,
    ) -> Result<Self> {
        let kind = environment.target;
        let key = |key: &str, help: &str| {
            Error::invalid(format!("environment `{name}` has the target `{}`, and {key} is not set", kind.as_str()))
                .help(help)
        };
        let repository = image.repository.clone().ok_or_else(|| {
            key("[image] repository", "name the repository that the cluster pulls from: [image] repository = \"…\"")
        })?;
        let context = environment.context.clone().ok_or_else(|| {
            key(
                "its context",
                "the present context is never taken by accident; name one of the kubeconfig's: context = \"…\"",
            )
        })?;
        let namespace = environment.namespace_of(project, name);
        let namespace: Namespace = namespace.parse().map_err(|error: mlci_k8s::NameError| {
            Error::invalid(format!("environment `{name}`: `{namespace}` is no namespace")).because(error)
        })?;
        let target = Self {
            by_helm: kind == TargetKind::Helm,
            create_namespace: environment.create_namespace,
            latency: environment.latency_ms.map(|limit| Duration::from_millis(limit.into())),
            settings: Settings::new(name, project, environment, image, namespace.clone()),
            context,
            namespace,
            name: Name::legal(project.as_str()),
            repository,
            store,
            runtime,
            up: RefCell::default(),
        };
        // What no cluster would take is said before anything is built.
        target.settings.workload(target.image(Digest::of(b""))?, "1", "")?;
        Ok(target)
    }

    fn image(&self, digest: Digest) -> Result<ImageReference> {
        ImageReference::new(&self.repository, digest)
            .map_err(|error| Error::invalid("[image] repository cannot be pulled from by a cluster").because(error))
    }

    pub(super) async fn connect(&self) -> Result<Cluster, mlci_k8s::Error> {
        let cluster = Cluster::connect(&ClusterOptions::new(self.context.as_str())).await?;
        Ok(if self.by_helm { cluster.of_helm() } else { cluster })
    }

    fn connected<T>(&self, work: impl AsyncFnOnce(&Cluster) -> Result<T>) -> Result<T> {
        self.runtime.block_on(async { work(&self.connect().await?).await })
    }

    /// The version of the API server. Not within the runtime.
    pub(super) fn version(&self) -> Result<String> {
        self.connected(async |cluster| Ok(cluster.version().to_owned()))
    }

    fn apply_options(&self) -> ApplyOptions {
        let mut options = ApplyOptions::default();
        options.create_namespace = self.create_namespace;
        options
    }

    pub(super) fn of_release(&self, release: &Release) -> Result<Workload> {
        let image = self.image(release.image)?;
        self.settings.workload(image, &release.version.to_string(), &release.model.to_string())
    }

    /// What was there before, as it can be applied again.
    fn of_before(&self, before: &Deployed) -> Option<Workload> {
        let image = before.image.parse().ok()?;
        let annotation = |key: &str| before.annotations.get(key).map(String::as_str).unwrap_or_default();
        self.settings.workload(image, annotation(VERSION), annotation(MODEL)).ok()
    }

    fn address(&self) -> String {
        format!("http://{}.{}.svc", self.name, self.namespace)
    }

    fn running(&self, deployed: &Deployed) -> Option<Running> {
        let annotation = |key: &str| deployed.annotations.get(key).cloned();
        Some(Running {
            address: self.address(),
            image: deployed.digest?,
            model: annotation(MODEL)?.parse().ok()?,
            version: annotation(VERSION)?,
            pid: None,
        })
    }

    /// Applies, waits for the rollout, and asks through the Service.
    async fn bring(
        &self,
        cluster: &Cluster,
        workload: &Workload,
        wanted: Wanted<'_>,
        before: Option<&Deployed>,
        progress: &dyn Fn(String),
    ) -> Result<Running, DeployError> {
        let applied = cluster.apply(workload, &self.apply_options()).await.map_err(other)?;
        if !applied.obsolete.is_empty() {
            let list = listed(&applied.obsolete);
            progress(format!("declared no longer, and removed once this is verified: {list}"));
        }
        if let Some(autoscaler) = &applied.autoscaler {
            progress(format!("the number of pods is left to the autoscaler `{autoscaler}`"));
        }
        let mut rolls = applied.clone();
        // Nothing has changed, and so nothing begins anew by itself: that is what was asked for then.
        if before.is_some_and(|before| before.generation == applied.generation) {
            rolls = cluster.restart(&self.namespace, &self.name).await.map_err(other)?;
        }
        self.judge(cluster, &rolls, wanted, progress).await?;
        let removed = cluster.prune(&applied).await.map_err(other)?;
        if !removed.is_empty() {
            progress(format!("removed: {}", listed(&removed)));
        }
        self.serves(cluster).await
    }

    /// The model that the golden predictions are of.
    pub(super) async fn model(&self, release: &Release) -> Result<Model> {
        Ok(Model::decode(&self.store.get_blob(&release.model).await?)?)
    }

    /// Brings back what served before a release that failed. Says what could not be done.
    ///
    /// Somebody else's deployment that came in between is left alone.
    async fn undo(
        &self,
        cluster: &Cluster,
        release: &Release,
        serving: Option<&Release>,
        before: Option<&Deployed>,
        progress: &dyn Fn(String),
    ) -> Result<()> {
        let now = cluster.current(&self.namespace, &self.name).await?;
        if now.is_none_or(|now| now.digest != Some(release.image)) {
            return Ok(());
        }
        // The same image under a changed environment: the pods of before serve until those of now are ready.
        if serving.is_some_and(|serving| serving.image == release.image) {
            return Ok(());
        }
        // What was verified last, not what somebody else's deployment, or one that was cut short, had left there.
        let back = match (serving, before) {
            (Some(serving), _) => Some(self.of_release(serving)?),
            (None, Some(before)) => self.of_before(before),
            (None, None) => None,
        };
        match back {
            Some(back) => {
                progress("what served before is applied again".to_owned());
                cluster.rollback(&back, &self.settings.options(), |_| {}).await?;
            }
            None if before.is_none() => {
                cluster.delete(&self.namespace, &self.name).await?;
            }
            None => {}
        }
        Ok(())
    }
}

fn listed(objects: &[ObjectId]) -> String {
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Target for Kubernetes {
    fn is_local(&self) -> bool {
        false
    }

    fn observe(&self) -> Result<Option<Running>> {
        let current = self.connected(async |cluster| Ok(cluster.current(&self.namespace, &self.name).await?))?;
        Ok(current.filter(|deployed| deployed.ours && deployed.ready > 0).and_then(|deployed| self.running(&deployed)))
    }

    fn hangs(&self) -> Result<Option<u32>> {
        Ok(None)
    }

    fn deploy(
        &self,
        release: &Release,
        serving: Option<&Release>,
        progress: &dyn Fn(String),
    ) -> Result<Running, DeployError> {
        let workload = self.of_release(release)?;
        let up = self.up.take();
        let replace = async |cluster: &Cluster| {
            // Before anything is changed: a store that does not answer is no fault of the release.
            let model = self.model(release).await?;
            let before = self.before(cluster).await?;
            let wanted = Wanted { release, model: &model };
            let brought = self.bring(cluster, &workload, wanted, before.as_ref(), progress).await;
            let Err(DeployError::Release(error)) = brought else { return brought };
            let undone = self.undo(cluster, release, serving, before.as_ref(), progress).await;
            Err(DeployError::Release(with_undone(error, undone)))
        };
        self.runtime.block_on(async {
            let cluster = self.connect().await.map_err(other)?;
            match up {
                Some(up) => Ok(self.taking_back(&cluster, up, replace(&cluster)).await?.0),
                None => {
                    // One that was left behind by another command must not serve along what is brought back.
                    cluster.remove_canary(&self.namespace, &self.name).await.map_err(other)?;
                    replace(&cluster).await
                }
            }
        })
    }

    fn try_out(
        &self,
        release: &Release,
        progress: &dyn Fn(String),
        checked: &dyn Fn(CanaryCheck),
    ) -> Result<(), DeployError> {
        self.try_canary(release, progress, checked)
    }

    fn aside(&self) -> Result<Option<String>> {
        self.canary_up()
    }

    fn on_trial(&self) -> Result<Option<Digest>> {
        self.canary_on_trial()
    }

    /// A canary is what its command has to see to. A rollout that was cut short is the cluster's to finish; the next
    /// deployment judges what came of it.
    fn settle(&self) -> Result<bool> {
        self.connected(async |cluster| Ok(cluster.remove_canary(&self.namespace, &self.name).await?))
    }

    fn verify(&self, release: &Release, _: &Running) -> Result<()> {
        self.connected(async |cluster| {
            let current = cluster.current(&self.namespace, &self.name).await?;
            match current {
                Some(current) if !current.settled => {
                    // Ready ones may still be of the version before.
                    let (ready, desired) = (current.ready, current.desired);
                    Err(Error::fail(format!("its last change is not rolled out: {ready} of {desired} pods are ready")))
                }
                _ => {
                    let model = self.model(release).await?;
                    let asked = self.ask(cluster, Wanted { release, model: &model }).await;
                    asked.map_err(DeployError::into_error)
                }
            }
        })
    }

    fn pause(&self) -> Result<()> {
        self.hold()
    }

    fn resume(&self) -> Result<()> {
        self.let_go()
    }

    fn wanted(&self) -> Result<Option<Digest>> {
        self.is_to_run()
    }

    fn give_up(&self, back: Option<&Release>, progress: &dyn Fn(String)) -> Result<Option<Running>, DeployError> {
        self.brought_back(back, progress)
    }

    fn stop(&self) -> Result<bool> {
        // `down` is for what runs on this machine.
        Ok(false)
    }

    fn log(&self) -> Result<Option<(String, Vec<u8>)>> {
        let place = format!("{} in {}", self.name, self.namespace);
        let logs = self.connected(async |cluster| Ok(cluster.logs(&self.namespace, &self.name, LOG_LINES).await?))?;
        let lines = logs.iter().flat_map(|log| log.lines.iter().map(move |line| format!("{} {line}", log.pod)));
        let text = lines.collect::<Vec<_>>().join("\n");
        Ok((!logs.is_empty()).then(|| (place, text.into_bytes())))
    }

    fn look(&self, release: &Release, look: Look) -> Result<Shown> {
        self.shown(&self.of_release(release)?, look)
    }

    fn tables(&self) -> Result<Vec<String>> {
        self.connected(async |cluster| {
            let pods = cluster.pods(&self.namespace, &self.name).await?;
            let services = cluster.services(&self.namespace, &self.name).await?;
            Ok(vec![pods.to_string(), services.to_string()])
        })
    }
}

#[cfg(test)]
mod tests;
