use std::collections::BTreeMap;

use mlci_core::{Digest, Label, ModelName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    canary::Canary,
    canonical,
    kubernetes::{Autoscale, Ingress, Network, OwnFile, Route, ServiceMonitor},
};

/// `[environment.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Environment {
    /// What it runs on: `process` (a process on this machine), `kubernetes`, or `helm` (a cluster, by way of Helm).
    /// Keys that are of `kubernetes` are of `helm` too, but for tables, `manifests` and `patches`.
    pub target: TargetKind,
    /// `kubernetes`: the context of the kubeconfig (`KUBECONFIG`, else `~/.kube/config`); never the present one by
    /// accident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// `kubernetes`: the namespace. Default: PROJECT-ENVIRONMENT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `kubernetes`: whether the namespace is made if it is missing.
    pub create_namespace: bool,
    /// `kubernetes`: how many pods. An autoscaler that is there for them, of whoever's making, has its own number.
    pub replicas: u32,
    /// `kubernetes`: the processor time that is kept free for a pod. Default: `100m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// `kubernetes`: the most processor time that a pod may use. Default: what the node has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<String>,
    /// `kubernetes`: the memory of a pod, kept free for it and the most that it may use. Default: `128Mi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// `kubernetes`: the names of the Secrets with the registry's credentials.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull_secrets: Vec<String>,
    /// `kubernetes`: for how many seconds a pod may find no node, or one that does not take it up; more where nodes are added on
    /// demand. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unschedulable_seconds: Option<u32>,
    /// `kubernetes`: how many milliseconds the golden predictions may take through the Service before a release is
    /// verified, on the way through the API server. Default: 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
    /// `kubernetes`: an autoscaler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<Autoscale>,
    /// `kubernetes`: who may ask. Default: everyone in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// `kubernetes`: a way in from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// `kubernetes`: a way in by a Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// `kubernetes`: how Prometheus finds the pods. Default: annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_monitor: Option<ServiceMonitor>,
    /// `kubernetes`: a few pods of a new release are watched before it takes the place of the one that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// `kubernetes`: YAML files with objects of your own, which are deployed along.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<String>,
    /// `kubernetes`: YAML files with changes of the objects that mlci makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<String>,
    /// `helm`: the chart's folder, one that `generate helm` has made and may have been changed since. Default: the same
    /// chart, made anew for each release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// `helm`: YAML files with values of your own for the chart. What an environment's other keys say goes before them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `helm`: the program: a name on PATH, or a path with a `/` in it. Default: `helm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<String>,
    /// `helm`: after how many seconds a release that is still locked (`pending-upgrade` and the like) counts as left
    /// behind. More than the longest operation of whoever else uses Helm there. Default: how long a deployment may take,
    /// 300 at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_seconds: Option<u32>,
    /// What `manifests`, `patches`, `chart` and `values` name.
    #[serde(skip_deserializing, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(skip)]
    pub files: BTreeMap<String, OwnFile>,
    /// Whether a person approves each release: `none` or `required`.
    pub approval: Approval,
    /// The loopback port it is reached at. Default: a free one, kept from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether a release may come from a tree with uncommitted changes, or from no git repository at all.
    /// Default: only without `approval = "required"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_dirty: Option<bool>,
    /// How long the server has to become ready, in seconds.
    pub ready_seconds: u64,
    /// How long idle connections of a replaced server stay open, in seconds.
    pub drain_seconds: f64,
    /// For how many days an approval holds. Default: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_days: Option<u32>,
    /// How the server logs: `text`, or `ecs` (a JSON object a line, in the Elastic Common Schema). Default: `text` for
    /// `process`, where a person reads it, and `ecs` in a cluster, where a collector does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
    /// Which requests are logged: `none`, `errors` or `all`. Default: `errors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_requests: Option<LogRequests>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            target: TargetKind::Process,
            context: None,
            namespace: None,
            create_namespace: false,
            replicas: 1,
            cpu: None,
            cpu_limit: None,
            memory: None,
            pull_secrets: Vec::new(),
            unschedulable_seconds: None,
            latency_ms: None,
            autoscale: None,
            network: None,
            ingress: None,
            route: None,
            service_monitor: None,
            canary: None,
            manifests: Vec::new(),
            patches: Vec::new(),
            chart: None,
            values: Vec::new(),
            helm: None,
            lock_seconds: None,
            files: BTreeMap::new(),
            approval: Approval::None,
            port: None,
            allow_dirty: None,
            ready_seconds: 10,
            drain_seconds: 1.0,
            approval_days: None,
            log_format: None,
            log_requests: None,
        }
    }
}

impl Environment {
    /// Whether releases from a tree that is not committed are taken.
    #[must_use]
    pub fn takes_dirty(&self) -> bool {
        self.allow_dirty.unwrap_or(self.approval == Approval::None)
    }

    /// What the server of the environment `name` is told of its log, by variables: a server that does not know them, of
    /// an older release, passes them over.
    #[must_use]
    pub fn log_variables(&self, name: &str) -> [(&'static str, String); 3] {
        let format = self.log_format.unwrap_or(match self.target {
            TargetKind::Process => LogFormat::Text,
            TargetKind::Kubernetes | TargetKind::Helm => LogFormat::Ecs,
        });
        let format = match format {
            LogFormat::Text => "text",
            LogFormat::Ecs => "ecs",
        };
        let requests = match self.log_requests.unwrap_or(LogRequests::Errors) {
            LogRequests::None => "none",
            LogRequests::Errors => "errors",
            LogRequests::All => "all",
        };
        [
            ("MLCI_LOG_FORMAT", format.to_owned()),
            ("MLCI_LOG_REQUESTS", requests.to_owned()),
            ("MLCI_ENVIRONMENT", name.to_owned()),
        ]
    }

    /// `kubernetes`: the namespace of an environment of this name, whether it is named or not.
    #[must_use]
    pub fn namespace_of(&self, project: &ModelName, name: &Label) -> String {
        self.namespace.clone().unwrap_or_else(|| format!("{project}-{name}"))
    }

    /// The digest of what an approval covers besides the image. How long approvals last is not part of the release.
    #[must_use]
    pub fn digest(&self) -> Digest {
        canonical(&Self { approval_days: None, ..self.clone() })
    }
}

/// What an environment runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// A process on this machine, on a loopback port.
    Process,
    /// A Deployment behind a Service in a Kubernetes cluster.
    Kubernetes,
    /// The same, as a release of Helm's.
    Helm,
}

impl TargetKind {
    /// Whether it is in a cluster.
    #[must_use]
    pub const fn is_cluster(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Helm)
    }

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Kubernetes => "kubernetes",
            Self::Helm => "helm",
        }
    }
}

/// How the server logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line, in the Elastic Common Schema.
    Ecs,
}

/// Which requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogRequests {
    /// None.
    None,
    /// Those that are refused or fail.
    Errors,
    /// All but probes.
    All,
}

/// Whether a person approves each release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Releases follow by themselves.
    None,
    /// A release needs a recorded approval of its digest.
    Required,
}
