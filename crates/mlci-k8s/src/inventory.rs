//! What was applied for a workload, kept in the cluster itself: a ConfigMap of the workload's name.
//!
//! It names an object before that is made and until it is removed, so that one which is declared no longer is found
//! again, whatever was cut short in between.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    apply::{Applied, FIELD_MANAGER, is_ours},
    call::{Action, optional},
    cluster::Cluster,
    error::Result,
    kind::{CONFIG_MAP, DEPLOYMENT, DISRUPTION_BUDGET, SERVICE, SERVICE_ACCOUNT},
    name::{Name, Namespace},
    object::ObjectId,
    workload::{LABEL_INSTANCE, LABEL_MANAGER, LABEL_NAME},
};

const OBJECTS: &str = "objects";

/// The objects that are named in the cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    pub(crate) objects: Vec<ObjectId>,
}

impl Cluster {
    pub(crate) async fn inventory(&self, namespace: &Namespace, name: &Name) -> Result<Inventory> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace.as_str());
        let action = Action::new("get", &CONFIG_MAP.resource, namespace.as_str(), name.as_str());
        let found = optional(self.call(&action, || api.get(name.as_str())).await)?;
        let ours = found.filter(|map| map.metadata.labels.as_ref().is_some_and(is_ours));
        let text = ours.and_then(|map| map.data?.remove(OBJECTS)).unwrap_or_default();
        Ok(Inventory { objects: text.lines().filter_map(ObjectId::from_line).collect() })
    }

    pub(crate) async fn write_inventory(&self, namespace: &Namespace, name: &Name, objects: &[ObjectId]) -> Result<()> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace.as_str());
        let action = Action::new("patch", &CONFIG_MAP.resource, namespace.as_str(), name.as_str());
        let map = Patch::Apply(inventory_object(namespace, name, objects));
        let params = PatchParams::apply(FIELD_MANAGER).validation_strict();
        self.call(&action, || api.patch(name.as_str(), &params, &map)).await?;
        Ok(())
    }

    /// Removes what an earlier version of the workload had and this one has not: [`Applied::obsolete`]. To be called
    /// once the rollout is done, since the pods of before may need it until then. What others made, or have taken over
    /// by their label, stays.
    ///
    /// # Errors
    /// The errors of every call; to call it again is safe.
    pub async fn prune(&self, applied: &Applied) -> Result<Vec<ObjectId>> {
        let Applied { namespace, name, obsolete, .. } = applied;
        let mut removed = Vec::new();
        for object in obsolete {
            if self.delete_object(object, namespace).await? {
                removed.push(object.clone());
            }
        }
        if !obsolete.is_empty() {
            self.write_inventory(namespace, name, &applied.declared).await?;
        }
        Ok(removed)
    }

    /// Deletes the objects of a workload that mlci has made, also those that the present version has no longer, and
    /// returns which there were. Objects of the same name that someone else made stay. The pods end in the background,
    /// each after its drain time.
    ///
    /// # Errors
    /// The errors of every call; what was deleted before stays deleted, and the call may be made again.
    pub async fn delete(&self, namespace: &Namespace, name: &Name) -> Result<Vec<ObjectId>> {
        let rendered = [&DEPLOYMENT, &DISRUPTION_BUDGET, &SERVICE, &SERVICE_ACCOUNT];
        let mut objects: Vec<_> = rendered
            .into_iter()
            .map(|kind| ObjectId {
                api_version: kind.api_version(),
                kind: kind.kind.to_string(),
                name: name.to_string(),
            })
            .collect();
        let known = self.inventory(namespace, name).await?.objects;
        objects.extend(known.into_iter().rev());
        let mut deleted: Vec<ObjectId> = Vec::new();
        for object in objects {
            if !deleted.contains(&object) && self.delete_object(&object, namespace).await? {
                deleted.push(object);
            }
        }
        let inventory = ObjectId::of(&inventory_object(namespace, name, &[]));
        self.delete_object(&inventory, namespace).await?;
        Ok(deleted)
    }

    /// Deletes an object that mlci made. Whether there was one.
    pub(crate) async fn delete_object(&self, object: &ObjectId, namespace: &Namespace) -> Result<bool> {
        let Some(kind) = self.kind(namespace, object).await? else { return Ok(false) };
        let (api, name) = (self.objects(&kind, namespace), object.name.as_str());
        let action = |verb| Action::new(verb, &kind.resource, namespace.as_str(), name);
        let found = optional(self.call(&action("get"), || api.get(name)).await)?;
        if !found.is_some_and(|found| found.metadata.labels.as_ref().is_some_and(is_ours)) {
            return Ok(false);
        }
        let params = DeleteParams::background();
        optional(self.call(&action("delete"), || api.delete(name, &params)).await)?;
        Ok(true)
    }
}

fn inventory_object(namespace: &Namespace, name: &Name, objects: &[ObjectId]) -> Value {
    let lines: Vec<String> = objects.iter().map(ObjectId::line).collect();
    json!({
        "apiVersion": CONFIG_MAP.api_version(),
        "kind": CONFIG_MAP.kind,
        "metadata": {
            "name": name.as_str(),
            "namespace": namespace.as_str(),
            "labels": { LABEL_NAME: name.as_str(), LABEL_INSTANCE: name.as_str(), LABEL_MANAGER: FIELD_MANAGER },
        },
        "data": { OBJECTS: lines.join("\n") },
    })
}
