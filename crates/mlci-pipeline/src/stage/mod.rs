//! The stages: each a description (its inputs) and an effect, run only when the inputs are new.

mod data;
mod gate;
mod image;
mod publish;
mod push;
pub(crate) mod server;
mod step;
mod track;
mod train;

use std::time::Instant;

use mlci_core::Digest;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::{
    data::{DataOutput, DataStage},
    gate::{GateOutput, GateStage},
    image::{ImageOutput, ImageStage},
    publish::{PublishOutput, PublishStage},
    step::StepStage,
    track::TrackStage,
    train::{TrainOutput, TrainStage},
};
use crate::{
    error::{Error, Result},
    event::{Event, StageEnd, StageStatus},
    journal::Record,
    pipeline::Pipeline,
};

/// The names of all stages, in their order.
pub const STAGES: [&str; 10] =
    ["setup", "check", "data", "train", "test", "gate", "track", "publish", "image", "deploy"];

/// A stage: what it works on, and the work.
pub(crate) trait Stage {
    /// What comes of it; written to the journal.
    type Output: Serialize + DeserializeOwned;

    /// Its name, one of [`STAGES`].
    fn name(&self) -> &'static str;

    /// The digest of all that decides what comes of it.
    fn inputs(&self) -> Result<Digest>;

    /// Whether a recorded output is still there to be used.
    fn holds(&self, output: &Self::Output) -> Result<bool>;

    /// Does the work.
    fn work(&self) -> Result<Self::Output>;

    /// What came of it, in a few words.
    fn note(&self, output: &Self::Output) -> String;
}

/// Which stages a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    first: usize,
    last: usize,
    /// From this one on, stages run even when they are done.
    again: usize,
}

impl Default for Selection {
    fn default() -> Self {
        Self { first: 0, last: STAGES.len() - 1, again: STAGES.len() }
    }
}

impl Selection {
    /// All stages, all again.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.again = 0;
        self
    }

    /// All stages, from this one on again.
    ///
    /// # Errors
    /// For a name that is no stage.
    pub fn from(mut self, stage: &str) -> Result<Self> {
        self.again = position(stage)?;
        Ok(self)
    }

    /// Whether it has stages behind this one.
    #[must_use]
    pub fn reaches_beyond(&self, stage: &str) -> bool {
        position(stage).is_ok_and(|index| self.last > index)
    }

    /// Only one stage (`gate`) or several (`data..gate`, `..train`, `image..`).
    ///
    /// # Errors
    /// For a name that is no stage, or two in the wrong order.
    pub fn only(mut self, stages: &str) -> Result<Self> {
        let (first, last) = stages.split_once("..").unwrap_or((stages, stages));
        self.first = if first.is_empty() { 0 } else { position(first)? };
        self.last = if last.is_empty() { STAGES.len() - 1 } else { position(last)? };
        if self.first > self.last {
            return Err(Error::invalid(format!("the stage `{last}` comes before `{first}`"))
                .help(format!("the order is {}", STAGES.join(", "))));
        }
        Ok(self)
    }
}

fn position(stage: &str) -> Result<usize> {
    STAGES.iter().position(|name| *name == stage).ok_or_else(|| {
        let error = Error::invalid(format!("no stage `{stage}`"));
        match crate::config::nearest(stage, &STAGES) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("stages: {}", STAGES.join(", "))),
        }
    })
}

/// Runs stages one after the other and keeps how each ended.
pub(crate) struct Runner<'p> {
    pub(crate) pipeline: &'p Pipeline,
    selection: Selection,
    /// Only say what would run.
    plan: bool,
    ends: Vec<StageEnd>,
}

impl<'p> Runner<'p> {
    pub(crate) fn new(pipeline: &'p Pipeline, selection: Selection, plan: bool) -> Self {
        Self { pipeline, selection, plan, ends: Vec::new() }
    }

    /// Runs a stage, or takes what it did before. `None`: the command ends before this stage.
    ///
    /// `before` is called once it is known that the stage has to work.
    pub(crate) fn run<S: Stage>(
        &mut self,
        stage: &S,
        before: impl FnOnce() -> Result<()>,
    ) -> Result<Option<S::Output>> {
        let name = stage.name();
        let index = position(name)?;
        if index > self.selection.last {
            return Ok(None);
        }
        let started = Instant::now();
        match self.attempt(stage, index, started, before) {
            Err(error) => {
                self.end(name, StageStatus::Failed, started, error.message.clone());
                Err(error)
            }
            end => end,
        }
    }

    fn attempt<S: Stage>(
        &mut self,
        stage: &S,
        index: usize,
        started: Instant,
        before: impl FnOnce() -> Result<()>,
    ) -> Result<Option<S::Output>> {
        let name = stage.name();
        let inputs = stage.inputs()?;
        let record = self.pipeline.journal().get::<S::Output>(name, &inputs)?;
        let record = match record {
            Some(record) if stage.holds(&record.output)? => Some(record),
            _ => None,
        };
        match record {
            Some(Record { output, .. }) if index < self.selection.again || index < self.selection.first => {
                self.end(name, StageStatus::Cached, started, stage.note(&output));
                return Ok(Some(output));
            }
            None if index < self.selection.first => {
                let message = format!("the stage `{name}` has not been run with what is there now");
                return Err(Error::invalid(message).help(format!("run it first: ci --stage ..{name}")));
            }
            _ => {}
        }
        if self.plan {
            self.end(name, StageStatus::Planned, started, "would run".to_owned());
            return Ok(None);
        }
        self.pipeline.event(&Event::StageStarted { name: name.to_owned() });
        before()?;
        let output = stage.work()?;
        self.pipeline.journal().put(name, &inputs, started.elapsed().as_secs_f64(), &output)?;
        self.end(name, StageStatus::Done, started, stage.note(&output));
        Ok(Some(output))
    }

    /// Notes a stage that has nothing to do.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.end(name, StageStatus::Skipped, Instant::now(), why.to_owned());
    }

    /// Whether a stage lies inside what the command runs.
    pub(crate) fn reaches(&self, name: &str) -> bool {
        position(name).is_ok_and(|index| (self.selection.first..=self.selection.last).contains(&index))
    }

    /// Whether a stage runs even when it is done.
    pub(crate) fn again(&self, name: &str) -> bool {
        position(name).is_ok_and(|index| index >= self.selection.again)
    }

    pub(crate) fn is_plan(&self) -> bool {
        self.plan
    }

    pub(crate) fn end(&mut self, name: &str, status: StageStatus, started: Instant, note: String) {
        let seconds = started.elapsed().as_secs_f64();
        self.pipeline.event(&Event::StageFinished { name: name.to_owned(), status, seconds, note: note.clone() });
        let end = StageEnd { name: name.to_owned(), status, seconds, note: self.pipeline.redact(note) };
        crate::interrupt::note(&end);
        self.ends.push(end);
    }

    /// How the stages ended; those that were not reached are skipped.
    pub(crate) fn into_ends(mut self) -> Vec<StageEnd> {
        for name in STAGES {
            if !self.ends.iter().any(|end| end.name == name) {
                let asked = position(name).is_ok_and(|index| index <= self.selection.last);
                let note = match (asked, self.plan) {
                    (false, _) => "not asked for",
                    (true, true) => "depends on the stages before",
                    (true, false) => "not reached",
                }
                .to_owned();
                self.ends.push(StageEnd { name: name.to_owned(), status: StageStatus::Skipped, seconds: 0.0, note });
            }
        }
        self.ends.sort_by_key(|end| position(&end.name).unwrap_or(STAGES.len()));
        self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections() {
        let all = Selection::default();
        assert_eq!((all.first, all.last, all.again), (0, 9, 10));
        let one = all.only("gate").unwrap();
        assert_eq!((one.first, one.last), (5, 5));
        let some = all.only("data..train").unwrap();
        assert_eq!((some.first, some.last), (2, 3));
        assert_eq!(all.only("..train").unwrap().last, 3);
        assert_eq!(all.only("image..").unwrap().first, 8);
        assert_eq!(all.from("image").unwrap().again, 8);
    }

    #[test]
    fn names_that_are_no_stage() {
        let error = Selection::default().only("trian").unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.help.as_deref()),
            ("no stage `trian`", Some("did you mean `train`?"))
        );
        assert!(Selection::default().only("train..data").unwrap_err().message.contains("comes before"));
    }
}
