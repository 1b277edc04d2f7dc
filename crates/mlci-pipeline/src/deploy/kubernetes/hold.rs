//! Holding a rollout, letting it go on, and giving it up.

use mlci_core::Digest;
use mlci_k8s::Cluster;

use super::{Kubernetes, Wanted, other};
use crate::{
    deploy::target::{DeployError, Running},
    error::Result,
    records::Release,
};

impl Kubernetes {
    pub(super) fn hold(&self) -> Result<()> {
        self.connected(async |cluster| Ok(cluster.pause(&self.namespace, &self.name).await?))
    }

    pub(super) fn let_go(&self) -> Result<()> {
        self.connected(async |cluster| {
            cluster.resume(&self.namespace, &self.name).await?;
            Ok(())
        })
    }

    pub(super) fn is_to_run(&self) -> Result<Option<Digest>> {
        let current = self.connected(async |cluster| Ok(cluster.current(&self.namespace, &self.name).await?))?;
        Ok(current.filter(|deployed| deployed.ours).and_then(|deployed| deployed.digest))
    }

    /// Applies what was verified last over whatever is under way, lets that go on, and verifies it.
    pub(super) fn brought_back(
        &self,
        back: Option<&Release>,
        progress: &dyn Fn(String),
    ) -> Result<Option<Running>, DeployError> {
        self.runtime.block_on(async {
            let Some(release) = back else {
                let cluster = self.connect().await.map_err(other)?;
                cluster.delete(&self.namespace, &self.name).await.map_err(other)?;
                return Ok(None);
            };
            let workload = self.of_release(release)?;
            let model = self.model(release).await?;
            let cluster = self.connect().await.map_err(other)?;
            let applied = cluster.apply(&workload, &self.apply_options()).await.map_err(other)?;
            progress("what was verified last is applied again".to_owned());
            let running = self.back_at(&cluster, Wanted { release, model: &model }, progress).await?;
            cluster.prune(&applied).await.map_err(other)?;
            Ok(Some(running))
        })
    }

    /// Waits for what was put back, and verifies it. A rollout that was held goes on only now, so that no pod of the
    /// release that is given up is made any more.
    pub(in crate::deploy) async fn back_at(
        &self,
        cluster: &Cluster,
        wanted: Wanted<'_>,
        progress: &dyn Fn(String),
    ) -> Result<Running, DeployError> {
        let rolls = cluster.resume(&self.namespace, &self.name).await.map_err(other)?;
        self.judge(cluster, &rolls, wanted, progress).await?;
        self.serves(cluster).await
    }
}
