//! The Service after its pods: the cluster's controllers bring its endpoints up to date some time after the Deployment's
//! status, mostly milliseconds.

use std::{collections::BTreeSet, time::Duration};

use kube::api::ListParams;
use tokio::time::Instant;

use crate::{apply::Applied, call::Action, cluster::Cluster, error::Result, rollout::state::Progress};

/// At least so long, however late the pods were ready.
const LEAST: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// Since when the Service has been behind its pods, and how often it was looked at.
#[derive(Debug)]
pub(super) struct Behind {
    since: Instant,
    looks: u32,
}

impl Behind {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), looks: 0 }
    }

    /// When to look again; `None` once the time is up.
    pub(super) fn again(&mut self, deadline: Instant) -> Option<Instant> {
        let now = Instant::now();
        let pause = PAUSE * (1 << self.looks.min(4));
        self.looks = self.looks.saturating_add(1);
        (now < deadline.max(self.since + LEAST)).then(|| now + pause)
    }

    pub(super) fn message(&self, words: &str) -> String {
        format!("for {:.0?} after its pods were ready, {words}", self.since.elapsed())
    }
}

impl Cluster {
    /// What the workload's Service has still to do: to send to every pod of the rollout, and to none that has gone.
    pub(super) async fn service_is_behind(&self, applied: &Applied, progress: &Progress) -> Result<Option<String>> {
        let endpoints = self.all_endpoints(&applied.namespace, &applied.labelled).await?;
        let sent_to: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.pod.as_str()).collect();
        let new: BTreeSet<&str> = progress.pods.iter().map(|pod| pod.name.as_str()).collect();
        let missing: Vec<&str> = new.difference(&sent_to).copied().collect();
        let gone = self.gone(applied, sent_to.difference(&new).copied().collect()).await?;
        let part = |pods: &[&str], words: &str| {
            if pods.is_empty() { String::new() } else { format!(" {words} {}", pods.join(", ")) }
        };
        let and = if missing.is_empty() || gone.is_empty() { "" } else { ", and" };
        let (missing, gone) = (part(&missing, "does not send to"), part(&gone, "still sends to what has gone:"));
        let is_behind = !(missing.is_empty() && gone.is_empty());
        Ok(is_behind.then(|| format!("the Service `{}`{missing}{and}{gone}", applied.labelled)))
    }

    /// Those of these pods that are not there, or on their way out. A canary's are, as those
    /// of another workload, where the Service was patched to send there too.
    async fn gone<'p>(&self, applied: &Applied, mut pods: Vec<&'p str>) -> Result<Vec<&'p str>> {
        if pods.is_empty() {
            return Ok(pods);
        }
        let action = Action::all("list", "pods", applied.namespace.as_str());
        let (api, every) = (self.pod_api(&applied.namespace), ListParams::default());
        let all = self.call(&action, || api.list_metadata(&every)).await?;
        let there: BTreeSet<&str> = all
            .items
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .filter_map(|pod| pod.metadata.name.as_deref())
            .collect();
        pods.retain(|pod| !there.contains(pod));
        Ok(pods)
    }
}
