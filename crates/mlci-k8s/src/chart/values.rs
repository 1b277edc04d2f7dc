use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Chart;

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
