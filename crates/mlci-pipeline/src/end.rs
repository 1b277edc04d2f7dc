//! How every command ends: one [`Finished`], whatever happened.

use std::time::Instant;

use crate::{
    error::{Outcome, Result},
    event::{EnvironmentEnd, Event, Finished, ImageRef, ModelRef, RunRef, StageEnd},
    pipeline::Pipeline,
};

/// What a command has come to so far.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) stages: Vec<StageEnd>,
    pub(crate) run: Option<RunRef>,
    pub(crate) model: Option<ModelRef>,
    pub(crate) image: Option<ImageRef>,
    pub(crate) environments: Vec<EnvironmentEnd>,
    pub(crate) report: Option<String>,
    pub(crate) result: Option<serde_json::Value>,
    /// What a person is shown of the result.
    pub(crate) text: Option<String>,
}

/// Runs the body of a command and says how it ended.
pub(crate) fn finish(command: &str, body: impl FnOnce(&mut Ending) -> Result<()>, event: impl Fn(&Event)) -> Finished {
    let started = Instant::now();
    event(&Event::Started { command: command.to_owned() });
    let mut ending = Ending::default();
    let result = body(&mut ending);
    let verdict = result.as_ref().err().map_or(Outcome::Pass, |error| error.outcome);
    let finished = Finished {
        command: command.to_owned(),
        verdict,
        exit_code: verdict.exit_code(),
        seconds: started.elapsed().as_secs_f64(),
        stages: ending.stages,
        run: ending.run,
        model: ending.model,
        image: ending.image,
        environments: ending.environments,
        report: ending.report,
        result: ending.result,
        text: ending.text,
        error: result.as_ref().err().map(Into::into),
    };
    event(&Event::Finished(Box::new(finished.clone())));
    finished
}

impl Pipeline {
    pub(crate) fn command(&self, name: &str, body: impl FnOnce(&mut Ending) -> Result<()>) -> Finished {
        finish(name, body, |event| self.event(event))
    }
}
