use std::borrow::Cow;

use kube::core::{ApiResource, GroupVersionKind};

/// A kind of object that is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) kind: Cow<'static, str>,
    group: Cow<'static, str>,
    version: Cow<'static, str>,
    plural: Cow<'static, str>,
    /// With its group, as a Role and an error of the server name it.
    pub(crate) resource: Cow<'static, str>,
}

impl Kind {
    pub(crate) fn api_resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(&self.group, &self.version, &self.kind), &self.plural)
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    pub(crate) fn plural(&self) -> &str {
        &self.plural
    }

    /// A kind that the cluster itself has told of.
    pub(crate) fn of(resource: ApiResource) -> Self {
        let ApiResource { group, version, kind, plural, .. } = resource;
        let dotted = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
        Self {
            kind: kind.into(),
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            resource: dotted.into(),
        }
    }

    /// One of those that are rendered here, which need not be asked for.
    pub(crate) fn known(api_version: &str, kind: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|it| it.kind == kind && it.api_version() == api_version)
    }
}

const fn core(kind: &'static str, plural: &'static str) -> Kind {
    grouped(kind, "", "v1", plural, plural)
}

const fn grouped(
    kind: &'static str,
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    resource: &'static str,
) -> Kind {
    Kind {
        kind: Cow::Borrowed(kind),
        group: Cow::Borrowed(group),
        version: Cow::Borrowed(version),
        plural: Cow::Borrowed(plural),
        resource: Cow::Borrowed(resource),
    }
}

pub(crate) static SERVICE_ACCOUNT: Kind = core("ServiceAccount", "serviceaccounts");
pub(crate) static SERVICE: Kind = core("Service", "services");
pub(crate) static CONFIG_MAP: Kind = core("ConfigMap", "configmaps");
pub(crate) static DISRUPTION_BUDGET: Kind =
    grouped("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", "poddisruptionbudgets.policy");
pub(crate) static AUTOSCALER: Kind = grouped(
    "HorizontalPodAutoscaler",
    "autoscaling",
    "v2",
    "horizontalpodautoscalers",
    "horizontalpodautoscalers.autoscaling",
);
pub(crate) static NETWORK_POLICY: Kind =
    grouped("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", "networkpolicies.networking.k8s.io");
pub(crate) static INGRESS: Kind =
    grouped("Ingress", "networking.k8s.io", "v1", "ingresses", "ingresses.networking.k8s.io");
pub(crate) static ROUTE: Kind =
    grouped("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes", "httproutes.gateway.networking.k8s.io");
pub(crate) static SERVICE_MONITOR: Kind = grouped(
    "ServiceMonitor",
    "monitoring.coreos.com",
    "v1",
    "servicemonitors",
    "servicemonitors.monitoring.coreos.com",
);
pub(crate) static DEPLOYMENT: Kind = grouped("Deployment", "apps", "v1", "deployments", "deployments.apps");

static ALL: [&Kind; 10] = [
    &SERVICE_ACCOUNT,
    &SERVICE,
    &CONFIG_MAP,
    &DISRUPTION_BUDGET,
    &AUTOSCALER,
    &NETWORK_POLICY,
    &INGRESS,
    &ROUTE,
    &SERVICE_MONITOR,
    &DEPLOYMENT,
];
