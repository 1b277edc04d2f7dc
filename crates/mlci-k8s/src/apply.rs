use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace as NamespaceObject};
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use crate::{
    call::{Action, optional},
    cluster::Cluster,
    error::{Error, Result},
    image::ImageReference,
    kind::{AUTOSCALER, Kind},
    name::{Name, Namespace},
    object::ObjectId,
    place::FieldConflict,
    prepare::Prepared,
    workload::{LABEL_MANAGER, Workload},
};

/// The field manager of everything that is applied (Kubernetes documentation, "Server-Side Apply").
pub const FIELD_MANAGER: &str = "mlci";

/// Who changes the number of pods for a HorizontalPodAutoscaler.
const AUTOSCALERS: &str = "kube-controller-manager";

/// How a workload is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// Make the namespace if it is missing, which takes a right in the whole cluster. No.
    pub create_namespace: bool,
}

/// A workload as the API server has taken it: what [`Cluster::rollout`] waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
    /// The workload whose labels its pods have: of a canary, not the one that it is called by.
    pub(crate) labelled: Name,
    /// The image that its pods are to run.
    pub image: ImageReference,
    /// The uid of the Deployment.
    pub uid: String,
    /// The generation of the Deployment. It grows with every change of the specification or the annotations.
    pub generation: i64,
    /// What was applied for this workload once and is declared no longer: what [`Cluster::prune`] removes.
    pub obsolete: Vec<ObjectId>,
    /// The autoscaler that the number of pods was left to.
    pub autoscaler: Option<String>,
    pub(crate) declared: Vec<ObjectId>,
}

impl Cluster {
    /// Applies a workload by server-side apply: what has changed is changed, what is missing is made, and what others
    /// manage is left alone. The number of pods is an autoscaler's where one is for this Deployment, whoever made it.
    /// What an earlier version had and this one has not is listed in [`Applied::obsolete`], for [`Cluster::prune`]; an
    /// autoscaler of that kind goes at once, since it would go on setting the number.
    ///
    /// Each object is applied as a whole or not at all, the Deployment last. After an error the objects before it are
    /// applied; to apply again is safe, and changes nothing where nothing has changed. What was applied is noted in a
    /// ConfigMap of the workload's name.
    ///
    /// # Errors
    /// [`Error::Workload`]; [`Error::Conflict`] with manager and field when others manage a field that would be
    /// changed, which is never forced; [`Error::NamespaceMissing`], [`Error::NamespaceTerminating`],
    /// [`Error::Forbidden`], [`Error::Refused`], [`Error::NoKind`], and the errors of every call.
    pub async fn apply(&self, workload: &Workload, options: &ApplyOptions) -> Result<Applied> {
        let (namespace, name) = (&workload.namespace, &workload.name);
        let prepared = self.prepare(workload).await?;
        if options.create_namespace {
            self.create_namespace(namespace).await?;
        }
        let Prepared { objects, declared, inventory, mut obsolete, autoscaler } = prepared;
        // Named before they are made, and until they are gone.
        let known: Vec<_> = declared.iter().chain(&obsolete).cloned().collect();
        if inventory.objects != known {
            self.write_inventory(namespace, name, &known).await?;
        }
        // Before the number of pods is set: it would set it back.
        for scaler in obsolete.iter().filter(|it| it.kind == AUTOSCALER.kind) {
            self.delete_object(scaler, namespace).await?;
        }
        let mut deployment = None;
        for (kind, object) in &objects {
            deployment = Some(self.apply_object(workload, kind, object, autoscaler.is_none(), false).await?);
        }
        obsolete.sort();
        let metadata = deployment.map(|object| object.metadata).unwrap_or_default();
        Ok(Applied {
            namespace: namespace.clone(),
            name: name.clone(),
            labelled: name.clone(),
            image: workload.image.clone(),
            uid: metadata.uid.unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            obsolete,
            autoscaler,
            declared,
        })
    }

    /// `alone`: no autoscaler is for the Deployment. A number of pods that is still marked as one's is nobody's then.
    pub(crate) async fn apply_object(
        &self,
        workload: &Workload,
        kind: &Kind,
        object: &Value,
        alone: bool,
        dry_run: bool,
    ) -> Result<DynamicObject> {
        let id = ObjectId::of(object);
        let api = self.objects(kind, &workload.namespace);
        let action = Action::new("patch", &kind.resource, workload.namespace.as_str(), &id.name);
        let patch = Patch::Apply(object);
        let mut params = PatchParams::apply(FIELD_MANAGER).validation_strict();
        params.dry_run = dry_run;
        // A restart or a change of scale was made by mlci too, under another kind of entry; to take it back is no
        // quarrel with anyone. All conflicts are listed at once, so that nobody else's field is among them.
        let left = |it: &FieldConflict| alone && it.manager == AUTOSCALERS && it.field == ".spec.replicas";
        let ours = |it: &FieldConflict| it.manager == FIELD_MANAGER || left(it);
        match self.call(&action, || api.patch(&id.name, &params, &patch)).await {
            Err(Error::Conflict { conflicts, .. }) if conflicts.iter().all(ours) => {
                let params = params.clone().force();
                self.call(&action, || api.patch(&id.name, &params, &patch)).await
            }
            // What is applied is made if it is missing: so it is the kind that is not there.
            Err(Error::NotFound { .. }) => Err(self.no_kind(&id)),
            result => result,
        }
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<()> {
        let api: Api<NamespaceObject> = Api::all(self.client.clone());
        let name = namespace.as_str();
        let action = |verb| Action { verb, resource: "namespaces", namespace: None, name: Some(name) };
        if optional(self.call(&action("get"), || api.get(name)).await)?.is_some() {
            return Ok(());
        }
        let patch = Patch::Apply(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": { LABEL_MANAGER: FIELD_MANAGER } },
        }));
        let params = PatchParams::apply(FIELD_MANAGER).validation_strict();
        self.call(&action("patch"), || api.patch(name, &params, &patch)).await?;
        Ok(())
    }

    pub(crate) fn objects(&self, kind: &Kind, namespace: &Namespace) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace.as_str(), &kind.api_resource())
    }

    pub(crate) fn deployments(&self, namespace: &Namespace) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), namespace.as_str())
    }
}

pub(crate) fn is_ours(labels: &std::collections::BTreeMap<String, String>) -> bool {
    labels.get(LABEL_MANAGER).is_some_and(|manager| manager == FIELD_MANAGER)
}

#[cfg(test)]
mod tests;
