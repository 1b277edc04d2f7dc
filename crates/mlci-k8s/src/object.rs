use std::fmt;

use serde_json::Value;

/// Which object, within a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ObjectId {
    /// Group and version, such as `policy/v1`.
    pub api_version: String,
    /// The kind, such as `PodDisruptionBudget`.
    pub kind: String,
    /// The name.
    pub name: String,
}

impl ObjectId {
    /// What an object says of itself.
    pub(crate) fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { api_version: text("/apiVersion"), kind: text("/kind"), name: text("/metadata/name") }
    }

    /// As a line of the inventory.
    pub(crate) fn line(&self) -> String {
        format!("{} {} {}", self.api_version, self.kind, self.name)
    }

    /// From a line of the inventory.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(ToOwned::to_owned);
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(api_version), Some(kind), Some(name), None) => Some(Self { api_version, kind, name }),
            _ => None,
        }
    }
}

impl fmt::Display for ObjectId {
    /// Kind and name, as in ``PodDisruptionBudget `wine` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.name)
    }
}
