//! In place of a watch in a program without the feature `monitor`.

use mlci_k8s::{Applied, Cluster};

use super::{Kubernetes, canary::Telling};
use crate::{
    config::Canary,
    deploy::target::DeployError,
    error::{Error, Result},
    records::Release,
};

pub(super) struct Watch;

impl Watch {
    /// The command line does not come here with such a configuration; who embeds the pipeline might.
    pub(super) fn new(_: &Canary) -> Result<Self> {
        Err(Error::invalid("a canary needs the feature `monitor`, which this program was built without"))
    }

    #[expect(clippy::unused_async, reason = "as the one that it stands for")]
    pub(super) async fn run(
        &self,
        _: &Kubernetes,
        _: &Cluster,
        _: &Applied,
        _: &Release,
        _: Telling<'_>,
    ) -> Result<(), DeployError> {
        Ok(())
    }
}
