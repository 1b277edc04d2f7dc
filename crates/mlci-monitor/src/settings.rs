use mlci_core::{ModelName, RenderedFile};

use crate::{Result, elk, grafana, prometheus};

/// What is watched, and from when on it is worth an alert.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The model's name; files, indices and dashboards are called after it.
    pub project: ModelName,
    /// The command that makes the files anew, as it stands in their first lines: `cargo xtask`.
    pub program: String,
    /// The folder that the files belong into, relative to the root of the repository. `monitoring`.
    pub folder: String,
}

impl Settings {
    /// The defaults that the fields name, for one model.
    #[must_use]
    pub fn new(project: ModelName) -> Self {
        Self { project, program: "cargo xtask".to_owned(), folder: "monitoring".to_owned() }
    }

    /// Prometheus: alert and recording rules with their unit tests, and the scrape configuration.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for a setting that makes no sense.
    pub fn rules(&self) -> Result<Vec<RenderedFile>> {
        prometheus::render(self)
    }

    /// Grafana: dashboards of the service and of the model.
    ///
    /// # Errors
    /// As [`Self::rules`].
    pub fn dashboards(&self) -> Result<Vec<RenderedFile>> {
        grafana::render(self)
    }

    /// Elasticsearch, Logstash, Kibana: index templates, shippers, saved objects.
    ///
    /// # Errors
    /// As [`Self::rules`].
    pub fn elk(&self) -> Result<Vec<RenderedFile>> {
        elk::render(self)
    }

    /// What the first line of a file says: by what it was made, and how to make it anew.
    #[allow(dead_code, reason = "called by what is rendered")]
    pub(crate) fn mark(&self, subject: &str) -> String {
        format!("{}; edits are lost. Make it anew with: {} generate {subject}", RenderedFile::MARK, self.program)
    }
}
