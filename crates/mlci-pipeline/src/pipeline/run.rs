//! The run of a command in the run log.

use std::sync::Arc;

use mlci_track::Run;

use super::Pipeline;
use crate::{
    error::Result,
    interrupt,
    stage::{DataOutput, TrainOutput},
};

impl Pipeline {
    /// The run of this command; it is opened by the first stage that has work to do.
    pub(crate) fn run(&self) -> Result<Arc<Run>> {
        if let Some(run) = &*self.run.borrow() {
            return Ok(Arc::clone(run));
        }
        let config = self.config();
        let run = Arc::new(self.runs.start(config.project.name.as_str())?);
        interrupt::watch(Some(Arc::clone(&run)));
        run.tag("source", &self.source().to_string())?;
        run.tag("configuration", &config.model_digest().to_string())?;
        if config.train.is_command() {
            run.param("command", self.redact(config.train.command.join(" ")))?;
        } else {
            run.param("algorithm", config.train.options(config.gate.threshold).algorithm)?;
            run.param("folds", config.train.folds)?;
        }
        run.param("seed", config.train.seed)?;
        run.param("test_fraction", config.train.test_fraction)?;
        *self.run.borrow_mut() = Some(Arc::clone(&run));
        Ok(run)
    }

    /// The run, if this command has opened one.
    pub(crate) fn open_run(&self) -> Option<Arc<Run>> {
        self.run.borrow().clone()
    }

    /// The run is over; whoever still holds it cannot add to it.
    pub(crate) fn take_run(&self) -> Option<Arc<Run>> {
        interrupt::watch(None);
        self.run.borrow_mut().take()
    }

    /// Logs what training came to into the open run, once, whether it was trained just now or before.
    pub(crate) fn log_training(&self, data: &DataOutput, trained: &TrainOutput) -> Result<()> {
        if self.training_logged.replace(true) {
            return Ok(());
        }
        let run = self.run()?;
        run.tag("data", &data.digest.to_string())?;
        run.tag("model", &trained.model.to_string())?;
        run.param("features", trained.features)?;
        run.param("train_rows", trained.train_rows)?;
        if trained.left_out > 0 {
            run.param("left_out_rows", trained.left_out)?;
        }
        for (set, metrics) in [("train", &trained.training), ("test", &trained.test)] {
            for metric in metrics.telling() {
                if let Some(value) = metrics.get(*metric) {
                    run.metric(&format!("{set}.{metric}"), value, 0)?;
                }
            }
        }
        let parameters = &trained.parameters;
        for (name, value) in
            [("penalty", parameters.penalty), ("l1_share", parameters.l1_share), ("power", parameters.power)]
        {
            if let Some(value) = value {
                run.param(name, value)?;
            }
        }
        for (name, value) in trained.command.iter().flat_map(|command| &command.metrics) {
            run.metric(&format!("command.{name}"), *value, 0)?;
        }
        if let Some(validation) = &trained.cross_validation {
            for (fold, metrics) in validation.folds.iter().enumerate() {
                // The one that says most, and that models are compared by.
                if let Some((metric, value)) = metrics.telling().first().and_then(|m| Some((m, metrics.get(*m)?))) {
                    run.metric(&format!("fold.{metric}"), value, fold as u64)?;
                }
            }
        }
        for levels in &trained.unlearned {
            self.warn(levels.to_string());
        }
        for leak in &trained.leaks {
            self.warn(leak.to_string());
        }
        if let Some(choice) = trained.choice.as_ref().filter(|choice| choice.at_edge) {
            self.warn(format!(
                "the best penalty is the largest or smallest of those tried ({}): one beyond it may be better, \
                 `[train] penalty`",
                choice.chosen
            ));
        }
        Ok(())
    }
}
