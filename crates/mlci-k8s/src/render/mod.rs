mod own;
mod parts;

use serde_json::{Map, Value, json};

use crate::{
    kind::{
        AUTOSCALER, DEPLOYMENT, DISRUPTION_BUDGET, INGRESS, Kind, NETWORK_POLICY, ROUTE, SERVICE, SERVICE_ACCOUNT,
        SERVICE_MONITOR,
    },
    workload::{LABEL_INSTANCE, LABEL_NAME, Workload, WorkloadError, whole_seconds},
};

/// The container's name in every pod.
pub(crate) const CONTAINER: &str = "server";

/// The user `nonroot` of the distroless images. Set here too, so that an image without a user still starts.
const USER: u32 = 65532;

/// An object as it is applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    /// None: the cluster has to be asked.
    pub(crate) kind: Option<&'static Kind>,
    pub(crate) value: Value,
}

impl Workload {
    /// The objects as they are applied, in the order in which they are applied: ServiceAccount, the user's own, Service,
    /// PodDisruptionBudget (unless there is at most one pod), what the fields ask for besides, Deployment. The same
    /// workload gives the same objects.
    ///
    /// Pods keep to the restricted pod security standard of Kubernetes, unless a patch takes it from them.
    ///
    /// # Errors
    /// [`WorkloadError`], see [`Workload::check`]; that of a patch or an object of the user's own.
    pub fn render(&self) -> Result<Vec<Value>, WorkloadError> {
        Ok(self.objects()?.into_iter().map(|object| object.value).collect())
    }

    pub(crate) fn objects(&self) -> Result<Vec<Object>, WorkloadError> {
        self.check()?;
        let mut objects = Vec::new();
        let mut add = |kind: &'static Kind, mut value: Value| {
            value["apiVersion"] = json!(kind.api_version());
            value["kind"] = json!(kind.kind);
            objects.push(Object { kind: Some(kind), value });
        };
        add(&SERVICE_ACCOUNT, self.service_account());
        add(&SERVICE, self.service());
        if self.has_budget() {
            add(&DISRUPTION_BUDGET, self.disruption_budget());
        }
        if let Some(scale) = &self.autoscale {
            add(&AUTOSCALER, self.autoscaler(scale));
        }
        if let Some(network) = &self.network {
            add(&NETWORK_POLICY, self.network_policy(network));
        }
        if let Some(ingress) = &self.ingress {
            add(&INGRESS, self.ingress_object(ingress));
        }
        if let Some(route) = &self.route {
            add(&ROUTE, self.http_route(route));
        }
        if let Some(monitor) = &self.service_monitor {
            add(&SERVICE_MONITOR, self.monitor(monitor));
        }
        add(&DEPLOYMENT, self.deployment());
        // Pods may need them to start.
        objects.splice(1..1, self.own()?);
        self.patched(&mut objects)?;
        Ok(objects)
    }

    /// [`Workload::render`] as one YAML text of several documents, which `kubectl apply --server-side -f -` takes. Keys
    /// are in alphabetical order.
    ///
    /// # Errors
    /// [`WorkloadError`], see [`Workload::check`].
    pub fn render_yaml(&self) -> Result<String, WorkloadError> {
        Ok(self.render()?.iter().map(crate::yaml::document).collect())
    }

    /// A budget for one pod would forbid every drain of its node.
    pub(crate) const fn has_budget(&self) -> bool {
        match (&self.autoscale, self.replicas) {
            (Some(scale), _) => scale.max > 1,
            (None, Some(replicas)) => replicas > 1,
            (None, None) => true,
        }
    }

    fn metadata(&self) -> Value {
        json!({ "name": self.name.as_str(), "namespace": self.namespace.as_str(), "labels": self.labels() })
    }

    pub(crate) fn selector(&self) -> Value {
        json!({ LABEL_NAME: self.name.as_str(), LABEL_INSTANCE: self.name.as_str() })
    }

    fn service_account(&self) -> Value {
        json!({
            "metadata": self.metadata(),
            // A model server has nothing to ask the API server.
            "automountServiceAccountToken": false,
        })
    }

    fn service(&self) -> Value {
        json!({
            "metadata": self.metadata(),
            "spec": {
                "type": "ClusterIP",
                "selector": self.selector(),
                "ports": [{ "name": "http", "port": self.service_port, "protocol": "TCP", "targetPort": "http" }],
            },
        })
    }

    fn deployment(&self) -> Value {
        let mut metadata = self.metadata();
        if !self.annotations.is_empty() {
            metadata["annotations"] = json!(self.annotations);
        }
        let mut pod_metadata = json!({ "labels": self.labels() });
        if !self.pod_annotations.is_empty() {
            pod_metadata["annotations"] = json!(self.pod_annotations);
        }
        let mut spec = json!({
            "progressDeadlineSeconds": whole_seconds(self.progress_deadline),
            "revisionHistoryLimit": 10,
            "selector": { "matchLabels": self.selector() },
            // A new pod has to be ready before an old one goes.
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
            "template": { "metadata": pod_metadata, "spec": self.pod() },
        });
        if let Some(replicas) = self.replicas.filter(|_| self.autoscale.is_none()) {
            spec["replicas"] = json!(replicas);
        }
        json!({ "metadata": metadata, "spec": spec })
    }

    pub(crate) fn pod(&self) -> Value {
        let spread = |key: &str| {
            json!({
                "labelSelector": { "matchLabels": self.selector() },
                // Counted within one version, so that the old pods of a rollout do not push the new ones around.
                "matchLabelKeys": ["pod-template-hash"],
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
            })
        };
        let mut pod = json!({
            "automountServiceAccountToken": false,
            "containers": [self.container()],
            // The variables of all Services of the namespace are nothing that a model server reads.
            "enableServiceLinks": false,
            "securityContext": {
                "runAsGroup": USER,
                "runAsNonRoot": true,
                "runAsUser": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "serviceAccountName": self.name.as_str(),
            "terminationGracePeriodSeconds": whole_seconds(self.drain).saturating_add(whole_seconds(self.stop)),
            "topologySpreadConstraints": [spread("kubernetes.io/hostname"), spread("topology.kubernetes.io/zone")],
        });
        if !self.pull_secrets.is_empty() {
            pod["imagePullSecrets"] =
                self.pull_secrets.iter().map(|secret| json!({ "name": secret.as_str() })).collect();
        }
        pod
    }

    fn container(&self) -> Value {
        let probe = |path: &str| json!({ "path": path, "port": "http", "scheme": "HTTP" });
        let mut limits = Map::new();
        limits.insert("memory".to_owned(), json!(self.resources.memory.as_str()));
        if let Some(cpu) = &self.resources.cpu_limit {
            limits.insert("cpu".to_owned(), json!(cpu.as_str()));
        }
        let mut container = json!({
            "name": CONTAINER,
            "image": self.image.to_string(),
            // A digest never means other content, so that what a node has is right.
            "imagePullPolicy": "IfNotPresent",
            "ports": [{ "containerPort": self.port, "name": "http", "protocol": "TCP" }],
            "livenessProbe": { "httpGet": probe(&self.probes.live), "periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 2 },
            "readinessProbe": { "httpGet": probe(&self.probes.ready), "periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 2 },
            // The other two begin when this one has said yes, which it is asked for every second.
            "startupProbe": {
                "httpGet": probe(&self.probes.live),
                "periodSeconds": 1,
                "failureThreshold": whole_seconds(self.probes.start_within),
                "timeoutSeconds": 1,
            },
            "resources": {
                "requests": { "cpu": self.resources.cpu.as_str(), "memory": self.resources.memory.as_str() },
                "limits": limits,
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"] },
                "readOnlyRootFilesystem": true,
            },
            // What a process writes to standard error last is in the pod's status when it has ended with an error.
            "terminationMessagePolicy": "FallbackToLogsOnError",
        });
        if !self.args.is_empty() {
            container["args"] = json!(self.args);
        }
        if !self.env.is_empty() {
            container["env"] = self.env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        }
        if whole_seconds(self.drain) > 0 {
            container["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": whole_seconds(self.drain) } } });
        }
        container
    }
}

#[cfg(test)]
pub(crate) mod tests;
