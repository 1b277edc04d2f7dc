//! The Helm chart.

use mlci_core::{Digest, RenderedFile};
use mlci_k8s::{Chart, ImageReference};

use crate::{
    deploy::workload,
    error::{Context as _, Error, Result},
    pipeline::Pipeline,
};

impl Pipeline {
    /// A chart that installs this project's model. It is the same for every version of the model: which one runs is
    /// stated at the installation, by the image's digest.
    pub(super) fn chart(&self, repository: &str) -> Result<Vec<RenderedFile>> {
        let config = self.config();
        let name = &config.project.name;
        let unfit = || Error::invalid(format!("`{repository}` in [image] repository cannot stand in a chart"));
        // Any digest will do: a chart has none.
        let image = ImageReference::new(repository, Digest::of(b"")).map_err(|error| unfit().because(error))?;
        let namespace = "default".parse().context(|| "the namespace `default`".to_owned())?;
        let mut chart = Chart::new(workload(name, &config.image, namespace, image));
        chart.description = format!("The model {name} behind its HTTP API");
        chart.made_by = self.command_line("generate helm");
        chart.render().map_err(|error| unfit().because(error))
    }
}
