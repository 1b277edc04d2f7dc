//! A release tried out as a canary: a few pods beside those that serve, watched, and taken back unless they are as good.

use std::future::Future;

use mlci_core::Digest;
use mlci_k8s::{Cluster, Deployed};

use super::{Kubernetes, Wanted, judge::failed, other, watch::Watch};
use crate::{
    deploy::target::DeployError,
    error::{Error, Result},
    event::CanaryCheck,
    interrupt::Undo,
    records::Release,
};

/// Whom a watch tells what it sees.
#[cfg_attr(not(feature = "monitor"), expect(dead_code, reason = "without the feature nothing is watched"))]
#[derive(Clone, Copy)]
pub(super) struct Telling<'a> {
    /// In words.
    pub(super) progress: &'a dyn Fn(String),
    /// Check by check.
    pub(super) checked: &'a dyn Fn(CanaryCheck),
}

impl Kubernetes {
    /// Where it passes, the canary stays, and serves along until the release itself is verified.
    pub(super) fn try_canary(
        &self,
        release: &Release,
        progress: &dyn Fn(String),
        checked: &dyn Fn(CanaryCheck),
    ) -> Result<(), DeployError> {
        let Some(canary) = self.settings.canary() else { return Ok(()) };
        let watch = Watch::new(canary)?;
        let workload = self.of_release(release)?;
        let up: Result<_, DeployError> = self.runtime.block_on(async {
            let model = self.model(release).await?;
            let cluster = self.connect().await.map_err(other)?;
            let before = self.before(&cluster).await?;
            let serving = match comparable(before.as_ref(), release) {
                Ok(serving) => serving,
                Err(why) => {
                    progress(format!("no canary: {why}"));
                    return Ok(None);
                }
            };
            let trial = async {
                let pods = canary.pods(serving);
                progress(format!("canary: {pods} of {} pods", pods.saturating_add(serving)));
                let applied = cluster.apply_canary(&workload, pods).await.map_err(other)?;
                let tell = |seen: &mlci_k8s::Progress| progress(format!("canary: {seen}"));
                let done = cluster.rollout(&applied, &self.settings.options(), tell).await;
                done.map_err(of_canary)?;
                self.ask_canary(&cluster, Wanted { release, model: &model }).await?;
                progress(format!("canary: its golden predictions agree; watched for {} s", canary.watch_seconds));
                watch.run(self, &cluster, &applied, release, Telling { progress, checked }).await
            };
            Ok(Some(self.taking_back(&cluster, Undo::begin(), trial).await?.1))
        });
        self.up.replace(up?);
        Ok(())
    }

    /// Does something while a canary is up. Where it fails, or a signal comes, the canary is removed.
    pub(super) async fn taking_back<T>(
        &self,
        cluster: &Cluster,
        undo: Undo,
        work: impl Future<Output = Result<T, DeployError>>,
    ) -> Result<(T, Undo), DeployError> {
        let result = tokio::select! {
            result = work => Some(result),
            () = undo.wanted() => None,
        };
        let error = match result {
            Some(Ok(value)) => return Ok((value, undo)),
            Some(Err(error)) => Some(error),
            None => None,
        };
        let removed = cluster.remove_canary(&self.namespace, &self.name).await;
        let Some(error) = error else { undo.end() };
        let Err(why) = removed else { return Err(error) };
        let noted = |error: Error| {
            let mut causes = error.causes();
            causes.insert(0, format!("the canary could not be removed, which the next deployment does: {why}"));
            let with = Error::new(error.outcome, error.message.clone()).because_of(causes);
            if let Some(help) = error.help { with.help(help) } else { with }
        };
        Err(match error {
            DeployError::Release(error) => DeployError::Release(noted(error)),
            DeployError::Paused(error) => DeployError::Paused(noted(error)),
            DeployError::Other(error) => DeployError::Other(noted(error)),
        })
    }

    /// Each of its pods, past the Service, which would send to any.
    async fn ask_canary(&self, cluster: &Cluster, wanted: Wanted<'_>) -> Result<(), DeployError> {
        for pod in cluster.tracks(&self.namespace, &self.name).await.map_err(other)?.canary {
            let forward = cluster.forward_pod(&self.namespace, &pod, self.settings.port()).await.map_err(other)?;
            self.ask_through(&forward, wanted).await.map_err(|error| match error {
                DeployError::Release(error) => DeployError::Release(named(&error)),
                other => other,
            })?;
        }
        Ok(())
    }

    /// The image of a canary that is up.
    pub(super) fn canary_on_trial(&self) -> Result<Option<Digest>> {
        let canary = self.connected(async |cluster| Ok(cluster.canary(&self.namespace, &self.name).await?))?;
        Ok(canary.and_then(|canary| canary.digest))
    }

    /// What `status` says of a canary.
    pub(super) fn canary_up(&self) -> Result<Option<String>> {
        let canary = self.connected(async |cluster| Ok(cluster.canary(&self.namespace, &self.name).await?));
        let shown = |canary: Deployed| {
            let image = canary.digest.map_or(canary.image, |digest| digest.short());
            format!("a canary is up, image {image}: {} of {} pods ready", canary.ready, canary.desired)
        };
        match canary {
            Ok(canary) => Ok(canary.map(shown)),
            Err(error) => Err(error),
        }
    }
}

/// How many pods serve that it can be compared with, or why there are none.
fn comparable(before: Option<&Deployed>, release: &Release) -> Result<u32, &'static str> {
    match before {
        None => Err("nothing runs there to compare it with"),
        Some(before) if before.ready == 0 => {
            Err("no pod that runs there is ready, so there is nothing to compare it with")
        }
        // As where a command was cut short after its canary had passed.
        Some(before) if before.digest == Some(release.image) => Err("this very image runs there already"),
        Some(before) => Ok(before.desired),
    }
}

/// A canary's rollout that failed.
pub(super) fn of_canary(error: mlci_k8s::Error) -> DeployError {
    match error {
        mlci_k8s::Error::Rollout(failure) => match failed(&failure) {
            DeployError::Release(error) => DeployError::Release(named(&error)),
            other => other,
        },
        error => other(error),
    }
}

fn named(error: &Error) -> Error {
    Error::fail(format!("its canary: {}", error.message)).because_of(error.causes())
}
