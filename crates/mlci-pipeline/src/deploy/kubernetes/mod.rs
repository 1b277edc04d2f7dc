//! The target `kubernetes`: the image from its registry, as a Deployment behind a Service.
//!
//! A release takes the place of another when every pod runs its digest and is ready, and the golden predictions agree
//! through the Service. Where that fails, the one before is applied again.

mod settings;
mod show;

use std::{sync::Arc, time::Duration};

use mlci_artifact::Store;
use mlci_core::{Digest, Label, ModelName};
use mlci_k8s::{
    ApplyOptions, Cluster, ClusterOptions, Deployed, Failure, ImageReference, Name, Namespace, ObjectId, Reason,
    Workload,
};
use mlci_model::Model;
use mlci_serve::verify::{Expected, verify};
use tokio::runtime::Runtime;

use self::settings::{MODEL, Settings, VERSION};
use super::target::{DeployError, Look, Running, Shown, Target};
use crate::{
    config::{Environment, Image},
    error::{Error, Result},
    records::Release,
};

const ANSWER: Duration = Duration::from_secs(10);
const LOG_LINES: u32 = 200;

/// An environment in a cluster.
pub(crate) struct Kubernetes {
    settings: Settings,
    create_namespace: bool,
    context: String,
    namespace: Namespace,
    name: Name,
    repository: String,
    store: Store,
    runtime: Arc<Runtime>,
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
        let key = |key: &str, help: &str| {
            Error::invalid(format!("environment `{name}` has the target `kubernetes`, and {key} is not set")).help(help)
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
            create_namespace: environment.create_namespace,
            settings: Settings::new(name, project, environment, image, namespace.clone()),
            context,
            namespace,
            name: Name::legal(project.as_str()),
            repository,
            store,
            runtime,
        };
        // What no cluster would take is said before anything is built.
        target.settings.workload(target.image(Digest::of(b""))?, "1", "")?;
        Ok(target)
    }

    fn image(&self, digest: Digest) -> Result<ImageReference> {
        ImageReference::new(&self.repository, digest)
            .map_err(|error| Error::invalid("[image] repository cannot be pulled from by a cluster").because(error))
    }

    fn connected<T>(&self, work: impl AsyncFnOnce(&Cluster) -> Result<T>) -> Result<T> {
        self.runtime.block_on(async {
            let cluster = Cluster::connect(&ClusterOptions::new(self.context.as_str())).await?;
            work(&cluster).await
        })
    }

    fn apply_options(&self) -> ApplyOptions {
        let mut options = ApplyOptions::default();
        options.create_namespace = self.create_namespace;
        options
    }

    fn of_release(&self, release: &Release) -> Result<Workload> {
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
        let tell = |seen: &mlci_k8s::Progress| progress(seen.to_string());
        let done = cluster.rollout(&rolls, &self.settings.options(), tell).await;
        let done = done.map_err(|error| match error {
            mlci_k8s::Error::Rollout(failure) => failed(&failure),
            error => other(error),
        })?;
        progress(format!("rolled out after {:.1} s", done.after.as_secs_f64()));
        self.ask(cluster, wanted).await?;
        let removed = cluster.prune(&applied).await.map_err(other)?;
        if !removed.is_empty() {
            progress(format!("removed: {}", listed(&removed)));
        }
        let deployed = cluster.current(&self.namespace, &self.name).await.map_err(other)?;
        deployed.and_then(|deployed| self.running(&deployed)).ok_or_else(|| {
            DeployError::Other(Error::fail(format!("`{}` has gone from the cluster while it was deployed", self.name)))
        })
    }

    /// The golden predictions, through the Service. Only what it answers is the release's doing.
    async fn ask(&self, cluster: &Cluster, Wanted { release, model }: Wanted<'_>) -> Result<(), DeployError> {
        let forward = cluster.forward(&self.namespace, &self.name).await.map_err(other)?;
        let mut expected = Expected::new(model, release.model);
        expected.version = Some(release.version.to_string());
        let verified = verify(&format!("http://{}", forward.address()), &expected, ANSWER).await;
        verified.map(drop).map_err(|error| match forward.last_error() {
            Some(why) => DeployError::Other(Error::fail(error.to_string()).because(why)),
            None => DeployError::Release(error.into()),
        })
    }

    /// The model that the golden predictions are of.
    async fn model(&self, release: &Release) -> Result<Model> {
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

/// What is to answer.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    release: &'a Release,
    model: &'a Model,
}

fn listed(objects: &[ObjectId]) -> String {
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A rollout that failed: by the release's fault, unless somebody else came in between.
fn failed(failure: &Failure) -> DeployError {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    let container = failure.container.as_ref().map(|name| format!(", container `{name}`")).unwrap_or_default();
    let pod = failure.pod.as_ref().map(|pod| format!("pod `{pod}`{container}: ")).unwrap_or_default();
    let line = format!("{pod}{}: {}; {}", failure.state, failure.message, failure.reason.advice());
    // The first line is kept in the record; log and events are for whoever looks now.
    let mut words: Vec<String> = failure.events.iter().map(|event| clean(event)).collect();
    if !failure.log.is_empty() {
        let lines: Vec<String> = failure.log.iter().map(|line| clean(line)).collect();
        words.push(format!("its last log lines:\n{}", lines.join("\n")));
    }
    let error = Error::fail(clean(&line)).because_of(words);
    match failure.reason {
        Reason::Superseded | Reason::Deleted | Reason::Paused => DeployError::Other(error),
        _ => DeployError::Release(error),
    }
}

fn other(error: mlci_k8s::Error) -> DeployError {
    DeployError::Other(error.into())
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
        let work = async {
            // Before anything is changed: a store that does not answer is no fault of the release.
            let model = self.model(release).await?;
            let cluster = Cluster::connect(&ClusterOptions::new(self.context.as_str())).await.map_err(other)?;
            let before = cluster.current(&self.namespace, &self.name).await.map_err(other)?;
            let wanted = Wanted { release, model: &model };
            let brought = self.bring(&cluster, &workload, wanted, before.as_ref(), progress).await;
            let Err(DeployError::Release(error)) = brought else { return brought };
            let undone = self.undo(&cluster, release, serving, before.as_ref(), progress).await;
            Err(DeployError::Release(match undone {
                Ok(()) => error,
                Err(undoing) => {
                    let mut causes = error.causes();
                    causes.insert(0, format!("what served before could not be brought back: {undoing}"));
                    Error::fail(error.message).because_of(causes)
                }
            }))
        };
        self.runtime.block_on(work)
    }

    fn settle(&self) -> Result<bool> {
        // A rollout that was cut short is the cluster's to finish; the next deployment judges what came of it.
        Ok(false)
    }

    fn verify(&self, release: &Release, _: &Running) -> Result<()> {
        self.connected(async |cluster| {
            let current = cluster.current(&self.namespace, &self.name).await?;
            match current {
                Some(current) if !current.settled => {
                    Err(Error::fail(format!("{} of {} pods are ready", current.ready, current.desired)))
                }
                _ => {
                    let model = self.model(release).await?;
                    let asked = self.ask(cluster, Wanted { release, model: &model }).await;
                    asked.map_err(|(DeployError::Release(error) | DeployError::Other(error))| error)
                }
            }
        })
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
mod tests {
    use super::*;

    fn kubernetes(repository: Option<&str>, context: Option<&str>) -> Result<Kubernetes> {
        of(Environment { context: context.map(str::to_owned), ..Environment::default() }, repository)
    }

    fn of(environment: Environment, repository: Option<&str>) -> Result<Kubernetes> {
        let environment = Environment { target: crate::config::TargetKind::Kubernetes, ..environment };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let project: ModelName = "wine".parse().unwrap();
        let image = Image { repository: repository.map(str::to_owned), port: 9090, ..Image::default() };
        let name = "staging".parse().unwrap();
        Kubernetes::new(&name, &project, environment, &image, Store::in_memory(), Arc::new(runtime))
    }

    /// An environment with these keys, and the files that it names.
    fn set(keys: &str, files: &[(&str, &str)]) -> Result<Kubernetes> {
        let mut environment: Environment = toml::from_str(&format!("context = \"lab\"\n{keys}")).unwrap();
        environment.files = files
            .iter()
            .map(|(path, text)| {
                let digest = Digest::of(text.as_bytes());
                ((*path).to_owned(), crate::config::OwnFile { digest, text: (*text).to_owned() })
            })
            .collect();
        of(environment, Some("registry/team/wine"))
    }

    #[test]
    fn keys_become_objects() {
        let keys = "cpu = \"250m\"\nmemory = \"1Gi\"\ncpu_limit = \"2\"\npull_secrets = [\"key\"]\nunschedulable_seconds = 7\n\
                    manifests = [\"own.yaml\"]\npatches = [\"patch.yaml\"]\n[autoscale]\nmin = 2\nmax = 4\n[network]\nfrom = \
                    [\"web\"]\n[ingress]\nhost = \"a.b\"\nclass = \"nginx\"\n[route]\ngateway = \"edge\"\nhosts = [\"a.b\"]\n\
                    [service_monitor]\ninterval_seconds = 30\n";
        let own = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {password: hunter22}";
        let patch = "kind: Deployment\nspec: {template: {spec: {priorityClassName: high}}}";
        let target = set(keys, &[("own.yaml", own), ("patch.yaml", patch)]).unwrap();
        let workload = target.settings.workload(target.image(Digest::of(b"image")).unwrap(), "1", "").unwrap();
        let yaml = workload.render_yaml().unwrap();
        for words in [
            "kind: HorizontalPodAutoscaler",
            "averageUtilization: 80",
            "kubernetes.io/metadata.name: web",
            "ingressClassName: nginx",
            "kind: HTTPRoute",
            "interval: 30s",
            "priorityClassName: high",
            "cpu: 250m",
            "memory: 1Gi",
            "imagePullSecrets:\n      - name: key",
        ] {
            assert!(yaml.contains(words), "no {words:?} in\n{yaml}");
        }
        assert!(!yaml.contains("prometheus.io/scrape") && !yaml.contains("replicas: "), "{yaml}");
        assert_eq!(target.settings.options().unschedulable, Duration::from_secs(7));
        // Printed, a Secret keeps its own.
        let shown = target.shown(&workload, Look::Manifests).unwrap();
        assert!(shown.text.contains("name: own") && shown.text.contains("(not shown)"), "{}", shown.text);
        assert!(!format!("{shown:?}").contains("hunter22"));
    }

    #[test]
    fn what_no_cluster_would_take_is_said_at_once() {
        let refused = |keys: &str, files: &[(&str, &str)], words: &[&str]| {
            let error = set(keys, files).err().unwrap();
            assert_eq!(error.outcome, crate::error::Outcome::Invalid);
            for word in words {
                assert!(error.message.contains(word), "no {word:?} in: {}", error.message);
            }
        };
        refused("cpu = \"1 core\"", &[], &["environment `staging`", "`cpu`", "`1 core`"]);
        refused("pull_secrets = [\"A B\"]", &[], &["`pull_secrets`", "`A B`"]);
        refused("[network]\nfrom = [\"A\"]", &[], &["`network.from`", "`A`"]);
        refused("[ingress]\nhost = \"a b\"", &[], &["environment `staging`", "`a b`", "host name"]);
        let patch = "kind: Deployment\nspec: {replicas: 3}";
        refused("patches = [\"p.yaml\"]", &[("p.yaml", patch)], &["environment `staging`", "`spec.replicas`"]);
        refused("manifests = [\"p.yaml\"]", &[("p.yaml", "a: [")], &["`p.yaml`", "no YAML"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = |repository, context| kubernetes(repository, context).err().unwrap().message;
        assert!(missing(None, Some("lab")).contains("[image] repository"));
        assert!(missing(Some("r/x"), None).contains("its context"));
    }

    #[test]
    fn what_was_there_can_be_applied_again() {
        let target = kubernetes(Some("registry/team/wine"), Some("lab")).unwrap();
        assert_eq!(target.address(), "http://wine.wine-staging.svc");
        let image = ImageReference::new("registry/team/wine", Digest::of(b"image")).unwrap();
        let workload = target.settings.workload(image, "3", "sha256:0").unwrap();
        assert_eq!(workload.port, 9090, "the server listens on the port that its image names");
        assert_eq!(
            (workload.env["MLCI_LOG_FORMAT"].as_str(), workload.env["MLCI_ENVIRONMENT"].as_str()),
            ("ecs", "staging")
        );
        // By these Prometheus tells environments apart.
        assert_eq!(
            (&*workload.extra_labels["mlci.project"], &*workload.extra_labels["mlci.environment"]),
            ("wine", "staging")
        );
        assert_eq!(&*workload.pod_annotations["prometheus.io/port"], "9090");
        assert_eq!((workload.env["MLCI_MODEL_VERSION"].as_str(), workload.annotations[VERSION].as_str()), ("3", "3"));
    }
}
