//! How a rollout is judged, whoever applied it: by what the cluster shows, and by what answers.

use mlci_k8s::{Applied, Cluster, Deployed, Failure, Reason};

use super::{Kubernetes, Wanted};
use crate::{
    deploy::target::{DeployError, Running},
    error::{Error, Result},
};

impl Kubernetes {
    /// Waits for a rollout, whoever applied it, and asks through the Service.
    pub(in crate::deploy) async fn judge(
        &self,
        cluster: &Cluster,
        rolls: &Applied,
        wanted: Wanted<'_>,
        progress: &dyn Fn(String),
    ) -> Result<(), DeployError> {
        if rolls.image.digest() != wanted.release.image {
            let (name, namespace) = (&self.name, &self.namespace);
            return Err(DeployError::Other(
                Error::fail(format!(
                    "`{name}` in namespace `{namespace}` is to run another image by now, {}",
                    rolls.image
                ))
                .help("someone else deploys to the same place"),
            ));
        }
        let tell = |seen: &mlci_k8s::Progress| progress(seen.to_string());
        let done = cluster.rollout(rolls, &self.settings.options(), tell).await;
        let done = done.map_err(|error| match error {
            mlci_k8s::Error::Rollout(failure) => failed(&failure),
            error => other(error),
        })?;
        progress(format!("rolled out after {:.1} s", done.after.as_secs_f64()));
        self.ask(cluster, wanted).await
    }

    /// What runs there after a deployment.
    pub(in crate::deploy) async fn serves(&self, cluster: &Cluster) -> Result<Running, DeployError> {
        let deployed = cluster.current(&self.namespace, &self.name).await.map_err(other)?;
        deployed.and_then(|deployed| self.running(&deployed)).ok_or_else(|| {
            DeployError::Other(Error::fail(format!("`{}` has gone from the cluster while it was deployed", self.name)))
        })
    }

    /// What is there before a deployment. One that somebody holds is not deployed over: whoever holds it has a reason.
    pub(in crate::deploy) async fn before(&self, cluster: &Cluster) -> Result<Option<Deployed>, DeployError> {
        let before = cluster.current(&self.namespace, &self.name).await.map_err(other)?;
        if before.as_ref().is_some_and(|before| before.paused) {
            let (name, namespace, place) = (&self.name, &self.namespace, cluster.place());
            return Err(DeployError::Paused(Error::fail(format!(
                "the rollout of `{name}` in namespace `{namespace}` of {place} is paused by somebody"
            ))));
        }
        Ok(before)
    }
}

/// Why a release failed, and why what served before could not be brought back, where that failed too.
pub(in crate::deploy) fn with_undone(error: Error, undone: Result<()>) -> Error {
    let Err(undoing) = undone else { return error };
    let mut causes = error.causes();
    let reasons: String = undoing.causes().iter().map(|cause| format!(": {cause}")).collect();
    causes.insert(0, format!("what served before could not be brought back: {undoing}{reasons}"));
    Error::fail(error.message).because_of(causes)
}

/// A rollout that failed: by the release's fault, unless somebody else came in between.
pub(super) fn failed(failure: &Failure) -> DeployError {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    let container = failure.container.as_ref().map(|name| format!(", container `{name}`")).unwrap_or_default();
    let pod = failure.pod.as_ref().map(|pod| format!("pod `{pod}`{container}: ")).unwrap_or_default();
    let line = format!("{pod}{}: {}; {}", failure.state, failure.message, failure.reason.advice());
    // The first line is kept in the record; log and events are for whoever looks now.
    let mut words: Vec<String> = failure.events.iter().map(|event| clean(event)).collect();
    if !failure.log.is_empty() {
        let lines: Vec<String> = failure.log.iter().map(|line| clean(line)).collect();
        words.push(format!("its last log lines:\n{}", lines.join("\n")));
    }
    let error = Error::fail(clean(&line)).because_of(words);
    match failure.reason {
        Reason::Paused => DeployError::Paused(error),
        // A node that is away says nothing of the release, and takes the pods up once it is back.
        // Neither does a Service that has not followed its pods, which are ready.
        Reason::Superseded | Reason::Deleted | Reason::Node | Reason::Endpoints => DeployError::Other(error),
        _ => DeployError::Release(error),
    }
}

pub(in crate::deploy) fn other(error: mlci_k8s::Error) -> DeployError {
    DeployError::Other(error.into())
}
