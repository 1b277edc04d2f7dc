use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use mlci_core::Digest;

use crate::{
    call::{Action, optional},
    cluster::Cluster,
    error::Result,
    kind::DEPLOYMENT,
    name::{Name, Namespace},
    render::CONTAINER,
};

/// What is deployed, as the Deployment itself says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployed {
    /// The image that the pods are to run, as it is written there.
    pub image: String,
    /// The image's digest. None when someone else deployed by a tag.
    pub digest: Option<Digest>,
    /// Whether mlci made it; of [`Cluster::of_helm`], whether Helm did.
    pub ours: bool,
    /// Whether somebody holds its rollout where it is: [`Cluster::pause`], `kubectl rollout pause`.
    pub paused: bool,
    /// The record: [`Workload::annotations`](crate::Workload::annotations), and those that others have added.
    pub annotations: BTreeMap<String, String>,
    /// How many pods there are to be.
    pub desired: u32,
    /// How many pods are ready, of whatever version.
    pub ready: u32,
    /// The generation of the Deployment; it grows with every change of the specification or the annotations.
    pub generation: i64,
    /// Whether the controller has seen this generation and every pod is of the present version and available. What the
    /// pods run is proved by [`Cluster::rollout`].
    pub settled: bool,
}

impl Cluster {
    /// What is deployed under this name, or `None` if nothing is.
    ///
    /// # Errors
    /// The errors of every call.
    pub async fn current(&self, namespace: &Namespace, name: &Name) -> Result<Option<Deployed>> {
        let api = self.deployments(namespace);
        let action = Action::new("get", &DEPLOYMENT.resource, namespace.as_str(), name.as_str());
        let found = optional(self.call(&action, || api.get(name.as_str())).await)?;
        Ok(found.map(|deployment| deployed(&deployment, self.owns(deployment.labels()))))
    }
}

pub(crate) fn deployed(deployment: &Deployment, ours: bool) -> Deployed {
    let number = |number: Option<i32>| u32::try_from(number.unwrap_or(0)).unwrap_or(0);
    let image = server_image(deployment).unwrap_or_default().to_owned();
    let status = deployment.status.clone().unwrap_or_default();
    let generation = deployment.metadata.generation.unwrap_or_default();
    let desired = deployment.spec.as_ref().map_or(0, |spec| number(spec.replicas.or(Some(1))));
    let counts = [number(status.replicas), number(status.updated_replicas), number(status.available_replicas)];
    let mut annotations = deployment.annotations().clone();
    annotations.retain(|key, _| !key.starts_with("deployment.kubernetes.io/"));
    Deployed {
        digest: image.split_once('@').and_then(|(_, digest)| digest.parse().ok()),
        image,
        ours,
        paused: deployment.spec.as_ref().and_then(|spec| spec.paused) == Some(true),
        annotations,
        desired,
        ready: number(status.ready_replicas),
        generation,
        settled: status.observed_generation.unwrap_or_default() >= generation && counts == [desired; 3],
    }
}

/// The image of the server's container; of another's Deployment, of its first.
pub(crate) fn server_image(deployment: &Deployment) -> Option<&str> {
    let containers = &deployment.spec.as_ref()?.template.spec.as_ref()?.containers;
    containers.iter().find(|it| it.name == CONTAINER).or(containers.first())?.image.as_deref()
}
