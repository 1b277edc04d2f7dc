use std::{collections::BTreeMap, fs};

use mlci_core::{Digest, FileError, digest_file, write_atomic};
use mlci_model::Model;
use mlci_train::{
    Choice, CrossValidation, Evaluation, HyperParameters, Leak, LinearFit, Metric, Metrics, UnlearnedLevels,
};
use serde::{Deserialize, Serialize};

use super::{DataOutput, Stage};
use crate::{
    error::{Context as _, Error, Result},
    pipeline::Pipeline,
    training,
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
    /// Rows held out beyond those that are kept for testing: neither trained nor tested on.
    #[serde(default)]
    pub(crate) left_out: u64,
    pub(crate) training: Metrics,
    pub(crate) test: Metrics,
    pub(crate) cross_validation: Option<CrossValidation>,
    pub(crate) parameters: HyperParameters,
    pub(crate) choice: Option<Choice>,
    pub(crate) leaks: Vec<Leak>,
    /// What least squares says of its coefficients, where that was the algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) least_squares: Option<LinearFit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unlearned: Vec<UnlearnedLevels>,
    /// Where a command of the team's own has trained: what it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<CommandOutput>,
}

/// What a training command left beside what became the model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CommandOutput {
    /// The digest of its model, which is kept for the tests.
    pub(crate) onnx: Digest,
    /// What it measured itself.
    pub(crate) metrics: BTreeMap<String, f64>,
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

    /// Whether the model that a command left is still there.
    fn holds_onnx(&self, pipeline: &Pipeline) -> bool {
        self.command.as_ref().is_none_or(|command| {
            digest_file(&pipeline.workdir().onnx(&self.model)).is_ok_and(|(digest, _)| digest == command.onnx)
        })
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
        let mut digest = Digest::builder()
            .part(self.data.digest.as_bytes())
            .part(config.model_digest().as_bytes())
            .part(config.project.name.as_str())
            .part(self.pipeline.code().as_bytes())
            // The metrics at the threshold are computed here, with the others.
            .part(config.gate.threshold.to_string());
        if config.train.is_command() {
            training::add_inputs(&mut digest, self.pipeline)?;
        }
        Ok(digest.finish())
    }

    fn holds(&self, output: &TrainOutput) -> Result<bool> {
        // A file that was damaged or removed since is made again.
        let pipeline = self.pipeline;
        Ok(output.load(pipeline).is_ok() && output.evaluation(pipeline).is_ok() && output.holds_onnx(pipeline))
    }

    fn work(&self) -> Result<TrainOutput> {
        let config = self.pipeline.config();
        let read = self.pipeline.gathered_of(&self.data.digest)?;
        let (trained, left) = if config.train.is_command() {
            let left = training::run(self.pipeline, read)?;
            (training::adopt(self.pipeline, read, &left)?, Some(left))
        } else {
            let trained = read
                .gathered
                .train(&config.project.name, self.data.digest, config.model_digest())
                .context(|| format!("cannot train on `{}`", config.data.path))?;
            (trained, None)
        };
        let bytes = trained.model.encode()?;
        let model = Digest::of(&bytes);
        let evaluation = serde_json::to_vec(&trained.test).context(|| "the evaluation cannot be written".to_owned())?;
        write_atomic(&self.pipeline.workdir().evaluation(&model), &evaluation)?;
        if let Some(left) = &left {
            write_atomic(&self.pipeline.workdir().onnx(&model), &left.onnx)?;
        }
        write_atomic(&self.pipeline.workdir().model(&model), &bytes)?;
        Ok(TrainOutput {
            model,
            evaluation: Digest::of(&evaluation),
            features: trained.model.schema().features.len(),
            train_rows: trained.rows.train as usize,
            left_out: trained.rows.left_out,
            training: trained.training,
            test: trained.test.metrics,
            cross_validation: trained.cross_validation,
            parameters: trained.parameters,
            choice: trained.choice,
            leaks: trained.leaks,
            least_squares: trained.fit,
            unlearned: trained.unlearned,
            command: left.map(|left| CommandOutput { onnx: Digest::of(&left.onnx), metrics: left.metrics }),
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
        let left_out = match output.left_out {
            0 => String::new(),
            rows => format!(", {} more held out and not used", count(rows, "row")),
        };
        format!(
            "{}, {}{chosen}; held out: {} on {}{left_out} ({})",
            count(output.features as u64, "feature"),
            count(output.train_rows as u64, "row"),
            telling.into_iter().flatten().collect::<Vec<_>>().join(", "),
            count(test.rows as u64, "row"),
            output.model.short()
        )
    }
}
