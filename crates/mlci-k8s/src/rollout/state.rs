use std::{fmt, sync::Arc, time::Duration};

use crate::place::Place;

/// How far a rollout is, for a line or a table on a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many pods there are to be.
    pub desired: u32,
    /// How many pods of the new version exist.
    pub updated: u32,
    /// How many of these run the expected image and are ready.
    pub ready: u32,
    /// How many pods of earlier versions still serve.
    pub old: u32,
    /// The pods of the new version, by name.
    pub pods: Vec<PodState>,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} pods ready", self.ready, self.desired)?;
        if self.old > 0 {
            write!(f, ", {} of the version before", self.old)?;
        }
        for pod in self.pods.iter().filter(|pod| !pod.ready) {
            write!(f, ", {} {}", pod.name, pod.state)?;
        }
        Ok(())
    }
}

/// One pod of the new version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodState {
    /// Its name.
    pub name: String,
    /// What the cluster says of it in a word, such as `Pending`, `ContainerCreating`, `Running`, `CrashLoopBackOff`.
    pub state: String,
    /// Whether it runs the expected image and is ready.
    pub ready: bool,
    /// How often its container was started again.
    pub restarts: u32,
}

/// Why a rollout cannot succeed, by kind. The cluster's own word is [`Failure::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The image cannot be pulled.
    ImagePull,
    /// The container cannot be made or started, as with a missing Secret or entry point.
    Container,
    /// The container ends again and again.
    CrashLoop,
    /// The container ends again and again because it uses more memory than it may.
    OutOfMemory,
    /// The server runs, and a probe never says yes.
    Probe,
    /// No node takes the pod.
    Unschedulable,
    /// A node does not take up the pod that it was given.
    Node,
    /// The namespace's quota is used up.
    Quota,
    /// A policy or an admission webhook refuses the pods, or changes their image.
    Admission,
    /// Pods are evicted or fail on their nodes, again and again.
    PodsFail,
    /// The time was up before every pod was ready.
    Deadline,
    /// The pods are ready, and the Service's endpoints lack them, or still have what has gone.
    Endpoints,
    /// Another version was applied in the meantime.
    Superseded,
    /// The Deployment was deleted in the meantime.
    Deleted,
    /// The Deployment is paused.
    Paused,
}

impl Reason {
    /// What to do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ImagePull => {
                "check that the image was pushed and that the nodes may pull it; a private registry takes a pull secret"
            }
            Self::Container => "check what the pod refers to, and the image's entry point",
            Self::CrashLoop => "see the last lines of its log",
            Self::OutOfMemory => "give the workload more memory",
            Self::Probe => "see what the probe was answered and the log; give the server longer if it only needs time",
            Self::Unschedulable => "ask for less, or add a node",
            Self::Node => {
                "look at the node and its kubelet; once it is back, or another has the pod, the rollout goes on"
            }
            Self::Quota => "ask for less, or raise the namespace's quota",
            Self::Admission => "see the message for the policy or webhook that refuses the pods",
            Self::PodsFail => "look at the nodes",
            Self::Deadline => "see the state of the pods and their events",
            Self::Endpoints => {
                "see whether the cluster's controllers run; of missing pods, see the Service's selector and port `http`"
            }
            Self::Superseded => "someone else deploys to the same place",
            Self::Deleted => "someone else works in the same place",
            Self::Paused => "resume it with `kubectl rollout resume`",
        }
    }
}

/// A rollout that cannot succeed, with what the cluster shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The kind of failure.
    pub reason: Reason,
    /// The workload.
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// The cluster.
    pub place: Arc<Place>,
    /// The pod that shows it, if it is one pod's.
    pub pod: Option<String>,
    /// The container in the pod, if it is a container's.
    pub container: Option<String>,
    /// The cluster's own word for it, such as `ImagePullBackOff`.
    pub state: String,
    /// The cluster's own message, and what it knows of the last end of a container.
    pub message: String,
    /// The last lines that the container wrote, the newest last. Empty if there are none.
    pub log: Vec<String>,
    /// The warnings among the pod's or the workload's events, the newest last.
    pub events: Vec<String>,
    /// How long after the rollout's start it was known.
    pub after: Duration,
}

impl fmt::Display for Failure {
    /// One sentence, then the last events and log lines, each on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, namespace, place, state, message, .. } = self;
        write!(f, "the rollout of `{workload}` in namespace `{namespace}` of {place} failed: ")?;
        if let Some(pod) = &self.pod {
            write!(f, "pod `{pod}`, ")?;
        }
        if let Some(container) = &self.container {
            write!(f, "container `{container}`, ")?;
        }
        write!(f, "{state}: {message}; {}", self.reason.advice())?;
        for event in &self.events {
            write!(f, "\n  event: {event}")?;
        }
        for line in &self.log {
            write!(f, "\n  log: {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// What the machine finds, before the cluster is asked for log and events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) reason: Reason,
    pub(crate) pod: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) state: String,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(reason: Reason, state: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, pod: None, container: None, state: state.into(), message: message.into() }
    }

    pub(crate) fn of_pod(mut self, pod: impl Into<String>) -> Self {
        self.pod = Some(pod.into());
        self
    }

    pub(crate) fn of_container(mut self, container: impl Into<String>) -> Self {
        self.container = Some(container.into());
        self
    }
}

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Progress(Progress),
    Done(Progress),
    Failed(Finding),
}
