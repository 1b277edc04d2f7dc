use std::time::Duration;

use kube::ResourceExt as _;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    apply::Applied,
    cluster::Cluster,
    error::{Error, Result, chain},
    logs::Story,
    rollout::{
        follow::Behind,
        machine::{Expected, Machine, Patience, World},
        watch::{Change, Watched},
    },
};

mod follow;
mod machine;
mod pod;
mod state;
#[cfg(test)]
mod tests;
mod watch;

pub use self::state::{Failure, PodState, Progress, Reason};
use self::state::{Finding, State};
pub(crate) use self::watch::WATCH_SECONDS;

/// How long a rollout may take, and when what looks bad is final.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutOptions {
    /// When the rollout has failed if its pods are not ready. 5 min. From then on, or earlier, the Service has two minutes
    /// to follow them.
    pub timeout: Duration,
    /// How long a pod may find no node, or one that does not take it up. 30 s; more where nodes are added on demand.
    pub unschedulable: Duration,
    /// How many of the last log lines a failure shows. 20.
    pub log_lines: u32,
}

impl Default for RolloutOptions {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { timeout: seconds(300), unschedulable: seconds(30), log_lines: 20 }
    }
}

/// A rollout that is done: every pod runs the expected image and is ready, the Service has it among its endpoints, and
/// none of an earlier version serves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolledOut {
    /// The pods as they were at the end.
    pub progress: Progress,
    /// How long it took.
    pub after: Duration,
}

/// What asking for the log and the events of a failure may take: the failure itself is known already.
const ENRICH: Duration = Duration::from_secs(2);

/// What asking for the state of a rollout may take, before it is taken for failed.
const ASK: Duration = Duration::from_secs(2);

/// A watch that was allowed before has to be refused for this long.
const REFUSED: Duration = Duration::from_secs(10);

/// A refusal is final when it is still there after this time.
const AGAIN: Duration = Duration::from_secs(3);

impl Cluster {
    /// Waits until what was applied is rolled out, and calls `progress` whenever the state of it changes.
    ///
    /// Done is: the Deployment's controller has seen the applied generation, and the pods themselves, as many as there
    /// are to be, run the expected digest and are ready, and the workload's EndpointSlices have them, and none that has
    /// gone; what the nodes' proxies make of these does not show. A failure is returned as soon as it is final: an image
    /// that cannot be pulled, a container that ends twice in a row, a pod that no node takes up for longer than
    /// [`RolloutOptions::unschedulable`], a refusal by quota or admission that is still there after 3 s, a Service that
    /// does not follow its pods for two minutes. One restart is no failure. A lost watch is taken up again, also after
    /// 410 Gone.
    ///
    /// Nothing is changed: after a failure the old pods still serve (they have gone by the time of
    /// [`Reason::Endpoints`]), and a new [`Cluster::apply`] may follow. When the cause lay outside the workload and is
    /// mended, such as an image that was not pushed, [`Cluster::restart`] begins with new pods; to apply the same again
    /// would leave the failed ones, and they fail at once.
    ///
    /// # Errors
    /// [`Error::Rollout`] with the pod, the reason, the last log lines and events; [`Error::Forbidden`] and the like
    /// when the watch, or the list of EndpointSlices, is not allowed; [`Error::TimedOut`] when nothing was heard from the cluster at all.
    pub async fn rollout(
        &self,
        applied: &Applied,
        options: &RolloutOptions,
        mut progress: impl FnMut(&Progress),
    ) -> Result<RolledOut> {
        let start = Instant::now();
        let expected =
            Expected { uid: applied.uid.clone(), generation: applied.generation, digest: applied.image.digest() };
        let patience = Patience {
            again: AGAIN,
            unschedulable: options.unschedulable,
            // Longer than a controller takes to correct it.
            stalled: Duration::from_secs(10),
        };
        let mut machine = Machine::new(expected, patience);
        let mut watched = Watched::new(self, applied);
        let deadline = start + options.timeout;
        let mut shown = None;
        let (mut refused, mut last_error) = (None, None);
        let mut behind: Option<Behind> = None;
        loop {
            let next = machine.next().map_or(deadline, |next| deadline.min(start + next));
            let wake = behind.as_ref().map_or(next, |behind| behind.look);
            let late = tokio::select! {
                change = watched.next() => {
                    match change {
                        Change::World => refused = None,
                        Change::Error(error) => {
                            last_error = Some(chain(&error));
                            if !error.is_refusal() {
                                refused = None;
                                continue;
                            }
                            // An API server that has just started refuses for a moment what it allowed before.
                            let since = *refused.get_or_insert_with(Instant::now);
                            if watched.world().is_none() || since.elapsed() >= REFUSED {
                                return Err(error);
                            }
                            continue;
                        }
                    }
                    false
                }
                () = sleep_until(wake) => Instant::now() >= deadline,
            };
            let Some(world) = watched.world() else {
                if late {
                    let action =
                        format!("watch the rollout of `{}` in namespace `{}`", applied.name, applied.namespace);
                    let (place, after) = (self.place.clone(), options.timeout);
                    return Err(Error::TimedOut { action, place, after, last: last_error });
                }
                continue;
            };
            let mut state = machine.step(world, start.elapsed());
            let asked;
            let mut world = world;
            // What was heard last may be long past, where a watch was lost: before the verdict, it is asked for.
            if late || matches!(state, State::Failed(_)) {
                match timeout(ASK, Watched::now(self, applied)).await {
                    Ok(Ok(now)) => {
                        asked = now;
                        world = &asked;
                        state = machine.step(world, start.elapsed());
                    }
                    _ if !late => {
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                    _ => {}
                }
            }
            let finding = match state {
                State::Done(state) => {
                    let Some(seen) = self.service_is_behind(applied, &state, &world.pods).await else {
                        return Ok(RolledOut { progress: state, after: start.elapsed() });
                    };
                    if shown.as_ref() != Some(&state) {
                        progress(&state);
                        shown = Some(state);
                    }
                    match behind.get_or_insert_with(Behind::new).wait(seen)? {
                        None => continue,
                        Some(words) => Finding::new(Reason::Endpoints, "EndpointsBehind", words),
                    }
                }
                State::Failed(finding) => finding,
                State::Progress(state) if late => timed_out(world, &state, options.timeout, last_error.as_deref()),
                State::Progress(state) => {
                    behind = None;
                    if shown.as_ref() != Some(&state) {
                        progress(&state);
                        shown = Some(state);
                    }
                    continue;
                }
            };
            return Err(self.failure(applied, finding, start.elapsed(), options.log_lines).await);
        }
    }

    /// Adds what the cluster still tells about a failure; what it does not tell is left out.
    async fn failure(&self, applied: &Applied, finding: Finding, after: Duration, lines: u32) -> Error {
        let Finding { reason, pod, container, state, message } = finding;
        let log = async {
            let (pod, container) = (pod.as_deref()?, container.as_deref()?);
            // A container that ended wrote its last words before; one that waits for the first time wrote none.
            let ended = self.log(&applied.namespace, pod, container, lines, true);
            match timeout(ENRICH, ended).await {
                Ok(Ok(log)) if !log.is_empty() => Some(log),
                _ => timeout(ENRICH, self.log(&applied.namespace, pod, container, lines, false)).await.ok()?.ok(),
            }
        };
        let about = match reason {
            Reason::Endpoints => applied.labelled.as_str(),
            _ => pod.as_deref().unwrap_or(applied.name.as_str()),
        };
        let story = timeout(ENRICH, self.story(&applied.namespace, about));
        let (log, story) = tokio::join!(log, story);
        let Story { warnings, probe, ended_by_probe } = story.ok().and_then(Result::ok).unwrap_or_default();
        // The state of a pod does not tell a server that ended from one that the kubelet has ended.
        let (reason, message) = match (reason, probe) {
            (Reason::CrashLoop, Some(said)) if ended_by_probe => (Reason::Probe, format!("{message}; {said}")),
            (Reason::Deadline, Some(said)) => (Reason::Probe, format!("{message}; {said}")),
            (reason, _) => (reason, message),
        };
        Error::Rollout(Box::new(Failure {
            reason,
            workload: applied.name.to_string(),
            namespace: applied.namespace.to_string(),
            place: self.place.clone(),
            log: log.unwrap_or_default(),
            events: warnings,
            pod,
            container,
            state,
            message,
            after,
        }))
    }
}

fn timed_out(world: &World, state: &Progress, after: Duration, error: Option<&str>) -> Finding {
    let pods: Vec<_> = world.pods.iter().filter(|pod| state.pods.iter().any(|it| it.name == pod.name_any())).collect();
    let error = error.map(|error| format!(" (the watch was lost last by: {error})")).unwrap_or_default();
    machine::worst(&pods, Reason::Deadline, "TimedOut", &format!("after {after:?}: {state}{error}"))
}
