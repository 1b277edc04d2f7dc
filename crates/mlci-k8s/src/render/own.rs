//! What the user adds to the rendered objects, and changes in them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{CONTAINER, Object};
use crate::{
    kind::Kind,
    object::ObjectId,
    workload::{LABEL_INSTANCE, LABEL_MANAGER, LABEL_NAME, Workload, WorkloadError},
};

/// A patch may change everything else.
const PROTECTED: [(&str, &str); 8] = [
    ("apiVersion", "/apiVersion"),
    ("kind", "/kind"),
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    // Of a Deployment and of a Service.
    ("spec.selector", "/spec/selector"),
    ("spec.replicas", "/spec/replicas"),
    ("spec.minReplicas", "/spec/minReplicas"),
    ("spec.maxReplicas", "/spec/maxReplicas"),
];

impl Workload {
    /// The user's own objects, with what is needed to find and remove them.
    pub(super) fn own(&self) -> Result<Vec<Object>, WorkloadError> {
        self.manifests.iter().map(|manifest| self.owned(manifest.value())).collect()
    }

    fn owned(&self, manifest: &Value) -> Result<Object, WorkloadError> {
        let (mut value, object) = (manifest.clone(), ObjectId::of(manifest));
        let metadata = |key: &str| manifest.pointer(&format!("/metadata/{key}"));
        if let Some(namespace) = metadata("namespace").and_then(Value::as_str)
            && namespace != self.namespace.as_str()
        {
            let (namespace, of) = (namespace.to_owned(), self.namespace.clone());
            return Err(WorkloadError::OtherNamespace { object, namespace, of });
        }
        let mut labels = metadata("labels").and_then(Value::as_object).cloned().unwrap_or_default();
        if labels.get(LABEL_MANAGER).is_some_and(|manager| manager != "mlci") {
            return Err(WorkloadError::Reserved { key: LABEL_MANAGER.to_owned() });
        }
        // Not those that the Service sends by: an own pod serves nothing.
        labels.insert(LABEL_MANAGER.to_owned(), json!("mlci"));
        for (key, value) in &self.extra_labels {
            labels.entry(key.clone()).or_insert_with(|| json!(value));
        }
        value["metadata"]["labels"] = labels.into();
        value["metadata"]["namespace"] = json!(self.namespace.as_str());
        Ok(Object { kind: Kind::known(&object.api_version, &object.kind), value })
    }

    /// Changes rendered objects, and sees that none is there twice.
    pub(super) fn patched(&self, objects: &mut [Object]) -> Result<(), WorkloadError> {
        for patch in &self.patches {
            let mut changed = false;
            for Object { value, .. } in objects.iter_mut().filter(|object| patch.is_for(&object.value)) {
                let before = value.clone();
                patch.change(value);
                let kept = |field| WorkloadError::Protected { object: ObjectId::of(&before), field };
                if let Some(field) = broken(&before, value) {
                    return Err(kept(field));
                }
                changed = true;
            }
            if !changed {
                let rendered = objects.iter().map(|object| ObjectId::of(&object.value)).collect();
                return Err(WorkloadError::PatchOfNothing { patch: patch.to_string(), rendered });
            }
        }
        let mut seen = BTreeSet::new();
        for object in objects.iter() {
            let id = ObjectId::of(&object.value);
            // The inventory has the workload's name too.
            let reserved = id.api_version == "v1" && id.kind == "ConfigMap" && id.name == self.name.as_str();
            if reserved || !seen.insert(id.clone()) {
                return Err(WorkloadError::Twice { object: id });
            }
        }
        Ok(())
    }
}

/// The first field that mlci goes by and that a patch has changed.
fn broken(before: &Value, after: &Value) -> Option<&'static str> {
    let changed = |pointer: &str| before.pointer(pointer) != after.pointer(pointer);
    let label = |of: &str, label: &str| changed(&format!("{of}/labels/{}", label.replace('/', "~1")));
    let found = PROTECTED.into_iter().find(|(_, pointer)| changed(pointer)).map(|(field, _)| field);
    found
        .or_else(|| {
            let of_object = [LABEL_NAME, LABEL_INSTANCE, LABEL_MANAGER].iter().any(|key| label("/metadata", key));
            of_object.then_some("metadata.labels")
        })
        .or_else(|| {
            let of_pods = [LABEL_NAME, LABEL_INSTANCE].iter().any(|key| label("/spec/template/metadata", key));
            of_pods.then_some("spec.template.metadata.labels")
        })
        .or_else(|| (image(before) != image(after)).then_some("the server's image"))
}

fn image(object: &Value) -> Option<&Value> {
    let containers = object.pointer("/spec/template/spec/containers")?.as_array()?;
    containers.iter().find(|container| container["name"] == CONTAINER)?.get("image")
}
