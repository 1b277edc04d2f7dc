//! `[environment.NAME]` as a workload: what its keys mean in a cluster.

use std::{collections::BTreeMap, fmt::Display, str::FromStr, time::Duration};

use mlci_core::{Label, ModelName};
use mlci_k8s::{
    Autoscale, ImageReference, Ingress, Manifest, ManifestPatch, Name, Namespace, Network, RolloutOptions, Route,
    ServiceMonitor, Workload,
};

use crate::{
    config::{Canary, Environment, Image},
    deploy::workload::workload,
    error::{Error, Result},
};

/// The record on the Deployment: what runs there, by digest.
pub(super) const MODEL: &str = "mlci.model-digest";
pub(super) const VERSION: &str = "mlci.model-version";

/// An environment's workload without an image and a model.
pub(in crate::deploy) struct Settings {
    environment_name: Label,
    environment: Environment,
    project: ModelName,
    image: Image,
    pub(super) namespace: Namespace,
}

impl Settings {
    pub(super) fn new(
        name: &Label,
        project: &ModelName,
        environment: Environment,
        image: &Image,
        namespace: Namespace,
    ) -> Self {
        let (environment_name, project, image) = (name.clone(), project.clone(), image.clone());
        Self { environment_name, environment, project, image, namespace }
    }

    /// The environment's keys, checked: what no cluster would take is said before anything is built or changed.
    ///
    /// `model` is a digest, where one is known.
    pub(super) fn workload(&self, image: ImageReference, version: &str, model: &str) -> Result<Workload> {
        let environment = &self.environment;
        let mut workload = workload(&self.project, &self.image, self.namespace.clone(), image);
        workload.replicas = Some(environment.replicas);
        workload.drain = Duration::from_secs_f64(environment.drain_seconds);
        workload.probes.start_within = Duration::from_secs(environment.ready_seconds);
        workload.progress_deadline = self.one_pod().max(workload.progress_deadline);
        let variables = environment.log_variables(self.environment_name.as_str());
        workload.env.extend(variables.map(|(name, value)| (name.to_owned(), value)));
        workload.env.insert("MLCI_MODEL_VERSION".to_owned(), version.to_owned());
        workload.annotations.insert(MODEL.to_owned(), model.to_owned());
        workload.annotations.insert(VERSION.to_owned(), version.to_owned());
        workload.extra_labels.insert("mlci.environment".to_owned(), self.environment_name.to_string());
        self.set_resources(&mut workload)?;
        self.set_parts(&mut workload)?;
        self.set_files(&mut workload)?;
        workload.render().map_err(|error| self.unfit("", error))?;
        Ok(workload)
    }

    fn set_resources(&self, workload: &mut Workload) -> Result<()> {
        let environment = &self.environment;
        if let Some(cpu) = &environment.cpu {
            workload.resources.cpu = self.parsed("cpu", cpu)?;
        }
        if let Some(memory) = &environment.memory {
            workload.resources.memory = self.parsed("memory", memory)?;
        }
        if let Some(limit) = &environment.cpu_limit {
            workload.resources.cpu_limit = Some(self.parsed("cpu_limit", limit)?);
        }
        let secrets = environment.pull_secrets.iter().map(|name| self.parsed("pull_secrets", name));
        workload.pull_secrets = secrets.collect::<Result<_>>()?;
        Ok(())
    }

    fn set_parts(&self, workload: &mut Workload) -> Result<()> {
        let environment = &self.environment;
        if let Some(scale) = &environment.autoscale {
            let mut autoscale = Autoscale::new(scale.min, scale.max);
            autoscale.cpu_percent = scale.cpu_percent;
            workload.autoscale = Some(autoscale);
        }
        if let Some(network) = &environment.network {
            let mut policy = Network::default();
            let from = network.from.iter().map(|name| self.parsed("network.from", name));
            policy.from = from.collect::<Result<_>>()?;
            workload.network = Some(policy);
        }
        if let Some(wanted) = &environment.ingress {
            let mut ingress = Ingress::new(wanted.host.as_str());
            ingress.path = wanted.path.clone().unwrap_or(ingress.path);
            ingress.class.clone_from(&wanted.class);
            let secret = wanted.tls_secret.as_ref();
            ingress.tls_secret = secret.map(|name| self.parsed("ingress.tls_secret", name)).transpose()?;
            ingress.annotations.clone_from(&wanted.annotations);
            workload.ingress = Some(ingress);
        }
        if let Some(wanted) = &environment.route {
            let mut route = Route::new(self.parsed::<Name>("route.gateway", &wanted.gateway)?);
            let namespace = wanted.namespace.as_ref();
            route.gateway_namespace = namespace.map(|name| self.parsed("route.namespace", name)).transpose()?;
            route.hosts.clone_from(&wanted.hosts);
            workload.route = Some(route);
        }
        if let Some(wanted) = &environment.service_monitor {
            let mut monitor = ServiceMonitor::default();
            monitor.interval = Duration::from_secs(wanted.interval_seconds.into());
            monitor.labels.clone_from(&wanted.labels);
            // By which the rules of `generate rules` tell environments apart.
            monitor.series.insert("environment".to_owned(), "mlci.environment".to_owned());
            workload.service_monitor = Some(monitor);
            // Whoever went by both would count everything twice.
            workload.pod_annotations = BTreeMap::new();
        }
        Ok(())
    }

    fn set_files(&self, workload: &mut Workload) -> Result<()> {
        let texts = |paths: &[String]| -> Vec<(String, String)> {
            let files = &self.environment.files;
            let found = paths.iter().filter_map(|path| Some((path.clone(), files.get(path)?.text.clone())));
            found.collect()
        };
        for (path, text) in texts(&self.environment.manifests) {
            let read = Manifest::read(&text).map_err(|error| self.unfit(&format!("`{path}`: "), error))?;
            workload.manifests.extend(read);
        }
        for (path, text) in texts(&self.environment.patches) {
            let read = ManifestPatch::read(&text).map_err(|error| self.unfit(&format!("`{path}`: "), error))?;
            workload.patches.extend(read);
        }
        Ok(())
    }

    fn parsed<T: FromStr<Err: Display>>(&self, key: &str, text: &str) -> Result<T> {
        text.parse().map_err(|error| self.unfit(&format!("`{key}`: "), error))
    }

    fn unfit(&self, what: &str, error: impl Display) -> Error {
        Error::invalid(format!("environment `{}`: {what}{error}", self.environment_name))
    }

    /// What the container listens on.
    pub(super) const fn port(&self) -> u16 {
        self.image.port
    }

    /// How a release is tried out first, if it is.
    pub(super) const fn canary(&self) -> Option<&Canary> {
        self.environment.canary.as_ref()
    }

    /// How long one pod may take to start and another to go, with time to pull the image.
    fn one_pod(&self) -> Duration {
        let drain = Duration::from_secs_f64(self.environment.drain_seconds);
        Duration::from_secs(self.environment.ready_seconds + 60) + drain
    }

    /// Pods come one after the other.
    pub(in crate::deploy) fn options(&self) -> RolloutOptions {
        let mut options = RolloutOptions::default();
        let pods = self.environment.autoscale.as_ref().map_or(self.environment.replicas, |scale| scale.max);
        options.timeout = options.timeout.max(self.one_pod() * pods.max(1));
        if let Some(seconds) = self.environment.unschedulable_seconds {
            options.unschedulable = Duration::from_secs(seconds.into());
        }
        options
    }
}
