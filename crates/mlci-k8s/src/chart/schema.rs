use serde_json::{Value, json};

use super::Chart;

/// `[HOST[:PORT]/]PATH` without tag and digest.
const REPOSITORY: &str =
    r"^(([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$";
const DIGEST: &str = "^sha256:[0-9a-f]{64}$";
/// As [`Quantity`](crate::Quantity), which knows too that it is not 0.
const QUANTITY: &str = r"^([0-9]+\.?[0-9]*|\.[0-9]+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$";
/// The key of a label or annotation.
const KEY: &str = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
const LABEL: &str = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$";
/// Printable ASCII without `=`.
const VARIABLE: &str = "^[ -<>-~]+$";
const NAME: &str = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$";

/// A text. What YAML has read as something else cannot be told any more (`on` is `true`, `0123` is 83), so it is refused.
/// The fix stands in a constant, since a schema's descriptions are not among Helm's messages.
fn text() -> Value {
    text_like(&json!({ "type": "string" }))
}

fn text_like(rule: &Value) -> Value {
    json!({
        "if": { "type": ["boolean", "number"] },
        "then": { "const": "a text: write it in quotes, or use --set-string" },
        "else": rule,
    })
}

/// A map of texts. Not by `propertyNames`: Helm 4.3 names another place for a wrong one.
fn map(description: &str, key: &str, value: &Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "patternProperties": { key: value },
        "additionalProperties": false,
    })
}

fn quantity(description: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": QUANTITY })
}

impl Chart {
    /// `values.schema.json`: what `helm install`, `upgrade`, `template` and `lint` check the values by.
    pub(super) fn schema(&self, mark: &str) -> String {
        let text = text();
        let label = text_like(&json!({ "type": "string", "pattern": LABEL }));
        let mut environment = label.clone();
        environment["description"] = json!("Where the release runs, for its labels and its log; \"\" says nothing.");
        let image = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["repository", "digest"],
            "properties": {
                "repository": {
                    "type": "string",
                    "description": "The repository that the cluster pulls from, without tag and digest.",
                    "pattern": REPOSITORY,
                },
                "digest": {
                    "type": "string",
                    "description": "The digest of the image's manifest. There is no tag: it might mean another image tomorrow.",
                    "pattern": DIGEST,
                },
            },
        });
        let mut limit = quantity("The most processor time that a pod may use; \"\" is what the node has left.");
        limit["pattern"] = json!(QUANTITY.replacen('^', "^(", 1).replace('$', ")?$"));
        let resources = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["cpu", "memory"],
            "properties": {
                "cpu": quantity("The processor time that is kept free for a pod, such as \"100m\"."),
                "cpuLimit": limit,
                "memory": quantity("The memory that is kept free for a pod, and the most that it may use, such as \"128Mi\"."),
            },
        });
        let service = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["port"],
            "properties": {
                "port": { "type": "integer", "description": "The port of the Service.", "minimum": 1, "maximum": 65535 },
            },
        });
        let schema = json!({
            "$comment": mark,
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": format!("Values of the chart {}", self.name),
            "type": "object",
            "additionalProperties": false,
            "required": ["image", "resources", "service"],
            "properties": {
                "annotations": map("Annotations of the Deployment.", KEY, &text),
                "enabled": {
                    "type": "boolean",
                    "description": "Not this chart's: that of a chart around it, whose `condition` names it.",
                },
                "env": map("Environment variables, by name. Values are texts.", VARIABLE, &text),
                "environment": environment,
                "global": { "type": "object", "description": "What a chart around this one hands to all of its parts." },
                "image": image,
                "labels": map("Labels of every object and of the pods.", KEY, &label),
                "nodeSelector": map("Labels of the nodes that pods may run on.", KEY, &text),
                "podAnnotations": map("Annotations of the pods.", KEY, &text),
                "pullSecrets": {
                    "type": "array",
                    "description": "Names of Secrets with the registry's credentials.",
                    "items": { "type": "string", "pattern": NAME },
                },
                "replicas": {
                    "type": "integer",
                    "description": "How many pods; null leaves the number to an autoscaler.",
                    "minimum": 0,
                    "maximum": i32::MAX,
                },
                "resources": resources,
                "service": service,
                "tolerations": {
                    "type": "array",
                    "description": "Taints of nodes that pods may run on all the same.",
                    "items": { "type": "object" },
                },
            },
        });
        crate::yaml::json(&schema)
    }
}
