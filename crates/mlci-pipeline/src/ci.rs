//! `ci` and `plan`: the stages in their order.

use std::time::Instant;

use mlci_core::{Digest, Label};
use mlci_track::Status;

use crate::{
    config::{Approval, Artifact},
    end::Ending,
    error::{Error, Outcome, Result},
    event::{EnvironmentEnd, EnvironmentStatus, Event, Finished, ImageRef, ModelRef, RunRef, StageStatus},
    pipeline::Pipeline,
    records::Release,
    report_data,
    stage::{
        DataStage, GateStage, ImageOutput, ImageStage, PublishStage, Runner, Selection, StepStage, TrackStage,
        TrainOutput, TrainStage,
    },
};

/// What `ci` is asked to do.
#[derive(Debug, Clone, Default)]
pub struct CiOptions {
    /// The stages.
    pub selection: Selection,
    /// Whether this is a CI job, whose processes end with it.
    pub ephemeral: bool,
    /// The environment behind which no other is deployed to.
    pub until: Option<Label>,
    /// Whether nothing is asked of the store, as in a job without secrets: the gate knows no champion then. Only for
    /// stages up to the gate.
    pub without_store: bool,
}

impl Pipeline {
    /// Takes the source to a verified deployment in every environment that needs no further approval.
    pub fn ci(&self, options: &CiOptions) -> Finished {
        self.command("ci", |ending| {
            let started = Instant::now();
            if let Some(name) = &options.until {
                self.environment(name)?;
            }
            if options.without_store && options.selection.reaches_beyond("gate") {
                return Err(Error::invalid("--without-store is for stages up to the gate: what follows is stored")
                    .help("add --stage ..gate"));
            }
            let _lock = self.begin()?;
            if options.ephemeral && !options.without_store && self.config().artifact.store == Artifact::default().store
            {
                self.warn(
                    "this CI job's store ends with its checkout, so the next one finds no champion: keep `.mlci/store` \
                     between jobs, or name another: [artifact] store",
                );
            }
            let mut runner = Runner::new(self, options.selection, false);
            let result = self.stages(&mut runner, ending, options);
            ending.stages = runner.into_ends();
            if ending.run.is_none() {
                self.note_run(ending);
            }
            let worked = ending.stages.iter().any(|end| matches!(end.status, StageStatus::Done | StageStatus::Failed));
            if !worked {
                ending.text = Some("nothing has changed since the last run, so there was nothing to do".to_owned());
            }
            self.close_run(result.as_ref().err());
            // Who has no secrets for the store has none for MLflow; a later job brings the run there.
            let mirrored = if options.without_store { None } else { self.mirror_along() };
            if let (Some(mirrored), Some(run)) = (mirrored, &mut ending.run) {
                run.page = mirrored.page;
            }
            if worked {
                match report_data::write(self, ending, result.as_ref().err(), started) {
                    Ok(path) => ending.report = Some(path),
                    // The report tells of the work; it does not undo it.
                    Err(error) => self.warn(format!("the report could not be written: {error}")),
                }
            } else {
                ending.report = report_data::existing(self);
            }
            // Whose code is not reviewed yet has no business there either.
            if !options.without_store {
                self.push_along("ci", None, ending, result.as_ref().err(), started);
            }
            result
        })
    }

    /// Says what `ci` would do, and does none of it.
    pub fn plan(&self, selection: Selection) -> Finished {
        self.command("plan", |ending| {
            let mut runner = Runner::new(self, selection, true);
            let options = CiOptions { selection, ..CiOptions::default() };
            let result = self.stages(&mut runner, ending, &options);
            ending.stages = runner.into_ends();
            if ending.environments.is_empty() {
                for name in self.config().environment.keys() {
                    ending.environments.push(self.environment_status(name)?);
                }
            }
            result
        })
    }

    fn close_run(&self, failure: Option<&Error>) {
        let Some(run) = self.take_run() else { return };
        let verdict = failure.map_or(Outcome::Pass, |error| error.outcome);
        let status = match verdict {
            // A refused run did what it was meant to; what it made was not wanted.
            Outcome::Pass | Outcome::Refused => Status::Finished,
            _ => Status::Failed,
        };
        let reason = failure.map(|error| error.message.as_str());
        if let Err(error) = run.tag("verdict", verdict.as_str()).and_then(|()| run.finish(status, reason)) {
            self.warn(format!("the run {} could not be closed: {error}", run.id()));
        }
    }

    fn stages(&self, runner: &mut Runner<'_>, ending: &mut Ending, options: &CiOptions) -> Result<()> {
        let config = self.config();
        for (name, step) in [("setup", &config.setup), ("check", &config.check)] {
            if !self.step(runner, name, step, None)? {
                return Ok(());
            }
        }
        let open_run = || self.run().map(drop);
        let Some(data) = runner.run(&DataStage::new(self), open_run)? else { return Ok(()) };
        self.know(|known| known.data = Some(data.clone()));

        let Some(trained) = runner.run(&TrainStage { pipeline: self, data: &data }, open_run)? else { return Ok(()) };
        self.know(|known| known.trained = Some(trained.clone()));
        ending.model = Some(ModelRef { name: config.project.name.clone(), version: None, digest: trained.model });
        if self.open_run().is_some() {
            self.log_training(&data, &trained)?;
        }
        if !self.step(runner, "test", &config.test, Some(&trained))? {
            return Ok(());
        }

        // A model is not compared with itself: what it passed once, it passed.
        let started = Instant::now();
        let champion = match if options.without_store { Ok(None) } else { self.champion() } {
            Ok(champion) => champion,
            Err(error) => {
                runner.end("gate", StageStatus::Failed, started, error.message.clone());
                return Err(error);
            }
        };
        let reigns = champion.as_ref().is_some_and(|version| version.model == trained.model);
        let champion = champion.as_ref().filter(|_| !reigns);
        let gate_stage = GateStage {
            pipeline: self,
            trained: &trained,
            champion,
            reigns,
            data: data.digest,
            asked: !options.without_store,
        };
        let log_training = || self.log_training(&data, &trained);
        let gate = runner.run(&gate_stage, log_training);
        self.note_run(ending);
        let Some(gate) = gate?.map(|gate| gate_stage.explain(gate)) else { return Ok(()) };
        if !runner.is_plan() {
            gate_stage.remember(&gate)?;
        }
        self.seen_gate(&gate);

        let track = TrackStage { pipeline: self, trained: &trained, gate: &gate };
        let Some(tracked) = runner.run(&track, log_training)? else { return Ok(()) };
        ending.run = Some(RunRef::of(tracked.run.to_string()));

        let publish = PublishStage { pipeline: self, trained: &trained, data: data.digest, run: &tracked.run };
        let Some(published) = runner.run(&publish, || Ok(()))? else { return Ok(()) };
        self.know(|known| known.published = Some(published.clone()));
        ending.model = Some(ModelRef {
            name: config.project.name.clone(),
            version: Some(published.version),
            digest: published.model,
        });
        self.tag_run("version", &published.version.to_string())?;

        if !(runner.reaches("image") || runner.reaches("deploy")) {
            return Ok(());
        }
        let started = Instant::now();
        let again = runner.again("image");
        let stage = match ImageStage::new(self, published.model, published.version, again) {
            Ok(stage) => stage,
            Err(error) => {
                runner.end("image", StageStatus::Failed, started, error.message.clone());
                return Err(error);
            }
        };
        let Some(image) = runner.run(&stage, || Ok(()))? else { return Ok(()) };
        self.know(|known| known.image = Some(image.clone()));
        ending.image = Some(ImageRef {
            reference: image.reference(),
            pushed: image.pushed.clone(),
            digest: image.digest,
            bytes: image.compressed_bytes,
        });
        self.tag_run("image", &image.digest.to_string())?;
        let release = self.release(&image, published.model, published.version, &tracked.run.to_string());
        if !runner.is_plan() {
            self.record_build(&release)?;
        }
        if runner.reaches("deploy") {
            self.deploy_stage(runner, ending, &release, options)?;
        }
        Ok(())
    }

    /// Runs a command of the team's own, if there is one. False: the command ends before it.
    fn step(
        &self,
        runner: &mut Runner<'_>,
        name: &'static str,
        step: &crate::config::Step,
        trained: Option<&TrainOutput>,
    ) -> Result<bool> {
        if step.command.is_empty() {
            if runner.reaches(name) {
                runner.skip(name, &format!("no [{name}] command"));
            }
            return Ok(true);
        }
        Ok(runner.run(&StepStage { pipeline: self, name, step, trained }, || Ok(()))?.is_some())
    }

    fn note_run(&self, ending: &mut Ending) {
        if let Some(run) = self.open_run() {
            ending.run = Some(RunRef::of(run.id().to_string()));
        }
    }

    fn tag_run(&self, key: &str, value: &str) -> Result<()> {
        match self.open_run() {
            Some(run) => Ok(run.tag(key, value)?),
            None => Ok(()),
        }
    }

    /// The version that the champion's alias points to.
    pub(crate) fn champion(&self) -> Result<Option<mlci_artifact::Version>> {
        let config = self.config();
        let name = &config.project.name;
        let Some(alias) = self.block_on(self.store().alias(name, &config.gate.champion))? else { return Ok(None) };
        Ok(Some(self.block_on(self.store().version(name, alias.version))?))
    }

    fn release(&self, image: &ImageOutput, model: Digest, version: u64, run: &str) -> Release {
        Release {
            image: image.digest,
            name: self.config().project.name.clone(),
            version,
            model,
            server: image.server,
            source: self.source().clone(),
            run: Some(run.to_owned()),
        }
    }

    /// Records what an image was made of, unless that is known. Of changes that are not committed, each state would be
    /// a new one; the first is enough.
    fn record_build(&self, release: &Release) -> Result<()> {
        let builds = self.records().builds()?;
        let known = match self.block_on(builds.last())?.map(|last| last.body) {
            Some(last) if last.image == release.image && last.run == release.run => {
                last.source == release.source || !release.source.is_clean()
            }
            _ => false,
        };
        if !known {
            self.block_on(builds.append(release, &[release.model]))?;
        }
        Ok(())
    }

    /// Deploys to the environments in their order, until one waits.
    fn deploy_stage(
        &self,
        runner: &mut Runner<'_>,
        ending: &mut Ending,
        release: &Release,
        options: &CiOptions,
    ) -> Result<()> {
        let started = Instant::now();
        let environments = &self.config().environment;
        if environments.is_empty() {
            runner.skip("deploy", "no [environment.NAME] in the configuration");
            return Ok(());
        }
        if runner.is_plan() {
            for name in environments.keys() {
                ending.environments.push(self.environment_status(name)?);
            }
            runner.skip("deploy", "would bring the image to every environment where it does not run and may");
            return Ok(());
        }
        let (mut worked, mut open) = (false, true);
        let mut deployed = Vec::new();
        let mut failure = None;
        for (name, environment) in environments {
            if !open {
                ending.environments.push(self.environment_status(name)?);
                continue;
            }
            let result = self.deploy_to(
                name,
                release,
                crate::deploy::Asked::ByPipeline { ephemeral: options.ephemeral },
                || {
                    if !worked {
                        self.event(&Event::StageStarted { name: "deploy".to_owned() });
                    }
                    worked = true;
                    deployed.push(name);
                },
            );
            match result {
                Ok(end) => {
                    open = end.status == EnvironmentStatus::Verified && options.until.as_ref() != Some(name);
                    if open && environment.approval == Approval::None {
                        self.tag_run(&format!("deployed.{name}"), "verified")?;
                    }
                    ending.environments.push(end);
                }
                Err(error) => {
                    // What served before still does, and is shown where it can be told.
                    let mut end = self
                        .environment_status(name)
                        .unwrap_or_else(|_| EnvironmentEnd::named(name, EnvironmentStatus::Failed, ""));
                    end.status = EnvironmentStatus::Failed;
                    end.note.clone_from(&error.message);
                    ending.environments.push(end);
                    failure = Some(error);
                    open = false;
                }
            }
        }
        if options.ephemeral {
            self.stop_after_job(ending, &deployed)?;
        }
        if let Some(error) = failure {
            runner.end("deploy", StageStatus::Failed, started, error.message.clone());
            return Err(error);
        }
        let note = ending
            .environments
            .iter()
            .map(|end| match &end.address {
                Some(address) if end.status == EnvironmentStatus::Verified => {
                    format!("{} verified at {address}", end.name)
                }
                _ => format!("{} {}", end.name, end.status.as_str()),
            })
            .collect::<Vec<_>>()
            .join(", ");
        runner.end("deploy", if worked { StageStatus::Done } else { StageStatus::Cached }, started, note);
        Ok(())
    }

    /// In a CI job nobody would ever stop what it started.
    pub(crate) fn stop_after_job(&self, ending: &mut Ending, deployed: &[&Label]) -> Result<()> {
        for name in deployed {
            let stopped = self.target(name)?.stop()?;
            let end = ending.environments.iter_mut().find(|end| end.name == name.as_str());
            if let Some(end) = end.filter(|_| stopped) {
                end.note = "stopped at the end of this CI job".to_owned();
                (end.pid, end.address) = (None, None);
            }
        }
        Ok(())
    }
}

/// Whether this is a CI job, as all common CI systems say: `CI` is set, and to something other than `false`.
#[must_use]
pub fn is_ci_job() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}
