use std::{collections::BTreeMap, fmt, io};

use bytes::Bytes;
use serde::Serialize;

use crate::Artifact;

type Content<'a> = dyn Fn(&str, &Artifact) -> io::Result<Option<Bytes>> + Send + Sync + 'a;

/// What a sync needs besides the log.
#[derive(Default)]
pub struct SyncOptions<'a> {
    pub(crate) experiment: Option<String>,
    artifacts: BTreeMap<String, Bytes>,
    source: Option<Box<Content<'a>>>,
}

impl<'a> SyncOptions<'a> {
    /// The experiment that the run belongs to; by default it has the run's name.
    #[must_use]
    pub fn experiment(mut self, name: impl Into<String>) -> Self {
        self.experiment = Some(name.into());
        self
    }

    /// Hands in the content of an artifact.
    #[must_use]
    pub fn artifact(mut self, name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.artifacts.insert(name.into(), content.into());
        self
    }

    /// Where the content of the other artifacts comes from, by name and what was logged of it; `None` leaves it out. It
    /// is asked only for what MLflow lacks, and may block.
    #[must_use]
    pub fn artifacts_from(
        mut self,
        source: impl Fn(&str, &Artifact) -> io::Result<Option<Bytes>> + Send + Sync + 'a,
    ) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    pub(crate) fn content(&self, name: &str, artifact: &Artifact) -> io::Result<Option<Bytes>> {
        match (self.artifacts.get(name), &self.source) {
            (Some(content), _) => Ok(Some(content.clone())),
            (None, Some(source)) => source(name, artifact),
            (None, None) => Ok(None),
        }
    }
}

impl fmt::Debug for SyncOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncOptions")
            .field("experiment", &self.experiment)
            .field("artifacts", &self.artifacts.keys())
            .finish_non_exhaustive()
    }
}

/// How many of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Sent by this sync.
    pub sent: usize,
    /// In MLflow before it.
    pub present: usize,
}

/// What a sync did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SyncReport {
    /// MLflow's id of the run.
    pub run_id: String,
    /// MLflow's id of its experiment.
    pub experiment_id: String,
    /// Whether this sync made the run.
    pub made: bool,
    /// The address of the run's page.
    pub page: String,
    /// Params.
    pub params: Count,
    /// Points of metrics.
    pub points: Count,
    /// Tags, with the reason of the end, without what the sync itself keeps in them.
    pub tags: Count,
    /// Artifacts.
    pub artifacts: Count,
    /// Whether the run's end was sent. `false` also where it has none or MLflow had it.
    pub ended: bool,
    /// Artifacts that MLflow lacks and for which no content was handed in.
    pub missing: Vec<String>,
    /// Metrics with infinite values: MLflow keeps ±1.797…e308 instead.
    pub infinite: Vec<String>,
}
