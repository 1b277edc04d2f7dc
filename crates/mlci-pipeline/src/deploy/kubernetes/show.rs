//! What a deployment would do, without doing it.

use mlci_k8s::{Difference, Name, ObjectDiff, Workload};
use serde_json::{Value, json};

use super::Kubernetes;
use crate::{
    deploy::target::{Look, Shown},
    error::{Error, Result},
};

impl Kubernetes {
    pub(super) fn shown(&self, workload: &Workload, look: Look) -> Result<Shown> {
        match look {
            Look::Manifests => manifests(workload),
            Look::Changes => self.changes(workload),
        }
    }

    fn changes(&self, workload: &Workload) -> Result<Shown> {
        let options = self.apply_options();
        let changes = self.connected(async |cluster| Ok(cluster.diff(workload, &options).await?))?;
        let text = match changes.as_slice() {
            [] => format!("nothing would change in the namespace `{}`", workload.namespace),
            changes => changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        };
        let result = json!({ "namespace": workload.namespace.as_str(), "changes": changes.iter().map(change).collect::<Vec<_>>() });
        Ok(Shown { text, result })
    }
}

fn manifests(workload: &Workload) -> Result<Shown> {
    let unfit = |error: mlci_k8s::WorkloadError| Error::invalid(error.to_string());
    let mut workload = workload.clone();
    workload.manifests.iter_mut().for_each(mlci_k8s::Manifest::hide_secret);
    // What whoever deploys has to be allowed.
    let role = mlci_k8s::role(&workload, &Name::legal(&format!("{}-deploy", workload.name))).map_err(unfit)?;
    Ok(Shown {
        text: workload.render_yaml().map_err(unfit)?,
        result: json!({ "manifests": workload.render().map_err(unfit)?, "role": role }),
    })
}

pub(in crate::deploy) fn change(diff: &ObjectDiff) -> Value {
    let object = json!({
        "api_version": diff.object.api_version, "kind": diff.object.kind, "name": diff.object.name,
    });
    match &diff.difference {
        Difference::New => json!({ "object": object, "difference": "new" }),
        Difference::Removed => json!({ "object": object, "difference": "removed" }),
        Difference::Changed(fields) => {
            let fields =
                fields.iter().map(|field| json!({ "path": field.path, "before": field.before, "after": field.after }));
            json!({ "object": object, "difference": "changed", "fields": fields.collect::<Vec<_>>() })
        }
        Difference::Conflict(conflicts) => {
            let conflicts = conflicts.iter().map(|it| json!({ "field": it.field, "manager": it.manager }));
            json!({ "object": object, "difference": "conflict", "conflicts": conflicts.collect::<Vec<_>>() })
        }
        _ => json!({ "object": object }),
    }
}
