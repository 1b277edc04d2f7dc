use std::{path::PathBuf, time::Duration};

use mlci_core::Digest;

use super::{Stage, TrainOutput};
use crate::{
    command::{self, Limit, inputs},
    config::Step,
    error::Result,
    pipeline::Pipeline,
};

/// Runs a command of the team's own: `setup`, `check` or `test`.
pub(crate) struct StepStage<'p> {
    pub(crate) pipeline: &'p Pipeline,
    pub(crate) name: &'static str,
    pub(crate) step: &'p Step,
    /// The trained model, for `test`.
    pub(crate) trained: Option<&'p TrainOutput>,
}

impl Stage for StepStage<'_> {
    type Output = ();

    fn name(&self) -> &'static str {
        self.name
    }

    fn inputs(&self) -> Result<Digest> {
        let root = self.pipeline.root();
        let mut digest = Digest::builder();
        for word in &self.step.command {
            digest.add(word.as_bytes());
        }
        if let Some(trained) = self.trained {
            digest.add(trained.model.as_bytes());
        }
        let files = match (&self.step.inputs, self.name) {
            (Some(named), stage) => inputs::named(root, stage, named)?,
            // Preparing a machine depends on the files that the command names (`-r requirements.txt`), not on all.
            (None, "setup") => {
                self.step.command.iter().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect()
            }
            (None, _) => inputs::all(root),
        };
        for file in files {
            inputs::add(&mut digest, root, &file)?;
        }
        Ok(digest.finish())
    }

    fn holds(&self, (): &()) -> Result<bool> {
        Ok(true)
    }

    fn work(&self) -> Result<()> {
        let Some(mut command) = command::of(&self.step.command, self.pipeline)? else { return Ok(()) };
        if let Some(trained) = self.trained {
            command.env("MLCI_MODEL", self.pipeline.workdir().model(&trained.model));
            if trained.command.is_some() {
                command.env("MLCI_ONNX", self.pipeline.workdir().onnx(&trained.model));
            }
        }
        // Cargo tells what it runs about itself; a cargo below must not take it for its own.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text == "CARGO_MANIFEST_DIR" || text == "CARGO_MANIFEST_PATH" {
                command.env_remove(&name);
            }
        }
        let limit = self.step.timeout_seconds.map(|seconds| Limit {
            time: Duration::from_secs(seconds),
            key: format!("[{}] timeout_seconds", self.name),
        });
        command::run(command, self.name, &self.pipeline.workdir().log(self.name), limit.as_ref(), self.pipeline)
            .map(drop)
    }

    fn note(&self, (): &()) -> String {
        self.step.command.join(" ")
    }
}
