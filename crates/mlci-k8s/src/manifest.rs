//! Objects and changes of objects that the user writes, as YAML.

use std::fmt;

use serde_json::{Map, Value};

use crate::object::ObjectId;

/// Stands for what is secret.
pub(crate) const HIDDEN: &str = "(not shown)";

/// An object of the user's own, applied as it is: with the labels of the workload added, and the namespace filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest(Value);

/// A change of a rendered object: its kind, its name where several are of that kind, and the fields that change.
///
/// Maps are merged; `null` takes a field out; a list of things with names (containers, variables, ports) is merged by
/// them, as `kubectl` does it; any other list takes the place of the one before.
///
/// ```
/// use mlci_k8s::{ImageReference, ManifestPatch, Workload};
///
/// let image: ImageReference = format!("registry.example.com/wine@sha256:{:064}", 1).parse()?;
/// let mut workload = Workload::new("staging".parse()?, "wine".parse()?, image);
/// workload.patches = ManifestPatch::read("kind: Deployment\nspec: {template: {spec: {priorityClassName: high}}}")?;
/// assert!(workload.render_yaml()?.contains("priorityClassName: high"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestPatch(Value);

/// A text that holds no objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no YAML.
    #[error("it is no YAML: {message}")]
    Yaml {
        /// Where, and why.
        message: String,
    },
    /// A document lacks what says which object it is.
    #[error("document {document} has no text in `{field}`{}", hint(field))]
    Missing {
        /// The document, from 1.
        document: usize,
        /// The field.
        field: &'static str,
    },
}

fn hint(field: &str) -> &'static str {
    match field {
        "apiVersion" => ": write it, as in `apiVersion: v1`",
        "kind" => ": write it, as in `kind: ConfigMap`",
        _ => ": give the object a name",
    }
}

impl Manifest {
    /// The objects of a YAML text of one or more documents. Lists (`kind: List`) are taken apart; empty documents are
    /// passed over.
    ///
    /// # Errors
    /// [`ManifestError`] with the place.
    pub fn read(text: &str) -> Result<Vec<Self>, ManifestError> {
        let mut manifests = Vec::new();
        for (document, value) in documents(text)? {
            let items = match (value.get("kind"), value.get("items")) {
                (Some(kind), Some(Value::Array(items))) if kind == "List" => items.clone(),
                _ => vec![value],
            };
            for object in items {
                for (field, pointer) in
                    [("apiVersion", "/apiVersion"), ("kind", "/kind"), ("metadata.name", "/metadata/name")]
                {
                    require(&object, document, field, pointer)?;
                }
                manifests.push(Self(object));
            }
        }
        Ok(manifests)
    }

    /// Which object it is.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        ObjectId::of(&self.0)
    }

    /// Takes the values out of a Secret, for a text that people read. Other objects stay as they are.
    pub fn hide_secret(&mut self) {
        if self.0.get("kind").is_some_and(|kind| kind == "Secret") {
            for key in ["data", "stringData"] {
                let values = self.0.get_mut(key).and_then(Value::as_object_mut);
                values.into_iter().flatten().for_each(|(_, value)| *value = HIDDEN.into());
            }
        }
    }

    /// The object itself, with what a Secret keeps.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }
}

impl fmt::Display for Manifest {
    /// As a YAML document.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::yaml::document(&self.0))
    }
}

impl ManifestPatch {
    /// The changes in a YAML text of one or more documents, each with a `kind`.
    ///
    /// # Errors
    /// [`ManifestError`] with the place.
    pub fn read(text: &str) -> Result<Vec<Self>, ManifestError> {
        let documents = documents(text)?.into_iter();
        documents.map(|(document, value)| require(&value, document, "kind", "/kind").map(|()| Self(value))).collect()
    }

    pub(crate) fn is_for(&self, object: &Value) -> bool {
        let same = |pointer: &str| self.0.pointer(pointer).is_none_or(|wanted| object.pointer(pointer) == Some(wanted));
        same("/kind") && same("/apiVersion") && same("/metadata/name")
    }

    pub(crate) fn change(&self, object: &mut Value) {
        merge(object, &self.0);
    }
}

impl fmt::Display for ManifestPatch {
    /// As in ``the patch of Deployment `wine` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectId { kind, name, .. } = ObjectId::of(&self.0);
        write!(f, "the patch of {kind}")?;
        if name.is_empty() { Ok(()) } else { write!(f, " `{name}`") }
    }
}

fn documents(text: &str) -> Result<Vec<(usize, Value)>, ManifestError> {
    let fault = |error: serde_saphyr::Error| ManifestError::Yaml { message: error.to_string() };
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(fault)?;
    Ok(documents
        .into_iter()
        .enumerate()
        .filter(|(_, value)| !value.is_null())
        .map(|(i, value)| (i + 1, value))
        .collect())
}

fn require(object: &Value, document: usize, field: &'static str, pointer: &str) -> Result<(), ManifestError> {
    let text = object.pointer(pointer).and_then(Value::as_str);
    if text.is_some_and(|text| !text.is_empty()) { Ok(()) } else { Err(ManifestError::Missing { document, field }) }
}

/// RFC 7396, with lists of named things merged by their names.
fn merge(value: &mut Value, patch: &Value) {
    match (value, patch) {
        (Value::Object(map), Value::Object(changes)) => {
            for (key, change) in changes {
                if change.is_null() {
                    map.remove(key);
                } else {
                    merge(map.entry(key.clone()).or_insert(Value::Null), change);
                }
            }
        }
        (Value::Array(items), Value::Array(changes)) if named(items) && named(changes) && !changes.is_empty() => {
            for change in changes {
                match items.iter_mut().find(|item| item.get("name") == change.get("name")) {
                    Some(item) => merge(item, change),
                    None => items.push(without_nulls(change)),
                }
            }
        }
        (value, patch) => *value = without_nulls(patch),
    }
}

fn named(items: &[Value]) -> bool {
    items.iter().all(|item| item.get("name").is_some_and(Value::is_string))
}

/// What is taken out of nothing is nothing.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_named_things_are_merged_by_name_and_others_are_replaced() {
        let mut object = json!({
            "spec": { "containers": [{ "name": "server", "env": [{ "name": "A", "value": "1" }], "args": ["a", "b"] }] },
            "old": { "x": 1 },
        });
        let patch = json!({
            "spec": { "containers": [
                { "name": "server", "env": [{ "name": "A", "value": "2" }, { "name": "B", "value": "3" }], "args": ["c"] },
                { "name": "side", "image": "i", "tty": null },
            ] },
            "old": null, "gone": null, "new": { "y": { "z": null } },
        });
        merge(&mut object, &patch);
        assert_eq!(
            object,
            json!({
                "spec": { "containers": [
                    { "name": "server", "env": [{ "name": "A", "value": "2" }, { "name": "B", "value": "3" }], "args": ["c"] },
                    { "name": "side", "image": "i" },
                ] },
                "new": { "y": {} },
            })
        );
    }

    #[test]
    fn documents_are_objects_or_the_place_is_named() {
        let text = "---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, \
                    metadata: {name: a}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\n";
        let names: Vec<_> = Manifest::read(text).unwrap().iter().map(|it| it.id().to_string()).collect();
        assert_eq!(names, ["ConfigMap `a`", "Secret `b`"]);
        let mut secret =
            Manifest::read("apiVersion: v1\nkind: Secret\nmetadata: {name: b}\ndata: {k: c2VjcmV0}").unwrap();
        secret[0].hide_secret();
        assert_eq!(secret[0].value()["data"], json!({ "k": HIDDEN }));
        for (text, words) in [
            ("kind: ConfigMap\nmetadata: {name: a}", "document 1 has no text in `apiVersion`"),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 7}", "`metadata.name`"),
            ("apiVersion: v1\nmetadata: {name: a}", "`kind`"),
            ("just a text", "`apiVersion`"),
            ("a: [", "no YAML"),
            ("a: 1\na: 2", "no YAML"),
        ] {
            let error = Manifest::read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(ManifestPatch::read("spec: {}").unwrap_err().to_string().contains("`kind`"));
    }
}
