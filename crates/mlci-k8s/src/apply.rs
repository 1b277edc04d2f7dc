use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace as NamespaceObject};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use crate::{
    call::{Action, optional},
    cluster::Cluster,
    error::{Error, Result},
    image::ImageReference,
    kind::{DISRUPTION_BUDGET, Kind},
    name::{Name, Namespace},
    workload::{LABEL_MANAGER, Workload},
};

/// The field manager of everything that is applied (Kubernetes documentation, "Server-Side Apply").
pub const FIELD_MANAGER: &str = "mlci";

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
    /// The image that its pods are to run.
    pub image: ImageReference,
    /// The uid of the Deployment.
    pub uid: String,
    /// The generation of the Deployment. It grows with every change of the specification or the annotations.
    pub generation: i64,
}

impl Cluster {
    /// Applies a workload by server-side apply: what has changed is changed, what is missing is made, and what others
    /// manage is left alone. A disruption budget that an earlier version had and this one has not is removed.
    ///
    /// Each object is applied as a whole or not at all, the Deployment last. After an error the objects before it are
    /// applied; to apply again is safe, and changes nothing where nothing has changed.
    ///
    /// # Errors
    /// [`Error::Workload`]; [`Error::Conflict`] with manager and field when others manage a field that would be
    /// changed, which is never forced; [`Error::NamespaceMissing`], [`Error::NamespaceTerminating`],
    /// [`Error::Forbidden`], [`Error::Refused`], and the errors of every call.
    pub async fn apply(&self, workload: &Workload, options: &ApplyOptions) -> Result<Applied> {
        let objects = workload.objects()?;
        if options.create_namespace {
            self.create_namespace(&workload.namespace).await?;
        }
        let mut deployment = None;
        for (kind, object) in &objects {
            deployment = Some(self.apply_object(workload, kind, object).await?);
        }
        if !workload.has_budget() {
            self.remove_budget(workload).await?;
        }
        let metadata = deployment.map(|object| object.metadata).unwrap_or_default();
        Ok(Applied {
            namespace: workload.namespace.clone(),
            name: workload.name.clone(),
            image: workload.image.clone(),
            uid: metadata.uid.unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
        })
    }

    async fn apply_object(&self, workload: &Workload, kind: &Kind, object: &Value) -> Result<DynamicObject> {
        let (namespace, name) = (workload.namespace.as_str(), workload.name.as_str());
        let api = self.objects(kind, &workload.namespace);
        let action = Action::new("patch", kind.resource, namespace, name);
        let patch = Patch::Apply(object);
        let params = PatchParams::apply(FIELD_MANAGER).validation_strict();
        match self.call(&action, || api.patch(name, &params, &patch)).await {
            // A restart or a change of scale was made by mlci too, under another kind of entry; to take it back is no
            // quarrel with anyone. All conflicts are listed at once, so that nobody else's field is among them.
            Err(Error::Conflict { conflicts, .. }) if conflicts.iter().all(|it| it.manager == FIELD_MANAGER) => {
                let params = params.clone().force();
                self.call(&action, || api.patch(name, &params, &patch)).await
            }
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

    async fn remove_budget(&self, workload: &Workload) -> Result<()> {
        self.delete_object(&DISRUPTION_BUDGET, &workload.namespace, &workload.name).await?;
        Ok(())
    }

    /// Deletes an object that mlci made. Whether there was one.
    pub(crate) async fn delete_object(&self, kind: &Kind, namespace: &Namespace, name: &Name) -> Result<bool> {
        let api = self.objects(kind, namespace);
        let action = |verb| Action::new(verb, kind.resource, namespace.as_str(), name.as_str());
        let found = optional(self.call(&action("get"), || api.get(name.as_str())).await)?;
        if !found.is_some_and(|object| is_ours(object.labels())) {
            return Ok(false);
        }
        let params = DeleteParams::background();
        optional(self.call(&action("delete"), || api.delete(name.as_str(), &params)).await)?;
        Ok(true)
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
