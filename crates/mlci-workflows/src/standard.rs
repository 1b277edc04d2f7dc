use mlci_core::{Label, ModelName};

use crate::pipeline::{Cache, Environment, Job, Pipeline, Report, Trigger, Variable};

/// What [`Pipeline::standard`] is made from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The project's name.
    pub project: ModelName,
    /// The program, `["cargo", "xtask"]` or `["mlci"]`, with arguments that every call gets, such as `--config`.
    pub program: Vec<String>,
    /// The folder that the program keeps its parts in, relative to the checkout: `.mlci`.
    pub folder: String,
    /// More folders to hand from job to job: a run log or store that lies in the checkout. Without its run log, a later
    /// job opens another run for the same model.
    pub more_folders: Vec<String>,
    /// The secrets of the job `build`: what storing models, tracking runs and pushing images takes.
    pub build_secrets: Vec<String>,
    /// As in [`Pipeline`].
    pub variables: Vec<Variable>,
    /// As in [`Pipeline`].
    pub setup: Vec<Vec<String>>,
    /// As in [`Pipeline`].
    pub caches: Vec<Cache>,
    /// The environments, in the order in which a release goes through them.
    pub environments: Vec<EnvironmentSettings>,
}

/// An environment of [`Settings`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EnvironmentSettings {
    /// Its name, which is its job's too.
    pub name: Label,
    /// As in [`Environment`].
    pub url: Option<String>,
    /// As in [`Environment`].
    pub approval: bool,
    /// The secrets of its job.
    pub secrets: Vec<String>,
}

impl Settings {
    /// Settings with the folder `.mlci` and nothing else.
    #[must_use]
    pub fn new<W: Into<String>>(project: ModelName, program: impl IntoIterator<Item = W>) -> Self {
        Self {
            project,
            program: program.into_iter().map(Into::into).collect(),
            folder: ".mlci".to_owned(),
            more_folders: Vec::new(),
            build_secrets: Vec::new(),
            variables: Vec::new(),
            setup: Vec::new(),
            caches: Vec::new(),
            environments: Vec::new(),
        }
    }

    /// Adds an environment after the others, without approval and secrets, for the caller to fill in.
    pub fn environment(&mut self, name: Label) -> &mut EnvironmentSettings {
        let index = self.environments.len();
        self.environments.push(EnvironmentSettings { name, url: None, approval: false, secrets: Vec::new() });
        &mut self.environments[index]
    }
}

impl Pipeline {
    /// The pipeline of an mlci project.
    ///
    /// | job | on | calls |
    /// |---|---|---|
    /// | `verify` | every change | `ci --stage ..gate --without-store` |
    /// | `build` | default branch | `ci --stage gate..image` |
    /// | the first environment, unless it needs an approval | default branch | `ci --stage deploy --until NAME` |
    /// | each further environment | default branch | `deploy NAME` |
    ///
    /// Each needs the one before. Journal, models, images and report are handed over. The gate is in two of them:
    /// `verify` has no secrets, so a store that asks for some shows it no champion; `build` decides again where it does.
    #[must_use]
    pub fn standard(settings: &Settings) -> Self {
        let part = |name: &str| format!("{}/{name}", settings.folder);
        let mut pipeline = Self::new(settings.project.clone(), settings.program.iter().cloned());
        pipeline.variables.clone_from(&settings.variables);
        pipeline.setup.clone_from(&settings.setup);
        pipeline.caches.clone_from(&settings.caches);
        pipeline.report = Some(Report { page: part("report/index.html"), summary: part("report/report.md") });

        let mut handed: Vec<_> = ["journal", "models", "images", "report"].map(part).into();
        handed.extend(settings.more_folders.iter().cloned());
        let add = |pipeline: &mut Self, mut job: Job| {
            job.needs = pipeline.jobs.last().map(|job| job.name.clone()).into_iter().collect();
            job.hands_over.clone_from(&handed);
            pipeline.jobs.push(job);
        };
        if let Some(name) = label("verify") {
            let mut job = Job::new(name, ["ci", "--stage", "..gate", "--without-store"]);
            job.trigger = Trigger::EveryChange;
            add(&mut pipeline, job);
        }
        if let Some(name) = label("build") {
            let mut job = Job::new(name, ["ci", "--stage", "gate..image"]);
            job.secrets.clone_from(&settings.build_secrets);
            add(&mut pipeline, job);
        }
        for (index, environment) in settings.environments.iter().enumerate() {
            let name = environment.name.clone();
            // `ci` takes what this very run has built; only then does "what the environment before has verified" exist.
            let mut job = if index == 0 && !environment.approval {
                Job::new(name.clone(), ["ci", "--stage", "deploy", "--until", name.as_str()])
            } else {
                Job::new(name.clone(), ["deploy", name.as_str()])
            };
            job.secrets.clone_from(&environment.secrets);
            let approval = environment.approval;
            job.environment = Some(Environment { name, url: environment.url.clone(), approval });
            job.timeout_minutes = 30;
            add(&mut pipeline, job);
        }
        pipeline
    }
}

/// Always some: the names given are legal.
fn label(name: &str) -> Option<Label> {
    name.parse().ok()
}
