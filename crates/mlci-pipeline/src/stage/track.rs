use mlci_core::Digest;
use mlci_track::{RunId, Status};
use serde::{Deserialize, Serialize};

use super::{GateOutput, Stage, TrainOutput};
use crate::{error::Result, pipeline::Pipeline};

/// Puts what is known of the run into its log: parameters, metrics, tags and the model.
pub(crate) struct TrackStage<'p> {
    pub(crate) pipeline: &'p Pipeline,
    pub(crate) trained: &'p TrainOutput,
    pub(crate) gate: &'p GateOutput,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TrackOutput {
    pub(crate) run: RunId,
}

impl Stage for TrackStage<'_> {
    type Output = TrackOutput;

    fn name(&self) -> &'static str {
        "track"
    }

    fn inputs(&self) -> Result<Digest> {
        let champion = self.gate.champion.as_ref().map(|champion| champion.model.to_string()).unwrap_or_default();
        Ok(Digest::builder()
            .part(self.trained.model.as_bytes())
            .part(champion)
            .part(self.pipeline.config().track.folder.as_bytes())
            .finish())
    }

    /// A run that was cut short after this stage says so in its log; what follows then belongs to a new run. So does
    /// everything where a stage before this one had work to do.
    fn holds(&self, output: &TrackOutput) -> Result<bool> {
        Ok(self.pipeline.open_run().is_none()
            && self.pipeline.runs().read(&output.run).is_ok_and(|run| matches!(run.status, Status::Finished)))
    }

    fn work(&self) -> Result<TrackOutput> {
        let run = self.pipeline.run()?;
        let path = self.pipeline.workdir().model(&self.trained.model);
        let bytes = std::fs::metadata(&path).map_err(mlci_core::FileError::at("read", &path))?.len();
        // In a folder of its own, as MLflow wants a model to be.
        run.artifact("model/model.mlci", &self.trained.model, bytes)?;
        Ok(TrackOutput { run: *run.id() })
    }

    fn note(&self, output: &TrackOutput) -> String {
        format!("run {}", output.run)
    }
}
