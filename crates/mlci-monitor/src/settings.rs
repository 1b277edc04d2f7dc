use mlci_core::{ModelName, RenderedFile};

use crate::{Environment, Result, Thresholds, elk, grafana, prometheus};

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
    /// Where it is served, in the order in which a release goes through. None.
    pub environments: Vec<Environment>,
    /// From when on it is worth an alert.
    pub thresholds: Thresholds,
    /// The address of a page with a heading for each alert, which alerts link to. None.
    pub runbook: Option<String>,
    /// The address of the Pushgateway that pipelines push to: `http://HOST:PORT`. None.
    pub pushgateway: Option<String>,
}

impl Settings {
    /// The defaults that the fields name, for one model.
    #[must_use]
    pub fn new(project: ModelName) -> Self {
        Self {
            project,
            program: "cargo xtask".to_owned(),
            folder: "monitoring".to_owned(),
            environments: Vec::new(),
            thresholds: Thresholds::default(),
            runbook: None,
            pushgateway: None,
        }
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

    /// What picks this model's series.
    pub(crate) fn selector(&self) -> String {
        format!("project=\"{}\"", self.project)
    }

    /// What the scrape configuration calls the servers with an address; those in a cluster have `-pods` behind it.
    pub(crate) fn job(&self) -> String {
        format!("mlci-{}", self.project)
    }

    /// What picks this model's servers among all that is scraped: others may have the label `project` too.
    pub(crate) fn servers(&self) -> String {
        // A name has no other character that means something in a regular expression.
        format!("{},job=~\"{}(-pods)?\"", self.selector(), self.job().replace('.', "[.]"))
    }

    /// What the first line of a file says: by what it was made, and how to make it anew.
    pub(crate) fn mark(&self, subject: &str) -> String {
        format!("{}; edits are lost. Make it anew with: {} generate {subject}", RenderedFile::MARK, self.program)
    }
}
