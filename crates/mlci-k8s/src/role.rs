use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    kind::{CONFIG_MAP, DISRUPTION_BUDGET},
    name::Name,
    workload::{Workload, WorkloadError},
};

/// API group, resources, verbs. Server-side apply takes `patch`, and `create` besides where the object is new.
const RULES: [(&str, &[&str], &[&str]); 8] = [
    ("apps", &["deployments"], &["get", "list", "watch", "create", "patch", "delete"]),
    // The rollout is watched, and the tables are lists.
    ("apps", &["replicasets"], &["list", "watch"]),
    ("", &["pods"], &["list", "watch"]),
    ("", &["services", "events"], &["list"]),
    ("", &["pods/log"], &["get"]),
    // Verification, through either way. A port-forward is `get` for servers that do not know better.
    ("", &["pods/portforward", "services/proxy"], &["get", "create"]),
    ("discovery.k8s.io", &["endpointslices"], &["list"]),
    // Whether the number of pods is an autoscaler's.
    ("autoscaling", &["horizontalpodautoscalers"], &["list"]),
];

const APPLIED: &[&str] = &["get", "create", "patch", "delete"];

/// The least Role that everything in this crate can be done with for a workload in its namespace (making the namespace
/// aside), to be bound to whoever deploys.
///
/// It has what the workload's own kinds of objects take. Those in [`Workload::manifests`] are in it as far as Kubernetes
/// itself has them; a kind that is defined in the cluster is named by its lower-case plural, so see that it is right.
///
/// # Errors
/// [`WorkloadError`], see [`Workload::render`].
///
/// ```
/// # use mlci_k8s::{ImageReference, Workload};
/// # let image: ImageReference = format!("registry.example.com/wine@sha256:{:064}", 1).parse()?;
/// let workload = Workload::new("staging".parse()?, "wine".parse()?, image);
/// let role = mlci_k8s::role(&workload, &"mlci-deploy".parse()?)?;
/// assert_eq!(role["metadata"]["namespace"], "staging");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn role(workload: &Workload, name: &Name) -> Result<Value, WorkloadError> {
    let mut applied = BTreeSet::from([
        // The inventory, and the budget, which goes when there is one pod only.
        (CONFIG_MAP.group().to_owned(), CONFIG_MAP.plural().to_owned()),
        (DISRUPTION_BUDGET.group().to_owned(), DISRUPTION_BUDGET.plural().to_owned()),
    ]);
    for object in workload.objects()? {
        applied.insert(match object.kind {
            Some(kind) => (kind.group().to_owned(), kind.plural().to_owned()),
            None => guessed(&object.value),
        });
    }
    applied.remove(&("apps".to_owned(), "deployments".to_owned()));
    let rule = |(group, resources, verbs): &(&str, &[&str], &[&str])| json!({ "apiGroups": [group], "resources": resources, "verbs": verbs });
    let of_objects = applied
        .iter()
        .map(|(group, resource)| json!({ "apiGroups": [group], "resources": [resource], "verbs": APPLIED }));
    Ok(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": name.as_str(), "namespace": workload.namespace.as_str() },
        "rules": RULES.iter().map(rule).chain(of_objects).collect::<Vec<_>>(),
    }))
}

/// As [`role`], for a workload that Helm installs: the chart's objects, what it takes to watch and verify them, and the
/// Secrets that Helm keeps its revisions in.
///
/// # Errors
/// [`WorkloadError`], see [`Workload::render`].
pub fn helm_role(workload: &Workload, name: &Name) -> Result<Value, WorkloadError> {
    let mut role = role(workload, name)?;
    let verbs = ["get", "list", "create", "update", "patch", "delete"];
    let secrets = json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": verbs });
    if let Some(rules) = role["rules"].as_array_mut() {
        rules.push(secrets);
    }
    Ok(role)
}

/// Group and resource as they most often are.
fn guessed(object: &Value) -> (String, String) {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    let kind = text("kind").to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ => format!("{kind}s"),
    };
    (group.to_owned(), plural)
}
