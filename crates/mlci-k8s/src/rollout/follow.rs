//! The Service after its pods: the cluster's controllers bring its endpoints up to date some time after the Deployment's
//! status, mostly milliseconds.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    apply::Applied,
    cluster::Cluster,
    error::Result,
    rollout::state::{Finding, Progress, Reason},
};

/// At least so long, however late the pods were ready.
const LEAST: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

impl Cluster {
    /// Waits until the workload's Service sends to every pod of the rollout, and to none that has gone.
    pub(super) async fn endpoints_follow(
        &self,
        applied: &Applied,
        progress: &Progress,
        deadline: Instant,
    ) -> Result<Option<Finding>> {
        let (begun, deadline) = (Instant::now(), deadline.max(Instant::now() + LEAST));
        let mut tried = 0_u32;
        loop {
            let endpoints = self.all_endpoints(&applied.namespace, &applied.labelled).await?;
            let sent_to: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.pod.as_str()).collect();
            // What has gone in the meantime, such as by another deployment, is not waited for.
            let tracks = self.tracks(&applied.namespace, &applied.labelled).await?;
            let there: BTreeSet<&str> = tracks.stable.iter().chain(&tracks.canary).map(String::as_str).collect();
            let new = progress.pods.iter().filter(|pod| pod.ready).map(|pod| pod.name.as_str());
            let missing: Vec<&str> = new.filter(|pod| there.contains(pod) && !sent_to.contains(pod)).collect();
            let gone: Vec<&str> = sent_to.difference(&there).copied().collect();
            if missing.is_empty() && gone.is_empty() {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                let service = &applied.labelled;
                let part = |pods: &[&str], words: &str| match pods {
                    [] => String::new(),
                    pods => format!(" {words} {}", pods.join(", ")),
                };
                let message = format!(
                    "for {:.0?} after its pods were ready, the Service `{service}`{}{}{}",
                    begun.elapsed(),
                    part(&missing, "does not send to"),
                    if missing.is_empty() || gone.is_empty() { "" } else { ", and" },
                    part(&gone, "still sends to what has gone:"),
                );
                return Ok(Some(Finding::new(Reason::Endpoints, "EndpointsBehind", message)));
            }
            sleep(PAUSE * (1 << tried.min(4))).await;
            tried = tried.saturating_add(1);
        }
    }
}
