//! What a workload may have besides pods and a Service.

use std::{collections::BTreeMap, time::Duration};

use super::WorkloadError;
use crate::name::{Name, Namespace, is_dns_label};

/// A HorizontalPodAutoscaler (`autoscaling/v2`) by the processor time that the pods use. It needs a metrics server in
/// the cluster. The number of pods is its own from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Autoscale {
    /// The fewest pods, at least 1. A new Deployment begins with them.
    pub min: u32,
    /// The most pods.
    pub max: u32,
    /// The share of [`Resources::cpu`](crate::Resources::cpu) that the pods are to use on average, in percent. 80.
    pub cpu_percent: u32,
}

impl Autoscale {
    /// From `min` to `max` pods, at 80 % of the processor time that they ask for.
    #[must_use]
    pub const fn new(min: u32, max: u32) -> Self {
        Self { min, max, cpu_percent: 80 }
    }
}

/// A NetworkPolicy: only pods of the namespace itself and of these reach the server, on its port, and the server reaches
/// nobody. It takes a network plugin that enforces policies. The kubelet's probes and port-forwards are not concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// Other namespaces whose pods may ask, such as those of the ingress controller and of Prometheus.
    pub from: Vec<Namespace>,
}

/// An Ingress: the server from outside the cluster, by an ingress controller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ingress {
    /// The host name, such as `wine.example.com` or `*.example.com`.
    pub host: String,
    /// What the paths begin with. `/`.
    pub path: String,
    /// The controller's class. None: the cluster's default.
    pub class: Option<String>,
    /// The Secret with the certificate. None: no TLS.
    pub tls_secret: Option<Name>,
    /// Annotations that controllers go by.
    pub annotations: BTreeMap<String, String>,
}

impl Ingress {
    /// All paths of a host, without TLS, by the default controller.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), path: "/".to_owned(), class: None, tls_secret: None, annotations: BTreeMap::new() }
    }
}

/// An HTTPRoute: the server by a Gateway that is there already (Gateway API, `gateway.networking.k8s.io/v1`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The Gateway.
    pub gateway: Name,
    /// Its namespace. None: the workload's.
    pub gateway_namespace: Option<Namespace>,
    /// The host names. Empty: those of the Gateway.
    pub hosts: Vec<String>,
}

impl Route {
    /// All hosts of a Gateway in the workload's namespace.
    #[must_use]
    pub const fn new(gateway: Name) -> Self {
        Self { gateway, gateway_namespace: None, hosts: Vec::new() }
    }
}

/// A ServiceMonitor (`monitoring.coreos.com/v1`), for clusters with the Prometheus Operator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceMonitor {
    /// How often Prometheus asks. Whole seconds, rounded up. 15 s.
    pub interval: Duration,
    /// Labels by which a Prometheus chooses its monitors, such as `release = prometheus`.
    pub labels: BTreeMap<String, String>,
    /// Labels of the series, and the labels of the pods that they are taken from. `namespace`, `pod` and `service` are
    /// there without them.
    pub series: BTreeMap<String, String>,
}

impl Default for ServiceMonitor {
    fn default() -> Self {
        Self { interval: Duration::from_secs(15), labels: BTreeMap::new(), series: BTreeMap::new() }
    }
}

/// A DNS name of at most 253 bytes (RFC 1123 §2.1), whose first label may be `*` (Kubernetes API, `IngressRule.host`).
pub(super) fn check_host(host: &str) -> Result<(), WorkloadError> {
    let labels = host.strip_prefix("*.").unwrap_or(host);
    if host.len() <= 253 && labels.split('.').all(is_dns_label) {
        return Ok(());
    }
    Err(WorkloadError::Host { host: host.to_owned() })
}
