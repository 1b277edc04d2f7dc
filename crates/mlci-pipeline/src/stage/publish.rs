use std::{collections::BTreeMap, fs};

use mlci_artifact::Draft;
use mlci_core::{Digest, FileError};
use mlci_track::RunId;
use serde::{Deserialize, Serialize};

use super::{Stage, TrainOutput};
use crate::{config::canonical, error::Result, pipeline::Pipeline};

/// Puts the model into the store as a new version, with where it came from.
pub(crate) struct PublishStage<'p> {
    pub(crate) pipeline: &'p Pipeline,
    pub(crate) trained: &'p TrainOutput,
    pub(crate) data: Digest,
    pub(crate) run: &'p RunId,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PublishOutput {
    pub(crate) version: u64,
    pub(crate) model: Digest,
}

impl Stage for PublishStage<'_> {
    type Output = PublishOutput;

    fn name(&self) -> &'static str {
        "publish"
    }

    fn inputs(&self) -> Result<Digest> {
        let config = self.pipeline.config();
        Ok(Digest::builder()
            .part(self.trained.model.as_bytes())
            .part(config.project.name.as_str())
            .part(canonical(&config.artifact).as_bytes())
            .finish())
    }

    fn holds(&self, output: &PublishOutput) -> Result<bool> {
        let name = &self.pipeline.config().project.name;
        let found = self.pipeline.block_on(self.pipeline.store().find_version(name, &output.model))?;
        let published = found.is_some_and(|version| version.number == output.version);
        // A blob that was lost is stored again.
        Ok(published && self.pipeline.block_on(self.pipeline.store().has_blob(&output.model))?)
    }

    fn work(&self) -> Result<PublishOutput> {
        let config = self.pipeline.config();
        let path = self.pipeline.workdir().model(&self.trained.model);
        let bytes = fs::read(&path).map_err(FileError::at("read", &path))?;
        let test = &self.trained.test;
        let mut annotations = BTreeMap::from([
            ("run".to_owned(), self.run.to_string()),
            ("source".to_owned(), self.pipeline.source().to_string()),
            ("data".to_owned(), self.data.to_string()),
            ("configuration".to_owned(), config.model_digest().to_string()),
        ]);
        let telling =
            test.telling().iter().filter_map(|metric| Some((metric.to_string(), test.get(*metric)?.to_string())));
        annotations.extend(telling);
        let draft = Draft { model: self.trained.model, annotations };
        let files = BTreeMap::from([("model.mlci".to_owned(), bytes.into())]);
        let published = self.pipeline.block_on(self.pipeline.store().publish(&config.project.name, draft, files))?;
        Ok(PublishOutput { version: published.version.number, model: self.trained.model })
    }

    fn note(&self, output: &PublishOutput) -> String {
        format!(
            "{}@{} in {}",
            self.pipeline.config().project.name,
            output.version,
            self.pipeline.config().artifact.store
        )
    }
}
