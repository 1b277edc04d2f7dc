//! The objects beside Deployment, Service and ServiceAccount.

use serde_json::{Value, json};

use crate::workload::{Autoscale, Ingress, Network, Route, ServiceMonitor, Workload, whole_seconds};

impl Workload {
    pub(super) fn disruption_budget(&self) -> Value {
        json!({
            "metadata": self.metadata(),
            "spec": {
                "maxUnavailable": 1,
                "selector": { "matchLabels": self.selector() },
                // A pod that serves nothing must not hold up the draining of its node.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        })
    }

    pub(super) fn autoscaler(&self, scale: &Autoscale) -> Value {
        let target = json!({ "type": "Utilization", "averageUtilization": scale.cpu_percent });
        json!({
            "metadata": self.metadata(),
            "spec": {
                "minReplicas": scale.min,
                "maxReplicas": scale.max,
                "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": target } }],
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": self.name.as_str() },
            },
        })
    }

    pub(super) fn network_policy(&self, network: &Network) -> Value {
        // Every namespace has this label by itself, since Kubernetes 1.22.
        let others = network.from.iter().map(|namespace| {
            json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace.as_str() } } })
        });
        let from: Vec<Value> = std::iter::once(json!({ "podSelector": {} })).chain(others).collect();
        json!({
            "metadata": self.metadata(),
            "spec": {
                "podSelector": { "matchLabels": self.selector() },
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{ "from": from, "ports": [{ "port": "http", "protocol": "TCP" }] }],
                // A model server has nobody to ask.
                "egress": [],
            },
        })
    }

    pub(super) fn ingress_object(&self, ingress: &Ingress) -> Value {
        let mut metadata = self.metadata();
        if !ingress.annotations.is_empty() {
            metadata["annotations"] = json!(ingress.annotations);
        }
        let service = json!({ "name": self.name.as_str(), "port": { "name": "http" } });
        let path = json!({ "path": ingress.path, "pathType": "Prefix", "backend": { "service": service } });
        let mut spec = json!({ "rules": [{ "host": ingress.host, "http": { "paths": [path] } }] });
        if let Some(class) = &ingress.class {
            spec["ingressClassName"] = json!(class);
        }
        if let Some(secret) = &ingress.tls_secret {
            spec["tls"] = json!([{ "hosts": [ingress.host], "secretName": secret.as_str() }]);
        }
        json!({ "metadata": metadata, "spec": spec })
    }

    pub(super) fn http_route(&self, route: &Route) -> Value {
        let mut parent = json!({ "name": route.gateway.as_str() });
        if let Some(namespace) = &route.gateway_namespace {
            parent["namespace"] = json!(namespace.as_str());
        }
        let mut spec = json!({
            "parentRefs": [parent],
            "rules": [{ "backendRefs": [{ "name": self.name.as_str(), "port": self.service_port }] }],
        });
        if !route.hosts.is_empty() {
            spec["hostnames"] = json!(route.hosts);
        }
        json!({ "metadata": self.metadata(), "spec": spec })
    }

    pub(super) fn monitor(&self, monitor: &ServiceMonitor) -> Value {
        let mut metadata = self.metadata();
        for (key, value) in &monitor.labels {
            metadata["labels"][key] = json!(value);
        }
        let interval = format!("{}s", whole_seconds(monitor.interval));
        let mut endpoint = json!({ "port": "http", "path": "/metrics", "interval": interval });
        if !monitor.series.is_empty() {
            // As Prometheus spells a label of a pod.
            let meta = |label: &str| label.replace(|char: char| !char.is_ascii_alphanumeric(), "_");
            let rule = |(series, label): (&String, &String)| {
                let source = format!("__meta_kubernetes_pod_label_{}", meta(label));
                json!({ "sourceLabels": [source], "targetLabel": series })
            };
            endpoint["relabelings"] = monitor.series.iter().map(rule).collect();
        }
        json!({ "metadata": metadata, "spec": { "endpoints": [endpoint], "selector": { "matchLabels": self.selector() } } })
    }
}
