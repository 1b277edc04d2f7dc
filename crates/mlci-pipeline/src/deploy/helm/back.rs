//! The way back: to the revision of what was verified last.

use mlci_k8s::Cluster;

use super::{
    Helm,
    history::{Revision, of_release, served_before},
    newest,
};
use crate::{
    deploy::{kubernetes::with_undone, target::DeployError},
    error::{Error, Result},
    records::Release,
};

impl Helm {
    /// The revision that has what was verified last: by the environment's log, since Helm knows only what was installed.
    async fn verified(&self, history: &[Revision], release: &Release, before: u32) -> Result<Option<u32>> {
        let log = self.records.history(&self.name).await?;
        let deployed = log.current().and_then(|entry| entry.body.deployed());
        let configuration = deployed.map_or_else(|| self.environment.digest(), |(_, configuration)| *configuration);
        Ok(of_release(history, &release.image, &configuration, before))
    }

    /// Puts back what was verified last over the revisions since `before`. Whether there was anything to put back.
    pub(super) async fn put_back(
        &self,
        serving: Option<&Release>,
        history: &[Revision],
        before: u32,
        progress: &dyn Fn(String),
    ) -> Result<bool> {
        let revision = match serving {
            Some(release) => self.verified(history, release, before).await?,
            None => served_before(history, before),
        };
        match (revision, serving) {
            (Some(revision), _) => {
                progress(format!("the release goes back to revision {revision}"));
                self.roll_back(revision)?;
            }
            // Helm keeps the last ten revisions by default.
            (None, Some(release)) => {
                progress("Helm no longer has the revision that was verified last: it is installed anew".to_owned());
                self.upgrade(release, &self.handed(release)?)?;
            }
            (None, None) => {
                self.uninstall()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Brings back what served before a release that failed, unless somebody else came in between.
    pub(super) async fn undo(
        &self,
        cluster: &Cluster,
        serving: Option<&Release>,
        ours: u32,
        progress: &dyn Fn(String),
    ) -> Result<()> {
        let history = self.program.history()?;
        if newest(&history) != ours {
            return Ok(());
        }
        if self.put_back(serving, &history, ours, progress).await? {
            let rolls = cluster.applied(&self.cluster.namespace, &self.cluster.name).await?;
            cluster.rollout(&rolls, &self.cluster.settings.options(), |_| {}).await?;
        }
        Ok(())
    }

    /// Helm has not done what it was told to. Where it has begun, so that the release stands as failed, what was verified
    /// is put back. That is no judgement of the release: the cluster or a chart has refused something.
    pub(super) async fn half_done(
        &self,
        error: Error,
        cluster: &Cluster,
        serving: Option<&Release>,
        before: u32,
        progress: &dyn Fn(String),
    ) -> DeployError {
        let history = self.program.history().unwrap_or_default();
        let begun = history.last().filter(|last| last.revision > before && last.status == "failed");
        let Some(begun) = begun.map(|last| last.revision) else { return DeployError::Other(error) };
        let undone = self.undo(cluster, serving, begun, progress).await;
        DeployError::Other(with_undone(error, undone))
    }
}
