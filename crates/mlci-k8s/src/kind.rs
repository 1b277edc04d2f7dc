use kube::core::{ApiResource, GroupVersionKind};

/// A kind of object that is applied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) kind: &'static str,
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    /// With its group, as a Role and an error of the server name it.
    pub(crate) resource: &'static str,
}

impl Kind {
    pub(crate) fn api_resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group, self.version, self.kind), self.plural)
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

const fn core(kind: &'static str, plural: &'static str) -> Kind {
    Kind { kind, group: "", version: "v1", plural, resource: plural }
}

pub(crate) static SERVICE_ACCOUNT: Kind = core("ServiceAccount", "serviceaccounts");
pub(crate) static SERVICE: Kind = core("Service", "services");
pub(crate) static DISRUPTION_BUDGET: Kind = Kind {
    kind: "PodDisruptionBudget",
    group: "policy",
    version: "v1",
    plural: "poddisruptionbudgets",
    resource: "poddisruptionbudgets.policy",
};
pub(crate) static DEPLOYMENT: Kind =
    Kind { kind: "Deployment", group: "apps", version: "v1", plural: "deployments", resource: "deployments.apps" };
