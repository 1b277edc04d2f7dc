mod error;
mod parts;

use std::{collections::BTreeMap, time::Duration};

pub use self::error::WorkloadError;
use self::parts::check_host;
pub use self::parts::{Autoscale, Ingress, Network, Route, ServiceMonitor};
use crate::{
    image::ImageReference,
    manifest::{Manifest, ManifestPatch},
    name::{Name, NameError, Namespace, check_key, check_label_value},
    quantity::Quantity,
};

/// A model server as it is to run: which image, where, how many, and how Kubernetes can tell that it is well.
///
/// ```
/// use mlci_k8s::{ImageReference, Workload};
///
/// let image: ImageReference = format!("registry.example.com/wine@sha256:{:064}", 1).parse()?;
/// let mut workload = Workload::new("staging".parse()?, "wine-quality".parse()?, image);
/// workload.replicas = Some(2);
/// workload.annotations.insert("mlci.model.digest".to_owned(), "sha256:…".to_owned());
/// assert_eq!(workload.render()?.len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workload {
    /// Where it runs.
    pub namespace: Namespace,
    /// The name of every object but those in [`Workload::manifests`].
    pub name: Name,
    /// What runs.
    pub image: ImageReference,
    /// How many pods; `None` leaves the number to others (and is 1 when the Deployment is new). 1.
    pub replicas: Option<u32>,
    /// An autoscaler, which `replicas` is left to then. None.
    pub autoscale: Option<Autoscale>,
    /// The port that the container listens on. 8080.
    pub port: u16,
    /// The port of the Service. 80.
    pub service_port: u16,
    /// Which paths tell that the server lives and is ready.
    pub probes: Probes,
    /// What a pod may use.
    pub resources: Resources,
    /// The arguments for the image's entry point.
    pub args: Vec<String>,
    /// Environment variables. They can be read by whoever may read Deployments: no place for secrets.
    pub env: BTreeMap<String, String>,
    /// Labels for every object and the pods, besides those of [`Workload::labels`]. A change restarts the pods.
    pub extra_labels: BTreeMap<String, String>,
    /// Annotations of the Deployment: the record of what is deployed, such as the digests of model and release. A change
    /// does not restart the pods.
    pub annotations: BTreeMap<String, String>,
    /// Annotations of the pods, such as `prometheus.io/scrape`. A change restarts the pods.
    pub pod_annotations: BTreeMap<String, String>,
    /// Names of the Secrets with the registry's credentials, in the same namespace.
    pub pull_secrets: Vec<Name>,
    /// How long a pod that has to go still answers before it gets SIGTERM, so that the Service has stopped sending to it
    /// by then. Whole seconds, rounded up. 5 s.
    pub drain: Duration,
    /// How long the server may take from SIGTERM to its end before it is killed. Whole seconds, rounded up. 15 s.
    pub stop: Duration,
    /// After how long without progress Kubernetes itself calls a rollout failed. Whole seconds, rounded up. 5 min.
    pub progress_deadline: Duration,
    /// Who may ask the server. None: everyone in the cluster.
    pub network: Option<Network>,
    /// A way in from outside. None.
    pub ingress: Option<Ingress>,
    /// A way in by a Gateway. None.
    pub route: Option<Route>,
    /// How Prometheus finds the server, where [`Workload::pod_annotations`] do not say it. None.
    pub service_monitor: Option<ServiceMonitor>,
    /// Changes of the rendered objects, in this order.
    pub patches: Vec<ManifestPatch>,
    /// Objects of the user's own, which are applied and removed together with the workload.
    pub manifests: Vec<Manifest>,
}

/// The HTTP paths that the kubelet asks; an answer from 200 to 399 is a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probes {
    /// A server that says no here is restarted. `/livez`.
    pub live: String,
    /// A server that says no here gets no requests. `/readyz`.
    pub ready: String,
    /// How long a server may take to start before it is restarted. Whole seconds, rounded up. 60 s.
    pub start_within: Duration,
}

/// What a pod asks for and may use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resources {
    /// The processor time that is kept free for it. `100m`.
    pub cpu: Quantity,
    /// The most processor time it may use. None: what the node has left, since throttling costs latency.
    pub cpu_limit: Option<Quantity>,
    /// The memory that is kept free for it, and the most it may use: one number, since a pod over its request is the
    /// first to be evicted. `128Mi`.
    pub memory: Quantity,
}

pub(crate) const LABEL_NAME: &str = "app.kubernetes.io/name";
pub(crate) const LABEL_INSTANCE: &str = "app.kubernetes.io/instance";
pub(crate) const LABEL_MANAGER: &str = "app.kubernetes.io/managed-by";
/// Tells the pods of a canary from the others, which have no such label: it would have to be in the selector of their
/// Deployment, and that cannot be changed.
pub(crate) const LABEL_TRACK: &str = "mlci.track";

impl Workload {
    /// One pod on port 8080 behind a Service on port 80, with the defaults that the fields name.
    #[must_use]
    pub fn new(namespace: Namespace, name: Name, image: ImageReference) -> Self {
        Self {
            namespace,
            name,
            image,
            replicas: Some(1),
            autoscale: None,
            port: 8080,
            service_port: 80,
            probes: Probes {
                live: "/livez".to_owned(),
                ready: "/readyz".to_owned(),
                start_within: Duration::from_secs(60),
            },
            resources: Resources { cpu: Quantity::known("100m"), cpu_limit: None, memory: Quantity::known("128Mi") },
            args: Vec::new(),
            env: BTreeMap::new(),
            extra_labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            pod_annotations: BTreeMap::new(),
            pull_secrets: Vec::new(),
            drain: Duration::from_secs(5),
            stop: Duration::from_secs(15),
            progress_deadline: Duration::from_secs(300),
            network: None,
            ingress: None,
            route: None,
            service_monitor: None,
            patches: Vec::new(),
            manifests: Vec::new(),
        }
    }

    /// The labels of every object: `app.kubernetes.io/name`, `…/instance`, `…/managed-by`, and the extra ones.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let own = [(LABEL_NAME, self.name.as_str()), (LABEL_INSTANCE, self.name.as_str()), (LABEL_MANAGER, "mlci")];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.extra_labels.clone().into_iter().chain(own).collect()
    }

    /// Checks what the types of the fields do not.
    ///
    /// # Errors
    /// [`WorkloadError`] for the first thing that Kubernetes would refuse.
    pub fn check(&self) -> Result<(), WorkloadError> {
        let name = |field| move |source| WorkloadError::Name { field, source };
        let monitor = self.service_monitor.iter().flat_map(|monitor| &monitor.labels);
        for (key, value) in self.extra_labels.iter().chain(monitor) {
            check_key("label", key).map_err(name("label"))?;
            check_label_value(value).map_err(name("label"))?;
            if [LABEL_NAME, LABEL_INSTANCE, LABEL_MANAGER, LABEL_TRACK].contains(&key.as_str()) {
                return Err(WorkloadError::Reserved { key: key.clone() });
            }
        }
        let ingress = self.ingress.iter().flat_map(|ingress| ingress.annotations.keys());
        for key in self.annotations.keys().chain(self.pod_annotations.keys()).chain(ingress) {
            check_key("annotation", key).map_err(name("annotation"))?;
        }
        for key in self.env.keys() {
            let legal = !key.is_empty() && key.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
            if !legal {
                let rule = "use printable ASCII characters without `=`";
                let source = NameError { kind: "name of an environment variable", text: key.clone(), rule };
                return Err(name("variable")(source));
            }
        }
        let ingress = self.ingress.as_ref().map(|ingress| &ingress.path);
        for path in [&self.probes.live, &self.probes.ready].into_iter().chain(ingress) {
            if !path.starts_with('/') {
                return Err(WorkloadError::Path { path: path.clone() });
            }
        }
        let hosts = self.ingress.iter().map(|ingress| &ingress.host);
        for host in hosts.chain(self.route.iter().flat_map(|route| &route.hosts)) {
            check_host(host)?;
        }
        let most = u64::from(u32::MAX >> 1);
        let seconds = "choose 1 s to 24 h";
        let day = 24 * 60 * 60;
        for (field, value, least, most, rule) in [
            ("replicas", u64::from(self.replicas.unwrap_or(0)), 0, most, "choose 0 to 2147483647"),
            ("port", u64::from(self.port), 1, 65535, "choose 1 to 65535"),
            ("service_port", u64::from(self.service_port), 1, 65535, "choose 1 to 65535"),
            ("drain", whole_seconds(self.drain), 0, day, "choose 0 s to 24 h"),
            ("stop", whole_seconds(self.stop), 1, day, seconds),
            ("probes.start_within", whole_seconds(self.probes.start_within), 1, day, seconds),
            // Kubernetes wants it longer than `minReadySeconds`, which is 0 here.
            ("progress_deadline", whole_seconds(self.progress_deadline), 1, day, seconds),
        ]
        .into_iter()
        .chain(self.autoscale.iter().flat_map(|scale| {
            [
                ("autoscale.min", u64::from(scale.min), 1, most, "choose 1 to 2147483647"),
                ("autoscale.max", u64::from(scale.max), u64::from(scale.min), most, "choose at least `autoscale.min`"),
                ("autoscale.cpu_percent", u64::from(scale.cpu_percent), 1, 1000, "choose 1 to 1000"),
            ]
        }))
        .chain(
            self.service_monitor
                .iter()
                .map(|monitor| ("service_monitor.interval", whole_seconds(monitor.interval), 1, day, seconds)),
        ) {
            if value < least || value > most {
                return Err(WorkloadError::Number { field, value, rule });
            }
        }
        Ok(())
    }
}

/// Rounded up: a limit that becomes shorter is another limit.
pub(crate) const fn whole_seconds(duration: Duration) -> u64 {
    let up = if duration.subsec_nanos() > 0 { 1 } else { 0 };
    duration.as_secs().saturating_add(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Workload), words: &[&str]) {
        let mut workload = crate::render::tests::workload();
        change(&mut workload);
        let error = workload.check().unwrap_err();
        let text = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ");
        for word in words {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn what_no_cluster_would_take_is_refused() {
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        refused(|it| it.extra_labels.extend([entry("a b", "")]), &["label", "`a b`"]);
        refused(|it| it.extra_labels.extend([entry("a", "b c")]), &["label value", "`b c`"]);
        refused(|it| it.extra_labels.extend([entry(LABEL_NAME, "x")]), &[LABEL_NAME, "remove"]);
        refused(|it| it.annotations.extend([entry("/a", "")]), &["annotation", "`/a`"]);
        refused(|it| it.pod_annotations.extend([entry("ä", "")]), &["annotation", "`ä`"]);
        refused(|it| it.env.extend([entry("A=B", "")]), &["environment variable", "`A=B`"]);
        refused(|it| it.probes.ready = "readyz".to_owned(), &["`readyz`", "start with `/`"]);
        refused(|it| it.port = 0, &["`port`", "1 to 65535"]);
        refused(|it| it.replicas = Some(u32::MAX), &["`replicas`", "4294967295"]);
        refused(|it| it.stop = Duration::ZERO, &["`stop`"]);
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
