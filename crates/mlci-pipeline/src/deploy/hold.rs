//! `pause`, `resume` and `abort`: what a person does with a deployment that is under way.
//!
//! None of them takes the lock of the checkout, which the deployment itself holds, here or on another machine. They work
//! on the cluster, and the log of the environment settles who was first.

use mlci_core::{Digest, Label};

use super::{
    shown,
    target::{DeployError, Target},
};
use crate::{
    error::{Error, Outcome, Result},
    event::{EnvironmentEnd, EnvironmentStatus, Event, Finished},
    pipeline::Pipeline,
    records::{Happened, History},
};

impl Pipeline {
    /// Holds the rollout in an environment where it is. What serves goes on.
    pub fn pause(&self, name: &Label) -> Finished {
        self.command("pause", |ending| {
            self.target(name)?.pause()?;
            let (resume, abort) = (self.command_line(&format!("resume {name}")), self.abort_line(name));
            ending.text = Some(format!(
                "`{name}` is paused: no further pod is replaced\nnext: {resume}, or to give it up: {abort}"
            ));
            ending.environments.extend(self.environment_status(name));
            Ok(())
        })
    }

    /// Lets a rollout go on that was paused, by whomever.
    pub fn resume(&self, name: &Label) -> Finished {
        self.command("resume", |ending| {
            let (target, history) = (self.target(name)?, self.history(name)?);
            target.resume()?;
            let verified = history.serving().map(|release| release.image);
            ending.text = Some(match target.wanted()?.filter(|image| Some(*image) != verified) {
                None => format!("`{name}` goes on"),
                // Whoever waited for it was told that it was paused, and ended.
                Some(image) => format!(
                    "`{name}` goes on with image {}, which is not verified there yet\nnext: {}, or to give it up: {}",
                    image.short(),
                    self.command_line(&format!("deploy {name}")),
                    self.abort_line(name)
                ),
            });
            ending.environments.extend(self.environment_status(name));
            Ok(())
        })
    }

    /// Gives up what is being deployed to an environment, by whomever: marks it as rejected there, and brings back what
    /// was verified last.
    pub fn abort(&self, name: &Label, reason: &str) -> Finished {
        self.command("abort", |ending| {
            let (target, history) = (self.target(name)?, self.history(name)?);
            let serves = history.serving().map(|serving| serving.image);
            // What is tried out stands beside what serves.
            let image = match target.wanted()? {
                image if image == serves && serves.is_some() => target.on_trial()?.or(image),
                image => image,
            };
            let Some(image) = image else {
                return Err(Error::invalid(format!("nothing is deployed in `{name}`, so there is nothing to give up")));
            };
            if serves == Some(image) {
                let line = |verb: &str| self.command_line(&format!("{verb} {name}"));
                return Err(Error::invalid(format!(
                    "what is deployed in `{name}` is what was verified there last, so there is nothing to give up"
                ))
                .help(format!(
                    "to go back to the release before: {}; to end a pause: {}",
                    line("rollback"),
                    line("resume")
                )));
            }
            self.reject(name, &history, image, reason)?;
            let end = self.give_up(name, &*target, &history, image)?;
            ending.text = Some(format!("image {} is given up in `{name}` and rejected there: {reason}", image.short()));
            ending.environments.push(end);
            self.mirror_along();
            Ok(())
        })
    }

    /// First, so that a deployment which ends just now is refused by the log, and no later `ci` brings the image back.
    fn reject(&self, name: &Label, history: &History, image: Digest, reason: &str) -> Result<()> {
        let rejected = Happened::Rejected { image, by: self.person(), reason: reason.to_owned(), failed: false };
        self.record(name, history.last_number(), &rejected)
    }

    fn give_up(&self, name: &Label, target: &dyn Target, history: &History, image: Digest) -> Result<EnvironmentEnd> {
        let progress = |message: String| {
            self.event(&Event::Progress { name: "abort".to_owned(), message: format!("{name}: {message}") });
        };
        let serving = history.serving();
        let running = target.give_up(serving, &progress).map_err(|error| {
            let error = DeployError::into_error(error);
            let again = self.abort_line(name);
            let what = serving.map_or_else(
                || "it could not be removed".to_owned(),
                |release| format!("{} could not be brought back", shown(release)),
            );
            let message = format!("image {} is rejected in `{name}`, and {what}", image.short());
            let mut causes = vec![error.message.clone()];
            causes.extend(error.causes());
            Error::new(Outcome::Fail, message).because_of(causes).help(format!("mend it, then: {again}"))
        })?;
        match (serving, running) {
            (Some(release), Some(running)) => {
                self.move_alias(name, release)?;
                Ok(super::verified(name, release, &running))
            }
            _ => Ok(EnvironmentEnd::named(name, EnvironmentStatus::Empty, "nothing was released here yet")),
        }
    }

    fn abort_line(&self, name: &Label) -> String {
        self.command_line(&format!("abort {name}"))
    }
}
