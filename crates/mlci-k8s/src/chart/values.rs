use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Chart;
use crate::workload::Workload;

impl Chart {
    /// `values.yaml`: the workload's fields as defaults, each explained.
    pub(super) fn values(&self) -> String {
        let workload = &self.workload;
        let resources = &workload.resources;
        let secrets: Vec<&str> = workload.pull_secrets.iter().map(|secret| secret.as_str()).collect();
        let limit = resources.cpu_limit.as_ref().map_or("", |limit| limit.as_str());
        let mut text = include_str!("files/values.yaml").to_owned();
        for (place, value) in [
            ("@REPOSITORY@", json!(workload.image.name())),
            ("@REPLICAS@", json!(workload.replicas)),
            ("@CPU@", json!(resources.cpu.as_str())),
            ("@CPU_LIMIT@", json!(limit)),
            ("@MEMORY@", json!(resources.memory.as_str())),
            ("@ENV@", map(&workload.env)),
            ("@SERVICE_PORT@", json!(workload.service_port)),
            ("@PULL_SECRETS@", json!(secrets)),
            ("@LABELS@", map(&workload.extra_labels)),
            ("@ANNOTATIONS@", map(&workload.annotations)),
            ("@POD_ANNOTATIONS@", map(&workload.pod_annotations)),
        ] {
            text = text.replacen(place, &written(&value), 1);
        }
        text
    }
}

impl Chart {
    /// The values by which a chart of this kind installs this very workload: what `helm upgrade --values` takes as a file,
    /// since JSON is YAML. A workload with parts that no chart has, or with other durations, probes or ports than the
    /// chart's, is not told by them.
    ///
    /// `environment` is the value of that name; the label and the variable that the chart makes of it are left out of the
    /// others.
    ///
    /// ```
    /// # use mlci_k8s::{Chart, ImageReference, Workload};
    /// let image: ImageReference = format!("registry.example.com/wine@sha256:{:064}", 1).parse()?;
    /// let mut workload = Workload::new("staging".parse()?, "wine".parse()?, image);
    /// workload.env.insert("MLCI_ENVIRONMENT".to_owned(), "staging".to_owned());
    ///
    /// let values = Chart::values_of(&workload, "staging");
    /// assert_eq!(values["image"]["repository"], "registry.example.com/wine");
    /// assert_eq!((&values["environment"], &values["env"]), (&"staging".into(), &serde_json::json!({})));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn values_of(workload: &Workload, environment: &str) -> Value {
        let (mut env, mut labels) = (workload.env.clone(), workload.extra_labels.clone());
        if !environment.is_empty() {
            env.remove("MLCI_ENVIRONMENT");
            labels.remove("mlci.environment");
        }
        let resources = &workload.resources;
        json!({
            "image": { "repository": workload.image.name(), "digest": workload.image.digest().to_string() },
            "replicas": workload.replicas,
            "resources": {
                "cpu": resources.cpu.as_str(),
                "cpuLimit": resources.cpu_limit.as_ref().map_or("", |limit| limit.as_str()),
                "memory": resources.memory.as_str(),
            },
            "env": env,
            "environment": environment,
            "service": { "port": workload.service_port },
            "pullSecrets": workload.pull_secrets.iter().map(|secret| secret.as_str()).collect::<Vec<_>>(),
            "labels": labels,
            "annotations": workload.annotations,
            "podAnnotations": workload.pod_annotations,
        })
    }
}

fn map(texts: &BTreeMap<String, String>) -> Value {
    json!(texts)
}

/// As it stands behind a key's colon: on its line, or below it where it has parts.
fn written(value: &Value) -> String {
    let parts = value.as_object().map(|map| map.len()).or(value.as_array().map(Vec::len)).unwrap_or(0);
    if parts == 0 {
        // JSON is YAML, and its texts are always in quotes.
        return format!(" {value}");
    }
    let document = crate::yaml::document(value);
    document.trim_start_matches("---\n").lines().map(|line| format!("\n  {line}")).collect()
}
