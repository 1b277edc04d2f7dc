use serde_json::{Value, json};

use crate::name::{Name, Namespace};

/// API group, resources, verbs. Server-side apply takes `patch`, and `create` besides where the object is new.
const RULES: [(&str, &[&str], &[&str]); 9] = [
    ("apps", &["deployments"], &["get", "list", "watch", "create", "patch", "delete"]),
    ("", &["services", "serviceaccounts"], &["get", "create", "patch", "delete"]),
    ("policy", &["poddisruptionbudgets"], &["get", "create", "patch", "delete"]),
    // The rollout is watched, and the tables are lists.
    ("apps", &["replicasets"], &["list", "watch"]),
    ("", &["pods"], &["list", "watch"]),
    ("", &["services", "events"], &["list"]),
    ("", &["pods/log"], &["get"]),
    // Verification, through either way. A port-forward is `get` for servers that do not know better.
    ("", &["pods/portforward", "services/proxy"], &["get", "create"]),
    ("discovery.k8s.io", &["endpointslices"], &["list"]),
];

/// The least Role that everything in this crate can be done with in one namespace (making the namespace aside), to be
/// bound to whoever deploys.
///
/// ```
/// let role = mlci_k8s::role(&"staging".parse()?, &"mlci-deploy".parse()?);
/// assert_eq!(role["metadata"]["namespace"], "staging");
/// # Ok::<(), mlci_k8s::NameError>(())
/// ```
#[must_use]
pub fn role(namespace: &Namespace, name: &Name) -> Value {
    let rule = |(group, resources, verbs): &(&str, &[&str], &[&str])| json!({ "apiGroups": [group], "resources": resources, "verbs": verbs });
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": name.as_str(), "namespace": namespace.as_str() },
        "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
    })
}
