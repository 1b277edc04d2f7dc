//! A few pods of another version beside those that serve, behind the same Service.
//!
//! They are a Deployment of their own. Its selector is the workload's with one label more, so the workload's matches its
//! pods too: the Service, the disruption budget and the network policy are to. No controller takes the other's pods for
//! it: each has its ReplicaSets by their owner, and a ReplicaSet its pods by the hash of a template, which that label
//! makes another one.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::{Value, json};

use crate::{
    apply::{Applied, is_ours},
    call::{Action, optional},
    cluster::Cluster,
    error::{Error, Result},
    kind::DEPLOYMENT,
    logs::selector,
    name::{Name, Namespace},
    object::ObjectId,
    record::{Deployed, deployed},
    workload::{LABEL_INSTANCE, LABEL_NAME, LABEL_TRACK, Workload, WorkloadError},
};

/// The value of [`LABEL_TRACK`].
const CANARY: &str = "canary";

/// The pods behind a Service by name, as they are now; without those on their way out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tracks {
    /// Those of the canary.
    pub canary: Vec<String>,
    /// All others.
    pub stable: Vec<String>,
}

impl Name {
    /// What the canary of a workload of this name is called: `NAME-canary`, or as [`Name::legal`] has it where that is
    /// too long.
    #[must_use]
    pub fn of_canary(&self) -> Self {
        Self::legal(&format!("{self}-{CANARY}"))
    }
}

impl Workload {
    /// The canary's Deployment: the workload's own, patches included, under another name, with the label
    /// `mlci.track: canary` on it, on its pods and in its selector.
    ///
    /// # Errors
    /// [`WorkloadError`], see [`Workload::render`].
    pub fn render_canary(&self, pods: u32) -> Result<Value, WorkloadError> {
        let mut value = self.objects()?.pop().map(|deployment| deployment.value).unwrap_or_default();
        value["metadata"]["name"] = json!(self.name.of_canary().as_str());
        value["spec"]["replicas"] = json!(pods);
        for pointer in ["/metadata/labels", "/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
            if let Some(labels) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
                labels.insert(LABEL_TRACK.to_owned(), json!(CANARY));
            }
        }
        Ok(value)
    }
}

impl Cluster {
    /// Makes `pods` pods of this workload beside those that there are, by server-side apply; [`Cluster::rollout`] waits for
    /// them. They get requests as soon as they are ready, as the Service has it, so their share of them is about that of
    /// the pods. Nothing that is there is changed: what else the workload has (objects of the user's own, a changed
    /// Service) comes with [`Cluster::apply`].
    ///
    /// The canary is named in the workload's inventory before it is made. The next [`Cluster::apply`] and
    /// [`Cluster::prune`] of the workload, or [`Cluster::remove_canary`], remove it; so does [`Cluster::delete`].
    ///
    /// # Errors
    /// [`Error::Workload`]; [`Error::NotOurs`] where another Deployment has the canary's name; the errors of every call.
    /// To call it again is safe.
    pub async fn apply_canary(&self, workload: &Workload, pods: u32) -> Result<Applied> {
        let (namespace, name) = (&workload.namespace, &workload.name);
        let object = workload.render_canary(pods)?;
        // Seen before it is written over.
        self.canary_deployment("patch", namespace, name).await?;
        let id = ObjectId::of(&object);
        let mut known = self.inventory(namespace, name).await?.objects;
        if !known.contains(&id) {
            known.push(id.clone());
            self.write_inventory(namespace, name, &known).await?;
        }
        let made = self.apply_object(workload, &DEPLOYMENT, &object, true, false).await?;
        Ok(Applied {
            namespace: namespace.clone(),
            name: name.of_canary(),
            labelled: name.clone(),
            image: workload.image.clone(),
            uid: made.metadata.uid.unwrap_or_default(),
            generation: made.metadata.generation.unwrap_or_default(),
            obsolete: Vec::new(),
            autoscaler: None,
            declared: Vec::new(),
        })
    }

    /// The canary of a workload, or `None` if there is none.
    ///
    /// # Errors
    /// [`Error::NotOurs`] where another Deployment has the canary's name; the errors of every call.
    pub async fn canary(&self, namespace: &Namespace, name: &Name) -> Result<Option<Deployed>> {
        let found = self.canary_deployment("get", namespace, name).await;
        Ok(found?.map(|deployment| deployed(&deployment, true)))
    }

    /// Removes the canary of a workload, and says whether there was one. Its pods end in the background, each after its
    /// drain time, in which the Service stops sending to it.
    ///
    /// # Errors
    /// The errors of every call; to call it again is safe.
    pub async fn remove_canary(&self, namespace: &Namespace, name: &Name) -> Result<bool> {
        let id = ObjectId {
            api_version: DEPLOYMENT.api_version(),
            kind: DEPLOYMENT.kind.to_string(),
            name: name.of_canary().to_string(),
        };
        let there = match self.canary_deployment("delete", namespace, name).await {
            Ok(there) => there,
            // What has the name is none of ours, so that there is no canary.
            Err(Error::NotOurs { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        if there.is_none() {
            // One that is named and was never made goes with what is declared no longer.
            return Ok(false);
        }
        self.delete_object(&id, namespace).await?;
        // Last, so that it is found again until it has gone.
        let mut known = self.inventory(namespace, name).await?.objects;
        let before = known.len();
        known.retain(|object| *object != id);
        if known.len() < before {
            self.write_inventory(namespace, name, &known).await?;
        }
        Ok(true)
    }

    /// The pods behind a workload's Service, told apart.
    ///
    /// # Errors
    /// The errors of every call.
    pub async fn tracks(&self, namespace: &Namespace, name: &Name) -> Result<Tracks> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace.as_str());
        let labelled = ListParams::default().labels(&selector(name));
        let action = Action::all("list", "pods", namespace.as_str());
        let mut tracks = Tracks::default();
        for pod in self.call(&action, || api.list(&labelled)).await? {
            if pod.metadata.deletion_timestamp.is_none() {
                let is_canary = pod.labels().get(LABEL_TRACK).is_some_and(|track| track == CANARY);
                let track = if is_canary { &mut tracks.canary } else { &mut tracks.stable };
                track.push(pod.name_any());
            }
        }
        tracks.canary.sort();
        tracks.stable.sort();
        Ok(tracks)
    }

    /// The Deployment of the canary's name, where it is that.
    async fn canary_deployment(
        &self,
        verb: &'static str,
        namespace: &Namespace,
        name: &Name,
    ) -> Result<Option<Deployment>> {
        let (api, canary) = (self.deployments(namespace), name.of_canary());
        let action = Action::new("get", &DEPLOYMENT.resource, namespace.as_str(), canary.as_str());
        let found = optional(self.call(&action, || api.get(canary.as_str())).await)?;
        let is = |deployment: &Deployment, key: &str, value: &str| {
            deployment.labels().get(key).is_some_and(|found| found == value)
        };
        match found {
            // A workload may be called so itself.
            Some(found)
                if !(is_ours(found.labels())
                    && is(&found, LABEL_TRACK, CANARY)
                    && is(&found, LABEL_NAME, name.as_str())
                    && is(&found, LABEL_INSTANCE, name.as_str())) =>
            {
                let action = Action { verb, ..action };
                Err(Error::NotOurs { action: action.to_string(), place: self.place.clone() })
            }
            found => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests;
