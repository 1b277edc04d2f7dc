//! Watching a canary by what Prometheus has counted.

use std::time::{Duration, Instant};

use mlci_k8s::{Applied, Cluster, Tracks};
use mlci_monitor::{
    Verdict,
    canary::{Analysis, Judged, Judgement, LOOKS, Look, Pods},
    query::Prometheus,
};
use tokio::time::sleep;

use super::{
    Kubernetes,
    canary::{Telling, of_canary},
    other,
};
use crate::{
    config::Canary,
    deploy::{shown, target::DeployError},
    error::{Context as _, Error, Outcome, Result},
    event::{Asked, CanaryCheck},
    records::Release,
};

/// How a canary is watched.
pub(super) struct Watch {
    prometheus: Prometheus,
    analysis: Analysis,
    time: Duration,
}

impl Watch {
    pub(super) fn new(canary: &Canary) -> Result<Self> {
        let unfit = || "the canary cannot be watched".to_owned();
        let prometheus = Prometheus::new(&canary.prometheus).context(unfit)?;
        let prometheus = prometheus.variables(|name| std::env::var(name).ok()).context(unfit)?;
        Ok(Self { prometheus, analysis: canary.analysis(), time: Duration::from_secs(canary.watch_seconds.into()) })
    }

    /// Looks at it until its time is over, or it has failed beyond doubt.
    pub(super) async fn run(
        &self,
        on: &Kubernetes,
        cluster: &Cluster,
        applied: &Applied,
        release: &Release,
        Telling { progress, checked }: Telling<'_>,
    ) -> Result<(), DeployError> {
        let (start, pause) = (Instant::now(), (self.time / LOOKS).max(Duration::from_secs(1)));
        let mut pods = Pods::default();
        see(&mut pods, on.pods_of(cluster).await?);
        loop {
            sleep(pause.min(self.time.saturating_sub(start.elapsed()))).await;
            on.still_up(cluster, applied, release).await?;
            see(&mut pods, on.pods_of(cluster).await?);
            let watched = start.elapsed();
            let look = if watched >= self.time { Look::Last } else { Look::Early };
            let judgement = self.analysis.look(&self.prometheus, &pods, watched, look).await;
            let seconds = watched.as_secs();
            let last = look == Look::Last || judgement.verdict == Verdict::Fail;
            judgement.checks.iter().for_each(|judged| checked(as_event(judged, seconds, last)));
            match (judgement.verdict, look) {
                (Verdict::Fail, _) => return Err(DeployError::Release(failed(&judgement, seconds))),
                (Verdict::Pass, Look::Last) => {
                    lines(&judgement).for_each(|line| progress(format!("canary: {line}")));
                    progress("canary: passed".to_owned());
                    return Ok(());
                }
                (Verdict::NoData, Look::Last) => {
                    return Err(DeployError::Other(undecided(&judgement, release, seconds)));
                }
                (_, Look::Early) => {
                    let sample = judgement.checks.first().map(|judged| judged.sample.as_str());
                    let sample = sample.filter(|sample| !sample.is_empty()).unwrap_or("no requests are known");
                    progress(format!("canary: watched for {seconds} of {} s: {sample}", self.time.as_secs()));
                }
            }
        }
    }
}

impl Kubernetes {
    async fn pods_of(&self, cluster: &Cluster) -> Result<Tracks, DeployError> {
        cluster.tracks(&self.namespace, &self.name).await.map_err(other)
    }

    /// Whether it is there as it was made. Where its pods are not ready, this waits until they are, or says why not.
    async fn still_up(&self, cluster: &Cluster, applied: &Applied, release: &Release) -> Result<(), DeployError> {
        let canary = cluster.canary(&self.namespace, &self.name).await.map_err(other)?;
        let Some(canary) = canary.filter(|canary| canary.digest == Some(release.image)) else {
            let error = Error::fail("somebody else has removed or replaced the canary while it was watched");
            return Err(DeployError::Other(error.help("deploy to one environment from one place at a time")));
        };
        if !canary.settled || canary.ready < canary.desired {
            cluster.rollout(applied, &self.settings.options(), |_| {}).await.map_err(of_canary)?;
        }
        Ok(())
    }
}

/// What has gone has counted too.
fn see(pods: &mut Pods, now: Tracks) {
    for (seen, now) in [(&mut pods.canary, now.canary), (&mut pods.stable, now.stable)] {
        for name in now {
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
    }
}

/// The environment is whoever tells it on's to name.
fn as_event(judged: &Judged, watched_seconds: u64, last: bool) -> CanaryCheck {
    let Judged { check, verdict, said, limit, sample, asked, .. } = judged.clone();
    let asked = asked.into_iter().map(|asked| Asked { query: asked.query, answer: asked.answer }).collect();
    CanaryCheck { environment: String::new(), watched_seconds, last, check, verdict, found: said, limit, sample, asked }
}

fn lines(judgement: &Judgement) -> impl Iterator<Item = String> {
    let text = judgement.to_string();
    text.lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// The first check with this verdict, in a line.
fn first(judgement: &Judgement, verdict: Verdict) -> String {
    let found = judgement.checks.iter().find(|judged| judged.verdict == verdict);
    found.map(|judged| format!("{}: {} (limit: {})", judged.check, judged.said, judged.limit)).unwrap_or_default()
}

fn failed(judgement: &Judgement, seconds: u64) -> Error {
    let why = first(judgement, Verdict::Fail);
    Error::fail(format!("its canary failed after {seconds} s, and is removed: {why}"))
        .because_of(lines(judgement).collect::<Vec<_>>())
}

/// Nobody's fault: not promoted, and not rejected.
fn undecided(judgement: &Judgement, release: &Release, seconds: u64) -> Error {
    let (why, who) = (first(judgement, Verdict::NoData), shown(release));
    let message = format!(
        "the canary of {who} was watched for {seconds} s, and there is no data to judge it by: {why}; it is removed, and \
         what served before still does"
    );
    Error::new(Outcome::Refused, message).because_of(lines(judgement).collect::<Vec<_>>()).help(
        "it is not rejected: give it more requests or more time (`watch_seconds`), see that Prometheus has the pods' series \
         under `pod_label`, or leave out what has no data here (`checks`), and run the same again",
    )
}
