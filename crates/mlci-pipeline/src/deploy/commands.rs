//! The commands that work on environments.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use mlci_core::Label;
use serde_json::json;

use super::{Asked, OnFailure, shown, target::Target};
use crate::{
    config::Approval,
    end::Ending,
    error::{Error, Outcome, Result},
    event::{EnvironmentEnd, EnvironmentStatus, Finished, ImageRef, ModelRef, RunRef},
    pipeline::Pipeline,
    records::{Happened, Release},
};

/// Which environments `down` stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// One.
    One(Label),
    /// All.
    All,
}

impl Pipeline {
    /// Deploys to one environment: to the first what was built last, to a later one what the one before it verified.
    pub fn deploy(&self, name: &Label, image: Option<&str>) -> Finished {
        self.command("deploy", |ending| {
            let started = Instant::now();
            let _lock = self.begin()?;
            self.environment(name)?;
            let result = self.deploy_next(ending, name, image);
            self.push_along("deploy", Some(name), ending, result.as_ref().err(), started);
            result
        })
    }

    fn deploy_next(&self, ending: &mut Ending, name: &Label, image: Option<&str>) -> Result<()> {
        let release = self.candidate(name, image)?;
        note(ending, &release, self);
        let result = self.deploy_to(name, &release, Asked::ByPerson { named: image }, || {});
        self.add_end(ending, name, result)?;
        if crate::ci::is_ci_job() {
            self.stop_after_job(ending, &[name])?;
        }
        self.mirror_along();
        Ok(())
    }

    /// Records that a person approves what would be deployed.
    pub fn approve(&self, name: &Label, image: Option<&str>, by: Option<&str>) -> Finished {
        self.command("approve", |ending| {
            let _lock = self.begin()?;
            let environment = self.environment(name)?;
            if environment.approval == Approval::None {
                return Err(Error::invalid(format!("`{name}` needs no approval"))
                    .help(format!("to ask for one: [environment.{name}] approval = \"required\"")));
            }
            let release = self.candidate(name, image)?;
            note(ending, &release, self);
            self.check_source(name, environment, &release)?;
            let history = self.history(name)?;
            let now = Timestamp::now();
            let by = by.map_or_else(|| self.person(), str::to_owned);
            let text = match history.approval(&release.image, &environment.digest(), now) {
                Some(approval) => {
                    format!(
                        "{} is approved for `{name}` already, by {} at {}",
                        shown(&release),
                        approval.by,
                        approval.at
                    )
                }
                None => {
                    let until = environment
                        .approval_days
                        .and_then(|days| now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok());
                    let approved = Happened::Approved {
                        release: release.clone(),
                        configuration: environment.digest(),
                        by: by.clone(),
                        until,
                    };
                    let log = self.records().environment(name)?;
                    self.block_on(log.append_after(history.last_number(), &approved, &approved.references()))?;
                    let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
                    format!(
                        "{by} approves {}@{} for `{name}`{until}: image {}",
                        release.name, release.version, release.image
                    )
                }
            };
            let next = self.command_line(&format!("deploy {name}{}", super::release_option(image)));
            ending.text = Some(format!("{text}\nnext: {next}"));
            // Who approves need not be able to reach what it is deployed to.
            ending.environments.extend(self.environment_status(name));
            Ok(())
        })
    }

    /// Goes back to the release before, or to a named one, and marks the present one as rejected.
    pub fn rollback(&self, name: &Label, to: Option<&str>, reason: &str) -> Finished {
        self.command("rollback", |ending| {
            let _lock = self.begin()?;
            let environment = self.environment(name)?;
            let history = self.history(name)?;
            let Some(recorded) = history.serving().cloned() else {
                return Err(Error::fail(format!(
                    "nothing was released in `{name}`, so there is nothing to go back from"
                )));
            };
            let target = self.target(name)?;
            // A deployment that was cut short may have left another release running than the record says.
            let unrecorded = target.observe()?.map(|running| running.image).filter(|image| *image != recorded.image);
            let (from, release) = match (unrecorded, to) {
                (Some(image), None) => (image, recorded),
                (_, to) => (unrecorded.unwrap_or(recorded.image), self.earlier(name, &history, to)?),
            };
            if release.image == from {
                return Err(Error::invalid(format!("{} serves in `{name}` already", shown(&release)))
                    .help(format!("to start it anew: {}", self.command_line(&format!("restart {name}")))));
            }
            // Looked at before anything is changed.
            if target.is_local() {
                self.layout()?.verify(&release.image)?;
            }
            note(ending, &release, self);
            let by = self.person();
            // First, so that a command that is cut short here does not let the next ci bring it back.
            let rejected = Happened::Rejected { image: from, by: by.clone(), reason: reason.to_owned(), failed: false };
            let log = self.records().environment(name)?;
            let entry = self.block_on(log.append_after(history.last_number(), &rejected, &rejected.references()))?;
            let result = self.bring(name, &*target, &release, &history, OnFailure::Keep).and_then(|running| {
                self.move_alias(name, &release)?;
                let back = Happened::RolledBack {
                    release: release.clone(),
                    configuration: environment.digest(),
                    by,
                    reason: reason.to_owned(),
                };
                if let Err(refused) = self.record(name, Some(entry.number), &back) {
                    return Err(self.give_way(name, &*target, &release, &history, refused));
                }
                Ok(super::verified(name, &release, &running))
            });
            if result.is_ok() {
                ending.text = Some(format!(
                    "`{name}` went back to {}; image {} is rejected there: {reason}",
                    shown(&release),
                    from.short()
                ));
            }
            self.add_end(ending, name, result)?;
            self.mirror_along();
            Ok(())
        })
    }

    /// How one or all environments stand.
    pub fn status(&self, name: Option<&Label>) -> Finished {
        self.command("status", |ending| {
            let names: Vec<&Label> = match name {
                Some(name) => {
                    self.environment(name)?;
                    vec![name]
                }
                None => self.config().environment.keys().collect(),
            };
            for name in names {
                let mut end = self.environment_status(name)?;
                if let Some(waiting) = self.waiting_for(name)? {
                    end.note = if end.note.is_empty() { waiting } else { format!("{}; {waiting}", end.note) };
                }
                ending.environments.push(end);
            }
            // Of one, everything; of all, a line each.
            if let Some(name) = name {
                let tables = self.target(name)?.tables()?;
                ending.text = (!tables.is_empty()).then(|| tables.join("\n\n"));
            }
            Ok(())
        })
    }

    /// What the environment before has verified and this one does not have yet.
    fn waiting_for(&self, name: &Label) -> Result<Option<String>> {
        let environments = &self.config().environment;
        let before = environments.get_index_of(name).and_then(|index| environments.get_index(index.checked_sub(1)?));
        let Some((before, _)) = before else { return Ok(None) };
        let (ours, theirs) = (self.history(name)?, self.history(before)?);
        let Some(release) = theirs.serving() else { return Ok(None) };
        if ours.serving().is_some_and(|own| own.image == release.image) {
            return Ok(None);
        }
        if let Some(rejection) = ours.rejection(&release.image) {
            return Ok(Some(format!("{} was rejected here: {}", shown(release), rejection.reason)));
        }
        let environment = self.environment(name)?;
        let approved = environment.approval == Approval::None
            || ours.approval(&release.image, &environment.digest(), Timestamp::now()).is_some();
        let next = self.command_line(&format!("{} {name}", if approved { "deploy" } else { "approve" }));
        Ok(Some(format!("{} is verified in {before} and not here yet: {next}", shown(release))))
    }

    /// Starts what an environment serves anew, without a gap.
    pub fn restart(&self, name: &Label) -> Finished {
        self.command("restart", |ending| {
            let _lock = self.begin()?;
            let environment = self.environment(name)?;
            let history = self.history(name)?;
            let Some((release, configuration)) = history.current().and_then(|entry| entry.body.deployed()) else {
                return Err(Error::fail(format!("nothing was released in `{name}`"))
                    .help(format!("release something: {}", self.command_line(&format!("deploy {name}")))));
            };
            note(ending, release, self);
            if *configuration != environment.digest() {
                return Err(Error::invalid(format!("the configuration of `{name}` has changed since it was deployed"))
                    .help(format!("deploy it anew: {}", self.command_line(&format!("deploy {name}")))));
            }
            let target = self.target(name)?;
            let result = self
                .bring(name, &*target, release, &history, OnFailure::Keep)
                .map(|running| super::verified(name, release, &running));
            self.add_end(ending, name, result)
        })
    }

    /// Stops what environments run, also those that are no longer in the configuration. What was released stays recorded.
    pub fn down(&self, which: &Which) -> Finished {
        self.command("down", |ending| {
            // No more than that: what is damaged elsewhere is no reason to leave something running.
            let _lock = self.workdir().lock()?;
            let orphans = self.orphans()?;
            let (mut stopped, mut failed) = (Vec::new(), None);
            let wanted = |name: &str| match which {
                Which::One(one) => one.as_str() == name,
                Which::All => true,
            };
            let mut stop = |name: &str, target: Result<Box<dyn Target>>| match target.and_then(|target| target.stop()) {
                Ok(true) => stopped.push(name.to_owned()),
                Ok(false) => {}
                Err(error) => failed = Some(failed.take().unwrap_or(error)),
            };
            if let Which::One(name) = which
                && !orphans.iter().any(|(orphan, _)| orphan == name.as_str())
            {
                self.environment(name)?;
            }
            for (name, target) in orphans.into_iter().filter(|(name, _)| wanted(name)) {
                stop(&name, Ok(target));
            }
            let mut left = Vec::new();
            for name in self.config().environment.keys().filter(|name| wanted(name.as_str())) {
                let target = self.target(name);
                if target.as_ref().is_ok_and(|target| !target.is_local()) {
                    left.push(name.to_string());
                } else {
                    stop(name.as_str(), target);
                }
                let unknown = |error: Error| EnvironmentEnd::named(name, EnvironmentStatus::Failed, error.to_string());
                ending.environments.push(self.environment_status(name).unwrap_or_else(unknown));
            }
            let strangers = self.strangers();
            if *which == Which::All && !strangers.is_empty() {
                self.warn(format!(
                    "not stopped, since another project has started it: {}; its own configuration's `down` stops it, \
                     or end the process",
                    strangers.join(", ")
                ));
            }
            let mut said = Vec::new();
            if !stopped.is_empty() {
                said.push(format!("stopped {}", stopped.join(", ")));
            }
            if !left.is_empty() {
                said.push(format!("left alone, since it is in a cluster: {}", left.join(", ")));
            }
            ending.text = Some(if said.is_empty() { "nothing ran".to_owned() } else { said.join("\n") });
            failed.map_or(Ok(()), Err)
        })
    }

    /// What the server of an environment has logged.
    pub fn logs(&self, name: &Label) -> Finished {
        self.command("logs", |ending| {
            self.environment(name)?;
            let Some((place, bytes)) = self.target(name)?.log()? else {
                return Err(Error::fail(format!("nothing runs in `{name}`, so there is no log")));
            };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            ending.result = Some(json!({"path": place, "lines": text.lines().collect::<Vec<_>>()}));
            ending.text = Some(text);
            Ok(())
        })
    }

    fn add_end(&self, ending: &mut Ending, name: &Label, result: Result<EnvironmentEnd>) -> Result<()> {
        match result {
            Ok(end) => {
                ending.environments.push(end);
                Ok(())
            }
            Err(error) => {
                // The error is what counts; how the environment stands comes with it where it can be told.
                if let Ok(mut end) = self.environment_status(name) {
                    if error.outcome == Outcome::Waiting {
                        end.status = EnvironmentStatus::Waiting;
                    }
                    ending.environments.push(end);
                }
                Err(error)
            }
        }
    }
}

pub(super) fn note(ending: &mut Ending, release: &Release, pipeline: &Pipeline) {
    ending.model = Some(ModelRef { name: release.name.clone(), version: Some(release.version), digest: release.model });
    ending.run = release.run.clone().map(RunRef::of);
    let found = pipeline.layout().ok().and_then(|layout| layout.find(&release.image).ok().flatten());
    ending.image = found.map(|image| ImageRef {
        reference: format!(
            "oci:{}:{}",
            pipeline.resolve(&pipeline.config().image.layout).display(),
            image.tags.first().map(String::as_str).unwrap_or_default()
        ),
        pushed: None,
        digest: image.digest,
        bytes: image.compressed_bytes,
    });
}
