use mlci_core::ModelName;
use mlci_k8s::{ImageReference, Name, Namespace, Workload};

use crate::config::Image;

/// A server of this project's model in a cluster: what the target `kubernetes` and the Helm chart have in common.
pub(crate) fn workload(project: &ModelName, image: &Image, namespace: Namespace, runs: ImageReference) -> Workload {
    let name = Name::legal(project.as_str());
    let mut workload = Workload::new(namespace, name, runs);
    workload.port = image.port;
    workload.extra_labels.insert("mlci.project".to_owned(), project.to_string());
    // A container's log is read by machines; an environment may say otherwise.
    workload.env.insert("MLCI_LOG_FORMAT".to_owned(), "ecs".to_owned());
    // What a Prometheus that is there already may go by.
    for (key, value) in [("scrape", "true"), ("path", "/metrics"), ("port", &image.port.to_string())] {
        workload.pod_annotations.insert(format!("prometheus.io/{key}"), value.to_owned());
    }
    workload
}
