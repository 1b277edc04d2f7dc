use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentSpec, ReplicaSet},
    core::v1::{Pod, PodTemplateSpec},
};
use mlci_core::Digest;

use crate::{
    render::CONTAINER,
    rollout::{
        pod,
        state::{Finding, Progress, Reason, State},
    },
};

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The Deployment that was applied, and no other of its name.
    pub(crate) uid: String,
    /// What `metadata.generation` was after it.
    pub(crate) generation: i64,
    /// The image that every pod is to run.
    pub(crate) digest: Digest,
}

/// For how long something has to be seen before it is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patience {
    /// A refusal or a failed pull of an image that is not there: long enough for a second attempt or a late Secret.
    pub(crate) again: Duration,
    /// A pod that no node takes, or the one that it was given to does not take up.
    pub(crate) unschedulable: Duration,
    /// The cluster's own word that there was no progress, which may be left over from the rollout before.
    pub(crate) stalled: Duration,
}

/// What is known of the cluster: the last state of each object, never older than what was applied.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) deployment: Option<Deployment>,
    pub(crate) replica_sets: Vec<ReplicaSet>,
    pub(crate) pods: Vec<Pod>,
}

/// Something that makes a rollout fail once it has been seen for long enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspicion {
    /// The object and the state that it is in.
    key: (String, String),
    needed: Duration,
    finding: Finding,
}

impl Suspicion {
    pub(crate) fn new(uid: &str, needed: Duration, finding: Finding) -> Self {
        Self { key: (uid.to_owned(), finding.state.clone()), needed, finding }
    }
}

/// Judges a rollout by the state of the world alone, so that it does not matter in which order the parts of it were
/// heard of, or how many states in between were missed. The one thing that it remembers is since when a suspicion has
/// held without a break; time is what the caller says.
#[derive(Debug)]
pub(crate) struct Machine {
    expected: Expected,
    patience: Patience,
    since: BTreeMap<(String, String), Duration>,
    next: Option<Duration>,
}

/// So many pods in a row that fail on their nodes are no chance.
const FAILED_PODS: usize = 3;

impl Machine {
    pub(crate) const fn new(expected: Expected, patience: Patience) -> Self {
        Self { expected, patience, since: BTreeMap::new(), next: None }
    }

    /// When a suspicion becomes final if nothing changes until then.
    pub(crate) const fn next(&self) -> Option<Duration> {
        self.next
    }

    pub(crate) fn step(&mut self, world: &World, now: Duration) -> State {
        let Some(deployment) = world.deployment.as_ref() else {
            return State::Failed(Finding::new(Reason::Deleted, "Deleted", "the Deployment is gone"));
        };
        if deployment.metadata.uid.as_ref() != Some(&self.expected.uid) {
            let message = "the Deployment was deleted and made again";
            return State::Failed(Finding::new(Reason::Deleted, "Deleted", message));
        }
        let generation = deployment.metadata.generation.unwrap_or(0);
        let Some(spec) = deployment.spec.as_ref().filter(|_| generation >= self.expected.generation) else {
            return State::Progress(Progress::default());
        };
        if generation > self.expected.generation && !is_image(&spec.template, self.expected.digest) {
            let message = format!("generation {generation} of the Deployment has another image");
            return State::Failed(Finding::new(Reason::Superseded, "Superseded", message));
        }
        let new = new_replica_set(deployment, spec, &world.replica_sets);
        let new_uid = new.and_then(|set| set.metadata.uid.as_deref());
        let (ours, others): (Vec<&Pod>, Vec<&Pod>) =
            world.pods.iter().partition(|pod| new_uid.is_some_and(|uid| pod::is_owned_by(pod, uid)));
        let progress = self.progress(deployment, spec, &ours, &others, &world.replica_sets);
        if self.is_done(deployment, generation, new, &progress) {
            self.since.clear();
            self.next = None;
            return State::Done(progress);
        }
        if spec.paused == Some(true) {
            return State::Failed(Finding::new(Reason::Paused, "Paused", "the Deployment is paused"));
        }
        match self.verdict(self.suspicions(deployment, new, &ours, &world.pods), now) {
            Some(finding) => State::Failed(finding),
            None => State::Progress(progress),
        }
    }

    fn progress(
        &self,
        deployment: &Deployment,
        spec: &DeploymentSpec,
        ours: &[&Pod],
        others: &[&Pod],
        sets: &[ReplicaSet],
    ) -> Progress {
        let digest = self.expected.digest;
        let live: Vec<_> = ours.iter().filter(|pod| pod::is_live(pod)).collect();
        // Pods of someone else that have the labels, such as a canary's, do not count.
        let is_old = |pod: &&&Pod| {
            let mut sets = sets.iter().filter(|set| is_set_of(set, deployment));
            pod::is_live(pod)
                && sets.any(|set| set.metadata.uid.as_deref().is_some_and(|uid| pod::is_owned_by(pod, uid)))
        };
        let mut pods: Vec<_> = live.iter().map(|pod| pod::describe(pod, digest)).collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        Progress {
            desired: u32::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0),
            updated: count(live.len()),
            ready: count(live.iter().filter(|pod| pod::serves(pod, digest)).count()),
            old: count(others.iter().filter(is_old).count()),
            pods,
        }
    }

    /// The controller has seen this generation, and both its numbers and the pods themselves say the same.
    fn is_done(&self, deployment: &Deployment, generation: i64, new: Option<&ReplicaSet>, progress: &Progress) -> bool {
        let Some(status) = &deployment.status else { return false };
        let number = |number: Option<i32>| u32::try_from(number.unwrap_or(0)).unwrap_or(0);
        let Progress { desired, updated, ready, old, .. } = *progress;
        new.is_some()
            && status.observed_generation.unwrap_or(0) >= generation
            && [number(status.replicas), number(status.updated_replicas), number(status.available_replicas)]
                == [desired; 3]
            && [updated, ready, old] == [desired, desired, 0]
    }

    fn suspicions(
        &self,
        deployment: &Deployment,
        new: Option<&ReplicaSet>,
        ours: &[&Pod],
        all: &[Pod],
    ) -> Vec<Suspicion> {
        let mut found = Vec::new();
        let live = || ours.iter().filter(|pod| pod::is_live(pod));
        let failing = live().filter(|pod| pod::pull_fails(pod)).count();
        for pod in live() {
            if !pod::has_digest(pod, self.expected.digest) {
                let message = format!("its image was changed to `{}`", pod::image(pod).unwrap_or_default());
                let finding = Finding::new(Reason::Admission, "OtherImage", message).of_pod(pod::name(pod));
                found.push(Suspicion::new(pod.metadata.uid.as_deref().unwrap_or_default(), Duration::ZERO, finding));
            }
            found.extend(pod::suspicions(pod, &self.patience, failing));
        }
        let failed: Vec<_> = ours.iter().filter(|pod| pod::phase(pod) == "Failed").collect();
        if let Some(pod) = failed.get(FAILED_PODS - 1) {
            let status = pod.status.clone().unwrap_or_default();
            let message = format!("{} pods failed; the last: {}", failed.len(), status.message.unwrap_or_default());
            let state = status.reason.unwrap_or_else(|| "Failed".to_owned());
            found.push(Suspicion::new(
                "",
                Duration::ZERO,
                Finding::new(Reason::PodsFail, state, message).of_pod(pod::name(pod)),
            ));
        }
        // What is on its way out still counts against the quota, and will free it.
        let leaving = all.iter().any(|pod| pod.metadata.deletion_timestamp.is_some());
        if let Some(set) = new.filter(|_| !leaving) {
            let conditions = set.status.iter().flat_map(|status| status.conditions.iter().flatten());
            for condition in conditions.filter(|it| it.type_ == "ReplicaFailure" && it.status == "True") {
                found.push(self.refusal(
                    set.metadata.uid.as_deref(),
                    condition.reason.as_deref(),
                    condition.message.as_deref(),
                ));
            }
        }
        let conditions = deployment.status.iter().flat_map(|status| status.conditions.iter().flatten());
        for condition in conditions.filter(|it| it.type_ == "Progressing" && it.status == "False") {
            match condition.reason.as_deref() {
                Some("ProgressDeadlineExceeded") => {
                    let message = condition.message.as_deref().unwrap_or("there was no progress");
                    let finding = worst(ours, Reason::Deadline, "ProgressDeadlineExceeded", message);
                    found.push(Suspicion::new(&self.expected.uid, self.patience.stalled, finding));
                }
                Some("ReplicaSetCreateError") if new.is_none() => {
                    found.push(self.refusal(
                        Some(&self.expected.uid),
                        condition.reason.as_deref(),
                        condition.message.as_deref(),
                    ));
                }
                _ => {}
            }
        }
        found
    }

    fn refusal(&self, uid: Option<&str>, state: Option<&str>, message: Option<&str>) -> Suspicion {
        let message = message.unwrap_or("the API server refuses the pods");
        let reason = if message.contains("exceeded quota") || message.contains("failed quota") {
            Reason::Quota
        } else {
            Reason::Admission
        };
        let finding = Finding::new(reason, state.unwrap_or("FailedCreate"), message);
        Suspicion::new(uid.unwrap_or_default(), self.patience.again, finding)
    }

    /// The first suspicion that has held for long enough. What no longer holds is forgotten.
    fn verdict(&mut self, suspicions: Vec<Suspicion>, now: Duration) -> Option<Finding> {
        let before = std::mem::take(&mut self.since);
        self.next = None;
        let mut verdict = None;
        for Suspicion { key, needed, finding } in suspicions {
            let since = before.get(&key).copied().unwrap_or(now);
            let due = since.saturating_add(needed);
            if now >= due {
                verdict.get_or_insert(finding);
            }
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
            self.since.insert(key, since);
        }
        verdict
    }
}

/// The finding for a rollout without progress: with the first pod that is not ready, if there is one.
pub(crate) fn worst(pods: &[&Pod], reason: Reason, state: &str, message: &str) -> Finding {
    let mut pods: Vec<_> = pods.iter().filter(|pod| pod::is_live(pod)).collect();
    pods.sort_by_key(|pod| pod::name(pod));
    let unready = pods.into_iter().find(|pod| {
        !pod.status
            .iter()
            .any(|status| status.conditions.iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True"))
    });
    let finding = Finding::new(reason, state, message);
    match unready {
        Some(pod) => finding.of_pod(pod::name(pod)).of_container(CONTAINER),
        None => finding,
    }
}

/// The ReplicaSet of the present template, found as the Deployment's controller finds it: by equal templates. (Its
/// revision annotation is written at another moment than `observedGeneration`, so that after a rollback the two name
/// different versions for a while.) Of several, the oldest.
pub(crate) fn new_replica_set<'a>(
    deployment: &Deployment,
    spec: &DeploymentSpec,
    sets: &'a [ReplicaSet],
) -> Option<&'a ReplicaSet> {
    let owned = |set: &&ReplicaSet| is_set_of(set, deployment);
    let same = |set: &&ReplicaSet| {
        let Some(mut template) = set.spec.as_ref().and_then(|spec| spec.template.clone()) else { return false };
        if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
            labels.remove("pod-template-hash");
        }
        template == spec.template
    };
    let age = |set: &&ReplicaSet| (set.metadata.creation_timestamp.clone(), set.metadata.name.clone());
    sets.iter().filter(owned).filter(same).min_by_key(age)
}

fn is_set_of(set: &ReplicaSet, deployment: &Deployment) -> bool {
    set.metadata.owner_references.iter().flatten().any(|owner| Some(&owner.uid) == deployment.metadata.uid.as_ref())
}

fn is_image(template: &PodTemplateSpec, digest: Digest) -> bool {
    let containers = template.spec.iter().flat_map(|spec| &spec.containers);
    let image = containers.filter(|it| it.name == CONTAINER).find_map(|it| it.image.as_deref());
    image.and_then(|image| image.split_once('@')).is_some_and(|(_, text)| text.parse() == Ok(digest))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
