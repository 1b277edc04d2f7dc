use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use mlci_core::Digest;

use crate::{
    render::CONTAINER,
    rollout::{
        machine::{Patience, Suspicion},
        state::{Finding, PodState, Reason},
    },
};

/// A pod that is to serve: not on its way out, not evicted, not finished.
pub(crate) fn is_live(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase(pod), "Failed" | "Succeeded")
}

pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

pub(crate) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

pub(crate) fn is_owned_by(pod: &Pod, uid: &str) -> bool {
    pod.metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid)
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a k8s_openapi::api::core::v1::PodCondition> {
    pod.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

fn server(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.iter().flatten().find(|status| status.name == CONTAINER)
}

/// The image that the kubelet was told to run: the specification as it was read back, after every webhook.
pub(crate) fn image(pod: &Pod) -> Option<&str> {
    let containers = &pod.spec.as_ref()?.containers;
    containers.iter().find(|container| container.name == CONTAINER)?.image.as_deref()
}

/// Whether the pod runs this image and is ready.
///
/// The digest is looked for in the specification: a kubelet that is given a digest runs that content or nothing. The
/// status' `imageID` is no proof against it, since it may name the platform's manifest inside an index, the
/// configuration, or another manifest with the same configuration. That it is there shows that the image was pulled.
pub(crate) fn serves(pod: &Pod, digest: Digest) -> bool {
    let ready = condition(pod, "Ready").is_some_and(|condition| condition.status == "True");
    let running = server(pod).is_some_and(|status| {
        let started = status.state.as_ref().is_some_and(|state| state.running.is_some());
        status.ready && started && !status.image_id.is_empty()
    });
    is_live(pod) && ready && running && has_digest(pod, digest)
}

pub(crate) fn has_digest(pod: &Pod, digest: Digest) -> bool {
    image(pod).and_then(|image| image.split_once('@')).is_some_and(|(_, text)| text.parse() == Ok(digest))
}

fn waiting(status: &ContainerStatus) -> Option<(&str, &str)> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    Some((waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default()))
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.into_iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    init.chain(status.into_iter().flat_map(|status| status.container_statuses.iter().flatten()))
}

/// The pod in one word, as the column STATUS of `kubectl get pods` has it.
pub(crate) fn describe(pod: &Pod, digest: Digest) -> PodState {
    let by_container = statuses(pod).find_map(|status| {
        let state = status.state.as_ref()?;
        let ended = state.terminated.as_ref().map(|end| end.reason.as_deref().unwrap_or("Error"));
        waiting(status).map(|(reason, _)| reason).or(ended)
    });
    let unschedulable = condition(pod, "PodScheduled")
        .filter(|condition| condition.status == "False")
        .and_then(|condition| condition.reason.as_deref());
    let state = if pod.metadata.deletion_timestamp.is_some() {
        "Terminating"
    } else {
        by_container.or(unschedulable).unwrap_or_else(|| phase(pod))
    };
    let restarts = statuses(pod).map(|status| u32::try_from(status.restart_count).unwrap_or(0)).sum();
    PodState { name: name(pod).to_owned(), state: state.to_owned(), ready: serves(pod, digest), restarts }
}

/// The node that has been given the pod and has not taken it up: a kubelet sets the pod's start time before it does
/// anything else (`status.startTime`).
fn unacknowledged(pod: &Pod) -> Option<&str> {
    let started = pod.status.as_ref().is_some_and(|status| status.start_time.is_some());
    let node = pod.spec.as_ref()?.node_name.as_deref()?;
    (!started && phase(pod) == "Pending").then_some(node)
}

/// What the registry or the runtime says when trying again cannot help.
fn is_permanent(message: &str) -> bool {
    let message = message.to_lowercase();
    ["not found", "manifest unknown", "name unknown", "denied", "unauthorized", "forbidden", "no such image"]
        .iter()
        .any(|words| message.contains(words))
}

/// Everything about the pod that may mean that it will never serve.
pub(crate) fn suspicions(pod: &Pod, patience: &Patience, pulls_failing: usize) -> Vec<Suspicion> {
    let mut found = Vec::new();
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    if let Some(condition) = condition(pod, "PodScheduled")
        && condition.status == "False"
        && condition.reason.as_deref() == Some("Unschedulable")
    {
        let message = condition.message.as_deref().unwrap_or("no node takes the pod");
        let finding = Finding::new(Reason::Unschedulable, "Unschedulable", message).of_pod(name(pod));
        found.push(Suspicion::new(uid, patience.unschedulable, finding));
    }
    if let Some(node) = unacknowledged(pod) {
        let message = format!("its node `{node}` does not take it up");
        let finding = Finding::new(Reason::Node, "NotAcknowledged", message).of_pod(name(pod));
        found.push(Suspicion::new(uid, patience.unschedulable, finding));
    }
    for status in statuses(pod) {
        let Some((state, message)) = waiting(status) else { continue };
        let (reason, needed) = match state {
            "ErrImagePull" if is_permanent(message) => {
                // Seen twice: in two pods, or still there a moment later.
                (Reason::ImagePull, if pulls_failing >= 2 { Duration::ZERO } else { patience.again })
            }
            "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError" => {
                (Reason::ImagePull, Duration::ZERO)
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
                (Reason::Container, patience.again)
            }
            // The first restart comes without a pause and counts as bad luck.
            "CrashLoopBackOff" if status.restart_count >= 1 => {
                let reason = match ended(status).and_then(|end| end.reason.as_deref()) {
                    Some("OOMKilled") => Reason::OutOfMemory,
                    Some("StartError" | "ContainerCannotRun") => Reason::Container,
                    _ => Reason::CrashLoop,
                };
                (reason, Duration::ZERO)
            }
            _ => continue,
        };
        let message = match ended(status) {
            Some(end) => describe_end(status, end),
            None => message.to_owned(),
        };
        let finding = Finding::new(reason, state, message).of_pod(name(pod)).of_container(&status.name);
        found.push(Suspicion::new(uid, needed, finding));
    }
    found
}

/// Whether an image could not be pulled, and trying again cannot help.
pub(crate) fn pull_fails(pod: &Pod) -> bool {
    statuses(pod)
        .any(|status| waiting(status).is_some_and(|(state, text)| state == "ErrImagePull" && is_permanent(text)))
}

fn ended(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let of = |state: &Option<ContainerState>| state.as_ref().and_then(|state| state.terminated.as_ref()).is_some();
    let state = if of(&status.state) { &status.state } else { &status.last_state };
    state.as_ref()?.terminated.as_ref()
}

fn describe_end(status: &ContainerStatus, end: &ContainerStateTerminated) -> String {
    let reason = end.reason.as_deref().unwrap_or("Error");
    let code = match end.signal {
        Some(signal) => format!("signal {signal}"),
        None => format!("exit code {}", end.exit_code),
    };
    let times = status.restart_count.saturating_add(1);
    let text = format!("it ended {times} times, the last time with {code} ({reason})");
    match end.message.as_deref() {
        // A program that never ran wrote no log.
        Some(message) if matches!(reason, "StartError" | "ContainerCannotRun") => format!("{text}: {}", message.trim()),
        _ => text,
    }
}
