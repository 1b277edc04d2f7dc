//! What is applied, seen against what is there.

use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler};
use kube::{
    Api, ResourceExt,
    api::ListParams,
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use serde_json::{Value, json};

use crate::{
    apply::FIELD_MANAGER,
    call::{Action, optional},
    cluster::Cluster,
    error::{Error, Result},
    inventory::Inventory,
    kind::{AUTOSCALER, DEPLOYMENT, Kind},
    name::Namespace,
    object::ObjectId,
    workload::Workload,
};

/// A workload's objects as they are to be applied now.
pub(crate) struct Prepared {
    /// In their order, the Deployment last.
    pub(crate) objects: Vec<(Kind, Value)>,
    /// Who they are.
    pub(crate) declared: Vec<ObjectId>,
    pub(crate) inventory: Inventory,
    /// What was applied once and is declared no longer.
    pub(crate) obsolete: Vec<ObjectId>,
    /// Whom the number of pods is left to.
    pub(crate) autoscaler: Option<String>,
}

impl Cluster {
    /// Changes nothing.
    pub(crate) async fn prepare(&self, workload: &Workload) -> Result<Prepared> {
        let (namespace, name) = (&workload.namespace, &workload.name);
        let rendered = workload.objects()?;
        let api = self.deployments(namespace);
        let action = Action::new("get", &DEPLOYMENT.resource, namespace.as_str(), name.as_str());
        let live = optional(self.call(&action, || api.get(name.as_str())).await)?;
        let inventory = self.inventory(namespace, name).await?;
        let declared: Vec<_> = rendered.iter().map(|object| ObjectId::of(&object.value)).collect();
        let obsolete: Vec<_> = inventory.objects.iter().filter(|it| !declared.contains(it)).cloned().collect();
        let mut objects = Vec::new();
        for (object, id) in rendered.into_iter().zip(&declared) {
            let kind = match object.kind {
                Some(kind) => kind.clone(),
                None => self.kind_to_apply(namespace, id).await?,
            };
            objects.push((kind, object.value));
        }
        let autoscaler = match (&workload.autoscale, &live) {
            (Some(_), _) => Some(name.to_string()),
            (None, Some(_)) => self.autoscaler(workload, &obsolete).await?,
            // It may take over what is made now.
            (None, None) => None,
        };
        if let Some((_, deployment)) = objects.last_mut() {
            set_replicas(deployment, workload, live.as_ref(), autoscaler.is_some());
        }
        Ok(Prepared { objects, declared, inventory, obsolete, autoscaler })
    }

    /// The autoscaler of a Deployment that stays.
    async fn autoscaler(&self, workload: &Workload, obsolete: &[ObjectId]) -> Result<Option<String>> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), workload.namespace.as_str());
        let action = Action::all("list", &AUTOSCALER.resource, workload.namespace.as_str());
        let all = ListParams::default();
        let found = self.call(&action, || api.list(&all)).await?;
        let of_ours = |scaler: &HorizontalPodAutoscaler| {
            let target = scaler.spec.as_ref().map(|spec| &spec.scale_target_ref);
            target.is_some_and(|it| it.kind == DEPLOYMENT.kind && it.name == workload.name.as_str())
        };
        let mut names = found.iter().filter(|it| of_ours(it)).map(ResourceExt::name_any);
        let goes = |name: &str| obsolete.iter().any(|it| it.kind == AUTOSCALER.kind && it.name == name);
        Ok(names.find(|name| !goes(name)))
    }

    async fn kind_to_apply(&self, namespace: &Namespace, id: &ObjectId) -> Result<Kind> {
        let (kind, scope) = self.discover(namespace, id).await?.ok_or_else(|| self.no_kind(id))?;
        match scope {
            Scope::Namespaced => Ok(kind),
            Scope::Cluster => Err(Error::ClusterScoped { object: id.clone(), place: self.place.clone() }),
        }
    }

    /// The kind as it can be asked for; none where the cluster has no such kind, and so no such object.
    pub(crate) async fn kind(&self, namespace: &Namespace, id: &ObjectId) -> Result<Option<Kind>> {
        match Kind::known(&id.api_version, &id.kind) {
            Some(kind) => Ok(Some(kind.clone())),
            None => Ok(self.discover(namespace, id).await?.map(|(kind, _)| kind)),
        }
    }

    async fn discover(&self, namespace: &Namespace, id: &ObjectId) -> Result<Option<(Kind, Scope)>> {
        let (group, version) = id.api_version.split_once('/').unwrap_or(("", &id.api_version));
        let asked = GroupVersionKind::gvk(group, version, &id.kind);
        let resource = format!("the kinds of `{}`", id.api_version);
        let action = Action::all("get", &resource, namespace.as_str());
        let found = self.call(&action, || async {
            match discovery::pinned_kind(&self.client, &asked).await {
                Ok((resource, capabilities)) => Ok(Some((Kind::of(resource), capabilities.scope))),
                Err(kube::Error::Discovery(_)) => Ok(None),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
                Err(error) => Err(error),
            }
        });
        found.await
    }

    pub(crate) fn no_kind(&self, object: &ObjectId) -> Error {
        Error::NoKind { object: object.clone(), place: self.place.clone() }
    }
}

/// Who leaves a field out that nobody else manages has it removed, and the number of pods would be 1 then. So as long
/// as it is ours, it is applied as it is; an autoscaler that changes it takes it over.
fn set_replicas(deployment: &mut Value, workload: &Workload, live: Option<&Deployment>, autoscaled: bool) {
    let first = workload.autoscale.as_ref().map(|scale| scale.min).or(workload.replicas);
    let replicas = match live {
        Some(live) if autoscaled || workload.replicas.is_none() => {
            let present = live.spec.as_ref().and_then(|spec| spec.replicas).filter(|_| owns_replicas(live));
            present.map(|number| json!(number))
        }
        _ => first.map(|number| json!(number)),
    };
    if let Some(spec) = deployment.get_mut("spec").and_then(Value::as_object_mut) {
        match replicas {
            Some(number) => spec.insert("replicas".to_owned(), number),
            None => spec.remove("replicas"),
        };
    }
}

fn owns_replicas(live: &Deployment) -> bool {
    let ours = live.managed_fields().iter().filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    let mut fields = ours.filter_map(|entry| entry.fields_v1.as_ref());
    fields.any(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Autoscale, render::tests::workload};

    fn live(replicas: i32, manager: &str) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "managedFields": [
                { "manager": "mlci", "operation": "Apply", "fieldsV1": { "f:spec": { "f:template": {} } } },
                { "manager": manager, "operation": "Update", "fieldsV1": { "f:spec": { "f:replicas": {} } } },
            ] },
            "spec": { "replicas": replicas, "selector": {}, "template": {} },
        }))
        .unwrap()
    }

    #[test]
    fn the_number_of_pods_is_kept_until_others_have_it() {
        let number = |replicas: Option<u32>, scale: Option<Autoscale>, live: Option<Deployment>, autoscaled: bool| {
            let mut workload = workload();
            (workload.replicas, workload.autoscale) = (replicas, scale);
            let mut deployment = workload.render().unwrap().pop().unwrap();
            set_replicas(&mut deployment, &workload, live.as_ref(), autoscaled);
            deployment["spec"].get("replicas").and_then(Value::as_u64)
        };
        let scale = || Some(Autoscale::new(2, 5));
        assert_eq!(number(Some(3), None, None, false), Some(3));
        assert_eq!(number(Some(3), None, Some(live(7, "mlci")), false), Some(3));
        // A new Deployment begins with the fewest; one of ours stays as large as it is until the autoscaler has moved.
        assert_eq!(number(Some(3), scale(), None, true), Some(2));
        assert_eq!(number(Some(3), scale(), Some(live(7, "mlci")), true), Some(7));
        assert_eq!(number(Some(3), scale(), Some(live(7, "kube-controller-manager")), true), None);
        assert_eq!(number(Some(3), None, Some(live(7, "kube-controller-manager")), true), None);
        // Left to whoever it may be.
        assert_eq!(number(None, None, None, false), None);
        assert_eq!(number(None, None, Some(live(7, "mlci")), false), Some(7));
        assert_eq!(number(None, None, Some(live(7, "somebody")), false), None);
    }
}
