use mlci_core::ModelName;
use mlci_k8s::{ImageReference, Name, Namespace, Workload};

use crate::config::Image;

/// A server of this project's model in a cluster: what the target `kubernetes` and the Helm chart have in common.
pub(crate) fn workload(project: &ModelName, image: &Image, namespace: Namespace, runs: ImageReference) -> Workload {
    let name = Name::legal(project.as_str());
    let mut workload = Workload::new(namespace, name.clone(), runs);
    workload.port = image.port;
    workload.extra_labels.insert("mlci.project".to_owned(), name.as_str().to_owned());
    workload
}
