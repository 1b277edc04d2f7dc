use std::{error::Error as StdError, sync::Arc, time::Duration};

use crate::{
    object::ObjectId,
    place::{FieldConflict, Place},
    rollout::Failure,
    workload::WorkloadError,
};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn StdError + Send + Sync>;

/// Why something could not be done with a cluster. `action` says what was tried, as in ``patch deployments.apps `wine`
/// in namespace `staging` ``.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kubeconfig cannot be read, or a file that it names.
    #[error("cannot use the kubeconfig {path}: name one that exists, or set KUBECONFIG")]
    Kubeconfig {
        /// The file, in backquotes, or where it was looked for.
        path: String,
        /// Why.
        source: Cause,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig {path} has no context `{context}`: {}", contexts(known))]
    NoContext {
        /// The context that was named.
        context: String,
        /// The contexts that there are.
        known: Vec<String>,
        /// The file, in backquotes, or where it was looked for.
        path: String,
    },
    /// Something of the context's user cannot be used, such as a plugin that fails.
    #[error("the credentials of {place} cannot be used: try `kubectl --context {} version`", place.context)]
    Credentials {
        /// The cluster.
        place: Arc<Place>,
        /// Why.
        source: Cause,
    },
    /// The API server has it, and the controller has not looked at it.
    #[error(
        "cannot {action}: the Deployment controller of {place} has not seen it within {seconds} s; \
         look whether the controller manager runs, then do the same again"
    )]
    NotSeen {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// How long it was waited for.
        seconds: u64,
    },
    /// No answer from the API server.
    #[error("cannot {action}: {place} is not reachable; check the address, the network and that the cluster runs")]
    Unreachable {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// Why.
        source: Cause,
    },
    /// The API server's certificate is not to be trusted.
    #[error("cannot {action}: the certificate of {place} is refused, {problem}")]
    Certificate {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// What is wrong, and what to do.
        problem: &'static str,
        /// What the TLS library says.
        source: Cause,
    },
    /// The API server does not know who this is.
    #[error(
        "cannot {action}: {place} does not accept the credentials ({message}); a token or client certificate may have \
         expired: log in again"
    )]
    Unauthorized {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// What the server said.
        message: String,
    },
    /// A right is missing.
    #[error(
        "cannot {action}: {place} does not allow the verb `{verb}` on `{resource}`{}; grant it with a Role such as \
         the one that mlci renders ({message})",
        within(namespace.as_deref())
    )]
    Forbidden {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// The verb, such as `patch`.
        verb: &'static str,
        /// The resource with its group, such as `deployments.apps`.
        resource: String,
        /// The namespace.
        namespace: Option<String>,
        /// What the server said.
        message: String,
    },
    /// There is no such namespace.
    #[error("{place} has no namespace `{namespace}`: create it, or ask for it to be created")]
    NamespaceMissing {
        /// The namespace.
        namespace: String,
        /// The cluster.
        place: Arc<Place>,
    },
    /// The namespace is being deleted.
    #[error("namespace `{namespace}` of {place} is being deleted: wait until it is gone, or choose another")]
    NamespaceTerminating {
        /// The namespace.
        namespace: String,
        /// The cluster.
        place: Arc<Place>,
    },
    /// What was asked for is not there.
    #[error("cannot {action}: it is not in {place}")]
    NotFound {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
    },
    /// A Deployment of that name is there, and mlci has not made it (or its image is not named by a digest).
    #[error("cannot {action}: it is in {place}, but was not deployed by mlci; apply a workload first")]
    NotOurs {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
    },
    /// The cluster has no such kind of object.
    #[error(
        "cannot apply {object}: {place} has no such kind in `{}`; install what defines it, or leave the object out",
        object.api_version
    )]
    NoKind {
        /// The object.
        object: ObjectId,
        /// The cluster.
        place: Arc<Place>,
    },
    /// An object of the user's own is in no namespace, and would outlive the workload.
    #[error("cannot apply {object}: in {place} it belongs to the whole cluster; apply it by other means")]
    ClusterScoped {
        /// The object.
        object: ObjectId,
        /// The cluster.
        place: Arc<Place>,
    },
    /// Others manage fields that would be changed. Nothing was.
    #[error("cannot {action}: {} in {place}; leave these fields to them, or have them given up", list(conflicts))]
    Conflict {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// Which fields, and who.
        conflicts: Vec<FieldConflict>,
    },
    /// The cluster refused the object: invalid, over quota, or against a policy.
    #[error("cannot {action}: {place} refuses it: {message}")]
    Refused {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// What the server said.
        message: String,
    },
    /// An admission webhook that has to be asked gives no answer that can be used.
    #[error(
        "cannot {action}: an admission webhook of {place} does not answer ({message}); see that its server runs and is \
         reached from the API server"
    )]
    Webhook {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// What the API server said, with the webhook's name and address.
        message: String,
    },
    /// Another answer than was to be expected.
    #[error("cannot {action}: {place} answers {status}: {message}")]
    Api {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// The HTTP status.
        status: u16,
        /// What the server said.
        message: String,
    },
    /// The answer is not one of the Kubernetes API.
    #[error("cannot {action}: the answer of {place} cannot be understood; is it a Kubernetes API server?")]
    Answer {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// Why.
        source: Cause,
    },
    /// The time was up.
    #[error("cannot {action}: {place} did not answer within {after:?}{}", last_words(last.as_deref()))]
    TimedOut {
        /// What was tried.
        action: String,
        /// The cluster.
        place: Arc<Place>,
        /// The limit.
        after: Duration,
        /// The last error before the time was up.
        last: Option<String>,
    },
    /// The workload is not one that a cluster would take.
    #[error("the workload cannot be rendered")]
    Workload {
        /// Why.
        #[from]
        source: WorkloadError,
    },
    /// The rollout failed.
    #[error(transparent)]
    Rollout(Box<Failure>),
    /// The Service sends to no pod.
    #[error(
        "the Service `{service}` in namespace `{namespace}` of {place} has no ready pod to send to: look at its pods"
    )]
    NoEndpoint {
        /// The Service.
        service: String,
        /// Its namespace.
        namespace: String,
        /// The cluster.
        place: Arc<Place>,
    },
    /// A pod did not take a forwarded connection.
    #[error("cannot connect to port {port} of pod `{pod}` in {place}: {message}")]
    Forward {
        /// The pod.
        pod: String,
        /// The port.
        port: u16,
        /// The cluster.
        place: Arc<Place>,
        /// What the kubelet said.
        message: String,
    },
    /// No local port for a port-forward.
    #[error("cannot listen on a loopback address for a port-forward")]
    Listen {
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether this will not pass by itself: who is asking is not known or has not the right, or the server is not
    /// the one that was meant.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized { .. } | Self::Forbidden { .. } | Self::Credentials { .. } | Self::Certificate { .. }
        )
    }

    /// Whether the API server is away, or has more to do than it can.
    pub(crate) const fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Api { status: 429 | 503 | 504, .. })
    }

    /// Whether the same call may well work a moment later.
    pub(crate) const fn is_transient(&self) -> bool {
        self.is_away() || matches!(self, Self::Webhook { .. } | Self::Api { status: 500 | 502, .. })
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn contexts(known: &[String]) -> String {
    if known.is_empty() {
        return "it has none; name another file".to_owned();
    }
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("it has {}", known.join(", "))
}

fn within(namespace: Option<&str>) -> String {
    namespace.map(|namespace| format!(" in namespace `{namespace}`")).unwrap_or_default()
}

fn last_words(last: Option<&str>) -> String {
    last.map(|last| format!(" (last: {last})")).unwrap_or_default()
}

fn list(conflicts: &[FieldConflict]) -> String {
    conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
