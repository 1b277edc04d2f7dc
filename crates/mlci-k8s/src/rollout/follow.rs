//! The Service after its pods: the cluster's controllers bring its endpoints up to date some time after the
//! Deployment's status, mostly milliseconds.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::ListParams};
use tokio::time::{Instant, timeout};

use crate::{
    apply::Applied,
    call::Action,
    cluster::Cluster,
    error::{Error, Result, chain},
    rollout::{ASK, REFUSED, pod, state::Progress},
};

/// Controllers that have lost the API server come back within a minute (client-go, `tools/cache/reflector.go`: pauses
/// grow to 30 s, and to twice that by chance).
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

/// A Service that is behind its pods.
#[derive(Debug)]
pub(super) struct Behind {
    since: Instant,
    looks: u32,
    /// When to look at it again.
    pub(super) look: Instant,
}

impl Behind {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), looks: 0, look: Instant::now() }
    }

    /// Waits for the next look; says what was seen once the time is up.
    pub(super) fn wait(&mut self, seen: Result<String>) -> Result<Option<String>> {
        let after = self.since.elapsed();
        let seen = match seen {
            Ok(words) => words,
            // One that has just started refuses for a moment what it allows.
            Err(error) if error.is_refusal() && after >= REFUSED => return Err(error),
            Err(error) => format!("what its Service sends to is not known ({})", chain(&error)),
        };
        if after >= LIMIT {
            return Ok(Some(format!("for {after:.0?} after its pods were ready, {seen}")));
        }
        self.look = Instant::now() + PAUSE * (1 << self.looks.min(4));
        self.looks = self.looks.saturating_add(1);
        Ok(None)
    }
}

impl Cluster {
    /// What the workload's Service has still to do, if anything: to send to every pod of the rollout, and to none that
    /// has gone. `known`: the workload's pods.
    pub(super) async fn service_is_behind(
        &self,
        applied: &Applied,
        progress: &Progress,
        known: &[Pod],
    ) -> Option<Result<String>> {
        match timeout(ASK, self.difference(applied, progress, known)).await {
            Ok(seen) => seen.transpose(),
            Err(_) => {
                let action = Action::all("list", "endpointslices.discovery.k8s.io", applied.namespace.as_str());
                let (action, place) = (action.to_string(), self.place.clone());
                Some(Err(Error::TimedOut { action, place, after: ASK, last: None }))
            }
        }
    }

    async fn difference(&self, applied: &Applied, progress: &Progress, known: &[Pod]) -> Result<Option<String>> {
        let endpoints = self.all_endpoints(&applied.namespace, &applied.labelled).await?;
        let sent_to: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.pod.as_str()).collect();
        let new: BTreeSet<&str> = progress.pods.iter().map(|pod| pod.name.as_str()).collect();
        let missing: Vec<&str> = new.difference(&sent_to).copied().collect();
        let gone = self.gone(applied, known, sent_to.difference(&new).copied().collect()).await?;
        let missing =
            (!missing.is_empty()).then(|| format!("does not send to {} by a port `http`", missing.join(", ")));
        let gone = (!gone.is_empty()).then(|| format!("still sends to what has gone: {}", gone.join(", ")));
        let parts: Vec<String> = missing.into_iter().chain(gone).collect();
        Ok((!parts.is_empty()).then(|| format!("the Service `{}` {}", applied.labelled, parts.join(", and "))))
    }

    /// Those of these pods that are not there any more, have ended, or are on their way out. Pods of a canary, or of
    /// another workload that the Service was patched to send to as well, are there.
    async fn gone<'p>(&self, applied: &Applied, known: &[Pod], mut pods: Vec<&'p str>) -> Result<Vec<&'p str>> {
        let keep_gone = |pods: &mut Vec<&str>, seen: &[Pod]| {
            let live: BTreeSet<String> = seen.iter().filter(|pod| pod::is_live(pod)).map(Pod::name_any).collect();
            pods.retain(|pod| !live.contains(*pod));
        };
        keep_gone(&mut pods, known);
        // All of the namespace, which may be many, only for those that are not the workload's.
        if !pods.is_empty() {
            let action = Action::all("list", "pods", applied.namespace.as_str());
            let (api, all) = (self.pod_api(&applied.namespace), ListParams::default());
            keep_gone(&mut pods, &self.call(&action, || api.list(&all)).await?.items);
        }
        Ok(pods)
    }
}
