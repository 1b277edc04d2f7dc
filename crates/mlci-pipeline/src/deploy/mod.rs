//! Environments: what may go there, bringing it there, and going back.

mod candidate;
mod commands;
#[cfg(feature = "kubernetes")]
mod helm;
mod hold;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod late;
mod look;
mod process;
mod status;
mod target;
#[cfg(feature = "kubernetes")]
mod workload;

pub use self::{commands::Which, target::Look};
#[cfg(feature = "kubernetes")]
pub(crate) use self::{helm::version as helm_version, workload::workload};

use jiff::Timestamp;
use mlci_core::Label;

use self::{
    status::verified,
    target::{DeployError, Running, Target},
};
use crate::{
    config::{Approval, Environment, TargetKind},
    error::{Error, Outcome, Result},
    event::{CanaryCheck, EnvironmentEnd, EnvironmentStatus, Event},
    pipeline::Pipeline,
    records::{Happened, History, Release},
};

/// Who wants a deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// `ci`, which leaves alone what may not be deployed.
    ByPipeline {
        /// Whether what it starts ends with it.
        ephemeral: bool,
    },
    /// A person, who is told why it may not be.
    ByPerson {
        /// The release as the person named it, where it is not the next one.
        named: Option<&'a str>,
    },
}

/// The option that names a release, for a command line that a person can copy.
fn release_option(named: Option<&str>) -> String {
    named.map(|named| format!(" --release {named}")).unwrap_or_default()
}

impl Pipeline {
    pub(crate) fn environment(&self, name: &Label) -> Result<&Environment> {
        self.config().environment.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.config().environment.keys().map(Label::as_str).collect();
            let error = Error::invalid(format!("no environment `{name}`"));
            match crate::config::nearest(name.as_str(), &names) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None if names.is_empty() => error.help("write one: [environment.staging]"),
                None => error.help(format!("environments: {}", names.join(", "))),
            }
        })
    }

    pub(crate) fn target(&self, name: &Label) -> Result<Box<dyn Target>> {
        let environment = self.environment(name)?.clone();
        match environment.target {
            TargetKind::Process => self.process(name.as_str(), environment),
            #[cfg(feature = "kubernetes")]
            TargetKind::Kubernetes => Ok(Box::new(self.cluster(name, environment)?)),
            #[cfg(feature = "kubernetes")]
            TargetKind::Helm => {
                let cluster = self.cluster(name, environment.clone())?;
                Ok(Box::new(helm::Helm::new(self, name, environment, cluster)?))
            }
            #[cfg(not(feature = "kubernetes"))]
            TargetKind::Kubernetes | TargetKind::Helm => Err(Error::invalid(format!(
                "environment `{name}` needs the feature `kubernetes`, which this program was built without"
            ))),
        }
    }

    #[cfg(feature = "kubernetes")]
    fn cluster(&self, name: &Label, environment: Environment) -> Result<kubernetes::Kubernetes> {
        let (project, image) = (&self.config().project.name, &self.config().image);
        kubernetes::Kubernetes::new(name, project, environment, image, self.store().clone(), self.runtime())
    }

    fn process(&self, name: &str, environment: Environment) -> Result<Box<dyn Target>> {
        Ok(Box::new(process::Process {
            name: name.to_owned(),
            folder: self.workdir().environments(self.config().project.name.as_str()).join(name),
            environment,
            images: self.image_folder()?,
            runtime: self.runtime(),
            host_server: if cfg!(target_os = "linux") { None } else { Some(self.host_server()?) },
        }))
    }

    /// Environments that have something on this machine but are no longer in the configuration.
    pub(crate) fn orphans(&self) -> Result<Vec<(String, Box<dyn Target>)>> {
        let folder = self.workdir().environments(self.config().project.name.as_str());
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let gone = names.filter(|name| !self.config().environment.keys().any(|known| known.as_str() == name));
        gone.map(|name| Ok((name.clone(), self.process(&name, Environment::default())?))).collect()
    }

    /// Clears away what a command that was cut short left running. Called under the lock.
    pub(crate) fn settle_environments(&self) -> Result<()> {
        for name in self.config().environment.keys() {
            let target = self.target(name)?;
            // Elsewhere is asked only by who deploys there: whoever approves need not reach it.
            if target.is_local() {
                self.settle(name, &*target)?;
            }
        }
        Ok(())
    }

    fn settle(&self, name: &Label, target: &dyn Target) -> Result<()> {
        if target.settle()? {
            self.warn(format!("a deployment to `{name}` was cut short; what it left running is stopped"));
        }
        Ok(())
    }

    /// Elsewhere than on Linux the image's server cannot run; one built here runs the same model.
    fn host_server(&self) -> Result<std::path::PathBuf> {
        self.warn("the image's server does not run on this system: one built for it runs the same model");
        crate::stage::server::for_host(self)
    }

    pub(crate) fn history(&self, name: &Label) -> Result<History> {
        self.block_on(self.records().history(name))
    }

    /// Refuses a release that is not exactly what a commit holds, where the environment asks for that.
    fn check_source(&self, name: &Label, environment: &Environment, release: &Release) -> Result<()> {
        if environment.takes_dirty() || release.source.is_clean() {
            return Ok(());
        }
        let what = match release.source.commit() {
            Some(commit) => format!("changes on top of commit {commit} that are not committed"),
            None => match crate::source::Source::problem(self.root()) {
                Some(problem) => format!("a folder whose git repository cannot be read ({problem})"),
                None => "a folder without a git commit".to_owned(),
            },
        };
        Err(Error::new(
            Outcome::Refused,
            format!("`{name}` takes only what a commit holds, and {} was made from {what}", shown(release)),
        )
        .help(format!("commit and run ci again, or allow it: [environment.{name}] allow_dirty = true")))
    }

    fn may_deploy(
        &self,
        name: &Label,
        environment: &Environment,
        release: &Release,
        history: &History,
        named: Option<&str>,
    ) -> Result<()> {
        self.check_source(name, environment, release)?;
        if environment.approval == Approval::Required
            && history.approval(&release.image, &environment.digest(), Timestamp::now()).is_none()
        {
            let why = match history.rejection(&release.image) {
                Some(rejection) => format!(" (it was rejected there since: {})", rejection.reason),
                None => match history.expired(&release.image, Timestamp::now()) {
                    Some(until) => format!(" (the last one ended at {until})"),
                    None => String::new(),
                },
            };
            return Err(Error::new(
                Outcome::Waiting,
                format!("`{name}` waits for an approval of {}{why}", shown(release)),
            )
            .help(format!(
                "look at it, then: {}",
                self.command_line(&format!("approve {name}{}", release_option(named)))
            )));
        }
        Ok(())
    }

    /// Brings a release to an environment where it does not run yet, if it may go there.
    ///
    /// `work` is called before anything is changed.
    pub(crate) fn deploy_to(
        &self,
        name: &Label,
        release: &Release,
        asked: Asked<'_>,
        mut work: impl FnMut(),
    ) -> Result<EnvironmentEnd> {
        let environment = self.environment(name)?;
        let history = self.history(name)?;
        let target = self.target(name)?;
        if !target.is_local() {
            self.settle(name, &*target)?;
        }
        let (by_person, named) = match asked {
            Asked::ByPerson { named } => (true, named),
            Asked::ByPipeline { .. } => (false, None),
        };
        // Where nobody approves, asking for it by hand is the consent.
        if let (Some(rejection), false) = (history.rejection(&release.image), by_person) {
            let reason = rejection.reason;
            let again = self.command_line(&format!("deploy {name}"));
            if rejection.failed {
                return Err(Error::new(
                    Outcome::RolledBack,
                    format!("{} failed in `{name}` before, and nothing of it has changed: {reason}", shown(release)),
                )
                .help(format!("mend it and run ci again, or try the same once more: {again}")));
            }
            let mut end = self.status_of(name, &*target, &history)?;
            end.status = EnvironmentStatus::Rejected;
            end.note = format!("{} was sent back here ({reason}) and stays away until: {again}", shown(release));
            return Ok(end);
        }
        if let Err(error) = self.may_deploy(name, environment, release, &history, named) {
            if by_person {
                return Err(error);
            }
            let mut end = self.status_of(name, &*target, &history)?;
            end.status =
                if error.outcome == Outcome::Waiting { EnvironmentStatus::Waiting } else { EnvironmentStatus::Refused };
            end.note = error.message;
            if let Some(help) = error.help {
                end.note.push_str(&format!("; {help}"));
            }
            return Ok(end);
        }
        let same = history
            .current()
            .and_then(|entry| entry.body.deployed())
            .is_some_and(|(last, configuration)| last.image == release.image && *configuration == environment.digest());
        if same
            && let Some(running) = target.observe()?
            && running.image == release.image
            && target.verify(release, &running).is_ok()
        {
            self.move_alias(name, release)?;
            return Ok(verified(name, release, &running));
        }
        work();
        // What has served already is not rejected because a change of the environment does not suit it.
        let has_served = history.serving().is_some_and(|serving| serving.image == release.image);
        let on_failure = if has_served { OnFailure::Keep } else { OnFailure::Reject };
        let running = self.bring(name, &*target, release, &history, on_failure)?;
        self.move_alias(name, release)?;
        let happened = Happened::Deployed {
            release: release.clone(),
            configuration: environment.digest(),
            by: self.person(),
            ephemeral: target.is_local()
                && match asked {
                    Asked::ByPipeline { ephemeral } => ephemeral,
                    Asked::ByPerson { .. } => crate::ci::is_ci_job(),
                },
        };
        if let Err(refused) = self.record(name, history.last_number(), &happened) {
            return Err(self.give_way(name, &*target, release, &history, refused));
        }
        Ok(verified(name, release, &running))
    }

    /// Deploys and verifies.
    fn bring(
        &self,
        name: &Label,
        target: &dyn Target,
        release: &Release,
        history: &History,
        on_failure: OnFailure,
    ) -> Result<Running> {
        let progress = |message: String| {
            self.event(&Event::Progress { name: "deploy".to_owned(), message: format!("{name}: {message}") });
        };
        let checked = |check: CanaryCheck| {
            self.event(&Event::CanaryCheck(Box::new(CanaryCheck { environment: name.to_string(), ..check })));
        };
        // What served once, and is brought back or started anew, is not tried out.
        let tried = match on_failure {
            OnFailure::Reject => target.try_out(release, &progress, &checked),
            OnFailure::Keep => Ok(()),
        };
        match tried.and_then(|()| target.deploy(release, history.serving(), &progress)) {
            Ok(running) => Ok(running),
            Err(DeployError::Other(error)) => Err(error),
            Err(DeployError::Paused(error)) => {
                let line = |verb: &str| self.command_line(&format!("{verb} {name}"));
                let (resume, abort) = (line("resume"), line("abort"));
                Err(error.help(format!("let it go on: {resume}; or give it up: {abort}")))
            }
            Err(DeployError::Release(error)) => {
                let mut causes = vec![error.message.clone()];
                causes.extend(error.causes());
                let again = self.command_line(&format!("deploy {name}"));
                let help = match on_failure {
                    OnFailure::Reject => {
                        let reason = causes.first().cloned().unwrap_or_default();
                        let rejected =
                            Happened::Rejected { image: release.image, by: self.person(), reason, failed: true };
                        let log = self.records().environment(name)?;
                        self.block_on(log.append(&rejected, &rejected.references()))?;
                        format!(
                            "it is marked as rejected there; mend it and run ci again, or try the same once more: {again}"
                        )
                    }
                    OnFailure::Keep => "see the log lines above".to_owned(),
                };
                let kept = match history.current() {
                    // What is brought back may fail as well, by the same cause.
                    Some(_) if target.observe().is_ok_and(|running| running.is_none()) => "nothing serves there now",
                    Some(_) => "what served before still does",
                    None => "nothing serves there, as before",
                };
                Err(Error::new(Outcome::RolledBack, format!("{} failed in `{name}`; {kept}", shown(release)))
                    .because_of(causes)
                    .help(help))
            }
        }
    }

    fn move_alias(&self, name: &Label, release: &Release) -> Result<()> {
        let reason = format!("verified in {name} as image {}", release.image);
        self.block_on(self.store().promote(&release.name, release.version, name, &self.person(), &reason))?;
        Ok(())
    }

    /// Who is at work: the CI system's word for it, else git's, else the machine's.
    pub(crate) fn person(&self) -> String {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID", "CIRCLE_USERNAME"]
            .into_iter()
            .find_map(variable)
            .or_else(|| crate::source::person(self.root()))
            .or_else(|| variable("USER"))
            .unwrap_or_else(|| "unknown".to_owned())
    }
}

/// What becomes of a release that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    /// It is recorded as rejected.
    Reject,
    /// It served before, and its record stays.
    Keep,
}

/// A release, as a person is told of it.
pub(crate) fn shown(release: &Release) -> String {
    format!("{}@{} (image {})", release.name, release.version, release.image.short())
}
