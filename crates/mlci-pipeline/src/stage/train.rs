use std::fs;

use mlci_core::{Digest, FileError, write_atomic};
use mlci_model::Model;
use mlci_train::{Choice, CrossValidation, Evaluation, HyperParameters, Leak, Metric, Metrics};
use serde::{Deserialize, Serialize};

use super::{DataOutput, Stage};
use crate::{
    error::{Context as _, Error, Result},
    pipeline::Pipeline,
    words::count,
};

/// Fits the model and evaluates it on the held-out rows.
pub(crate) struct TrainStage<'p> {
    pub(crate) pipeline: &'p Pipeline,
    pub(crate) data: &'p DataOutput,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TrainOutput {
    pub(crate) model: Digest,
    /// The digest of the file with its predictions for the held-out rows.
    pub(crate) evaluation: Digest,
    pub(crate) features: usize,
    pub(crate) train_rows: usize,
    pub(crate) training: Metrics,
    pub(crate) test: Metrics,
    pub(crate) cross_validation: Option<CrossValidation>,
    pub(crate) parameters: HyperParameters,
    pub(crate) choice: Option<Choice>,
    pub(crate) leaks: Vec<Leak>,
}

impl TrainOutput {
    /// The model itself.
    pub(crate) fn load(&self, pipeline: &Pipeline) -> Result<Model> {
        let path = pipeline.workdir().model(&self.model);
        let (model, digest) = Model::load(&path)?;
        if digest == self.model {
            Ok(model)
        } else {
            Err(Error::fail(format!("`{}` is not the model that was trained: its digest is {digest}", path.display()))
                .help("train again: ci --from train"))
        }
    }

    /// What it predicted for the held-out rows.
    pub(crate) fn evaluation(&self, pipeline: &Pipeline) -> Result<Evaluation> {
        let path = pipeline.workdir().evaluation(&self.model);
        let bytes = fs::read(&path).map_err(FileError::at("read", &path))?;
        if Digest::of(&bytes) != self.evaluation {
            return Err(Error::fail(format!("`{}` is damaged", path.display())).help("train again: ci --from train"));
        }
        serde_json::from_slice(&bytes).context(|| format!("`{}` cannot be read", path.display()))
    }
}

impl Stage for TrainStage<'_> {
    type Output = TrainOutput;

    fn name(&self) -> &'static str {
        "train"
    }

    fn inputs(&self) -> Result<Digest> {
        let config = self.pipeline.config();
        Ok(Digest::builder()
            .part(self.data.digest.as_bytes())
            .part(config.model_digest().as_bytes())
            .part(config.project.name.as_str())
            .part(self.pipeline.code().as_bytes())
            // The metrics at the threshold are computed here, with the others.
            .part(config.gate.threshold.to_string())
            .finish())
    }

    fn holds(&self, output: &TrainOutput) -> Result<bool> {
        // A file that was damaged or removed since is made again.
        Ok(output.load(self.pipeline).is_ok() && output.evaluation(self.pipeline).is_ok())
    }

    fn work(&self) -> Result<TrainOutput> {
        let config = self.pipeline.config();
        let read = self.pipeline.gathered_of(&self.data.digest)?;
        let trained = read
            .gathered
            .train(&config.project.name, self.data.digest, config.model_digest())
            .context(|| format!("cannot train on `{}`", config.data.path))?;
        let bytes = trained.model.encode()?;
        let model = Digest::of(&bytes);
        let evaluation = serde_json::to_vec(&trained.test).context(|| "the evaluation cannot be written".to_owned())?;
        write_atomic(&self.pipeline.workdir().evaluation(&model), &evaluation)?;
        write_atomic(&self.pipeline.workdir().model(&model), &bytes)?;
        Ok(TrainOutput {
            model,
            evaluation: Digest::of(&evaluation),
            features: trained.model.schema().features.len(),
            train_rows: trained.rows.train as usize,
            training: trained.training,
            test: trained.test.metrics,
            cross_validation: trained.cross_validation,
            parameters: trained.parameters,
            choice: trained.choice,
            leaks: trained.leaks,
        })
    }

    fn note(&self, output: &TrainOutput) -> String {
        let test = &output.test;
        let shown = |name: &str, metric| test.get(metric).map(|value| format!("{name} {value:.4}"));
        let telling = match test.is_classification() {
            true => [shown("AUC", Metric::RocAuc), shown("log loss", Metric::LogLoss)],
            false => [shown("RMSE", Metric::Rmse), shown("R²", Metric::R2)],
        };
        // What was stated is known; what was chosen is news.
        let chosen = output.choice.as_ref().map(|choice| format!(", {}", choice.chosen)).unwrap_or_default();
        format!(
            "{}, {}{chosen}; held out: {} on {} ({})",
            count(output.features as u64, "feature"),
            count(output.train_rows as u64, "row"),
            telling.into_iter().flatten().collect::<Vec<_>>().join(", "),
            count(test.rows as u64, "row"),
            output.model.short()
        )
    }
}
