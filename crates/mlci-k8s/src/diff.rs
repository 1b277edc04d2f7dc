//! What applying would change, by a dry run of the API server itself.

use std::fmt;

use kube::core::DynamicObject;
use serde_json::{Map, Value};

use crate::{
    apply::ApplyOptions,
    call::{Action, optional},
    cluster::Cluster,
    error::{Error, Result},
    manifest::{HIDDEN, Manifest},
    object::ObjectId,
    place::FieldConflict,
    workload::Workload,
};

/// What applying a workload would do to one object.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ObjectDiff {
    /// The object.
    pub object: ObjectId,
    /// What would happen to it.
    pub difference: Difference,
}

/// What would happen to an object.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Difference {
    /// It would be made.
    New,
    /// These fields would change.
    Changed(Vec<FieldChange>),
    /// It would be refused, since others manage these fields.
    Conflict(Vec<FieldConflict>),
    /// It is declared no longer, and would be removed once the rollout is done.
    Removed,
}

/// One field, as the API server has it and would have it, with the defaults that it fills in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FieldChange {
    /// As in `.spec.template.spec.containers[server].image`: items of lists by their names, where they have some.
    pub path: String,
    /// What is there. None: nothing.
    pub before: Option<Value>,
    /// What would be there. None: nothing.
    pub after: Option<Value>,
}

impl fmt::Display for ObjectDiff {
    /// A line with `+`, `~`, `!` or `-` before the object, and one for each field below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = &self.object;
        match &self.difference {
            Difference::New => write!(f, "+ {object}"),
            Difference::Removed => write!(f, "- {object}"),
            Difference::Changed(changes) => {
                write!(f, "~ {object}")?;
                changes.iter().try_for_each(|change| write!(f, "\n    {change}"))
            }
            Difference::Conflict(conflicts) => {
                write!(f, "! {object}")?;
                conflicts.iter().try_for_each(|conflict| write!(f, "\n    {conflict}"))
            }
        }
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        write!(f, "{}: {} -> {}", self.path, shown(&self.before), shown(&self.after))
    }
}

impl Cluster {
    /// What [`Cluster::apply`] would change, object by object and field by field, in the order in which it would. What
    /// stays as it is is left out. Nothing is changed: the API server is asked for a dry run, so that what it or an
    /// admission webhook would refuse is refused here too, but where the namespace is still to be made. The values in Secrets are not shown.
    ///
    /// # Errors
    /// Those of [`Cluster::apply`], but for conflicts, which are a part of the answer.
    pub async fn diff(&self, workload: &Workload, options: &ApplyOptions) -> Result<Vec<ObjectDiff>> {
        let prepared = self.prepare(workload).await?;
        let new = |object: &ObjectId| ObjectDiff { object: object.clone(), difference: Difference::New };
        let mut found = Vec::new();
        for ((kind, object), id) in prepared.objects.iter().zip(&prepared.declared) {
            let api = self.objects(kind, &workload.namespace);
            let action = Action::new("get", &kind.resource, workload.namespace.as_str(), &id.name);
            let before = optional(self.call(&action, || api.get(&id.name)).await)?;
            let applied = self.apply_object(workload, kind, object, prepared.autoscaler.is_none(), true).await;
            let difference = match (before, applied) {
                (_, Err(Error::Conflict { conflicts, .. })) => Difference::Conflict(conflicts),
                // Nothing in it can be tried before it is there.
                (None, Err(Error::NamespaceMissing { namespace, .. })) if options.create_namespace => {
                    let namespace =
                        ObjectId { api_version: "v1".to_owned(), kind: "Namespace".to_owned(), name: namespace };
                    return Ok(std::iter::once(&namespace).chain(&prepared.declared).map(new).collect());
                }
                (_, Err(error)) => return Err(error),
                (None, Ok(_)) => Difference::New,
                (Some(before), Ok(after)) => match changes(id, &before, &after) {
                    changes if changes.is_empty() => continue,
                    changes => Difference::Changed(changes),
                },
            };
            found.push(ObjectDiff { object: id.clone(), difference });
        }
        let removed = prepared.obsolete.into_iter();
        found.extend(removed.map(|object| ObjectDiff { object, difference: Difference::Removed }));
        Ok(found)
    }
}

impl ObjectDiff {
    /// What differs between two lists of manifests, such as those of two revisions of a Helm release: in the order of the
    /// new ones, and then what is in the old ones only. Nothing is asked of a cluster. The values in Secrets are not
    /// shown.
    #[must_use]
    pub fn between(before: &[Manifest], after: &[Manifest]) -> Vec<Self> {
        let find =
            |list: &[Manifest], id: &ObjectId| list.iter().find(|it| it.id() == *id).map(|it| it.value().clone());
        let mut found = Vec::new();
        for manifest in after {
            let object = manifest.id();
            let difference = match find(before, &object) {
                None => Difference::New,
                Some(old) => match compared(&object, &old, manifest.value()) {
                    changes if changes.is_empty() => continue,
                    changes => Difference::Changed(changes),
                },
            };
            found.push(Self { object, difference });
        }
        let gone = before.iter().map(Manifest::id).filter(|id| find(after, id).is_none());
        found.extend(gone.map(|object| Self { object, difference: Difference::Removed }));
        found
    }
}

fn changes(id: &ObjectId, before: &DynamicObject, after: &DynamicObject) -> Vec<FieldChange> {
    compared(id, &declarative(before), &declarative(after))
}

fn compared(id: &ObjectId, before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    if id.kind == "Secret" && id.api_version == "v1" {
        for change in found.iter_mut().filter(|it| it.path.starts_with(".data") || it.path.starts_with(".stringData")) {
            for value in [&mut change.before, &mut change.after].into_iter().flatten() {
                *value = HIDDEN.into();
            }
        }
    }
    found
}

/// An object without what the API server keeps for itself.
fn declarative(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in ["creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"] {
            metadata.remove(key);
        }
    }
    value
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                compare(&format!("{path}{}", step(key)), old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            let (old, new) = (by_name(old), by_name(new));
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                compare(&format!("{path}[{key}]"), old.get(key), new.get(key), found);
            }
        }
        (before, after) => {
            found.push(FieldChange { path: path.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}

/// A key with dots in it, as labels and annotations have, is in brackets.
fn step(key: &str) -> String {
    if key.contains(['.', '/']) { format!("[\"{key}\"]") } else { format!(".{key}") }
}

/// The items of a list by their names where all have one of their own, else by their numbers.
fn by_name(items: &[Value]) -> Map<String, Value> {
    let names: Option<Vec<&str>> = items.iter().map(|item| item.get("name")?.as_str()).collect();
    let named: Map<_, _> =
        names.iter().flatten().zip(items).map(|(name, item)| ((*name).to_owned(), item.clone())).collect();
    if named.len() == items.len() {
        return named;
    }
    items.iter().enumerate().map(|(number, item)| (number.to_string(), item.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn fields_are_named_by_their_path_and_items_by_their_name() {
        let before = object(json!({
            "metadata": { "name": "wine", "resourceVersion": "1", "annotations": { "mlci.model-version": "1" } },
            "spec": { "replicas": 1, "list": ["a"], "containers": [{ "name": "server", "image": "a" }, { "name": "x" }] },
            "status": { "ready": 1 },
        }));
        let after = object(json!({
            "metadata": { "name": "wine", "resourceVersion": "2", "annotations": { "mlci.model-version": "2" } },
            "spec": { "list": ["a", "b"], "containers": [{ "name": "server", "image": "b", "tty": true }] },
            "status": { "ready": 2 },
        }));
        let id = ObjectId::from_line("apps/v1 Deployment wine").unwrap();
        let difference = Difference::Changed(changes(&id, &before, &after));
        assert_eq!(
            ObjectDiff { object: id, difference }.to_string(),
            "~ Deployment `wine`\n    .metadata.annotations[\"mlci.model-version\"]: \"1\" -> \"2\"\n    \
             .spec.containers[server].image: \"a\" -> \"b\"\n    .spec.containers[server].tty: nothing -> true\n    \
             .spec.containers[x]: {\"name\":\"x\"} -> nothing\n    .spec.list[1]: nothing -> \"b\"\n    \
             .spec.replicas: 1 -> nothing"
        );
    }

    #[test]
    fn two_lists_of_manifests() {
        let read = |text: &str| Manifest::read(text).unwrap();
        let of = |kind: &str, value: u32| {
            format!("---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{b: {value}}}\n")
        };
        let before = read(&(of("Service", 1) + &of("ConfigMap", 1) + &of("Same", 1)));
        let after = read(&(of("New", 1) + &of("Service", 2) + &of("Same", 1)));
        let lines: Vec<_> = ObjectDiff::between(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["+ New `a`", "~ Service `a`\n    .spec.b: 1 -> 2", "- ConfigMap `a`"]);
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let secret = |value: &str| object(json!({ "metadata": {}, "data": { "password": value } }));
        let id = ObjectId::from_line("v1 Secret s").unwrap();
        let found = changes(&id, &secret("aaaa"), &secret("bbbb"));
        assert_eq!(found[0].to_string(), ".data.password: \"(not shown)\" -> \"(not shown)\"");
    }
}
