use mlci_core::{Label, ModelName};

/// When a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// On a push to the default branch, and on a pull or merge request, whoever sent it.
    EveryChange,
    /// Only on a push to the default branch.
    DefaultBranch,
}

/// A pipeline, described without any CI system in mind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pipeline {
    /// The project. It prefixes what a whole organisation shares: locks of environments, and contexts (CircleCI).
    pub project: ModelName,
    /// The program that jobs call, and arguments that stand before each job's own: `["cargo", "xtask"]`.
    pub program: Vec<String>,
    /// The branch whose pushes are built and deployed.
    pub default_branch: String,
    /// Variables that every command gets. No secrets: they stand in the file.
    pub variables: Vec<Variable>,
    /// Commands that prepare the machine, run in each job before its own.
    pub setup: Vec<Vec<String>>,
    /// Folders that are kept from run to run to save time. Written by the first job that runs on the default branch
    /// only, and read by all; a merge request on GitLab has one of its own. Jenkins has none: its workspace stays.
    pub caches: Vec<Cache>,
    /// The report that the program leaves, also when it fails.
    pub report: Option<Report>,
    /// What jobs run on.
    pub machine: Machine,
    /// The jobs, each after those that it needs.
    pub jobs: Vec<Job>,
}

/// One job: commands that run one after the other on a fresh machine with the commit checked out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Job {
    /// The job's name on every system.
    pub name: Label,
    /// The arguments of [`Pipeline::program`], one list a call. The first call that fails ends the job, with that
    /// call's exit code.
    pub calls: Vec<Vec<String>>,
    /// The jobs that must have succeeded. What they hand over is there when the job starts.
    pub needs: Vec<Label>,
    /// When it runs.
    pub trigger: Trigger,
    /// The names of the secrets that its calls see as environment variables; no other job sees them.
    pub secrets: Vec<String>,
    /// The environment that it deploys to. Two jobs never deploy to the same one at the same time.
    pub environment: Option<Environment>,
    /// Folders of the checkout, relative to it, that jobs of the same run which need this one get.
    pub hands_over: Vec<String>,
    /// After how many minutes it is ended, 1 to 1440. On CircleCI, which has no such limit: after how many minutes
    /// without a line of output.
    pub timeout_minutes: u32,
}

/// Where a job deploys to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Environment {
    /// Its name.
    pub name: Label,
    /// The address to link to, where the system links.
    pub url: Option<String>,
    /// Whether the system waits for a person before the job starts. On GitHub this is a setting of the environment and
    /// no part of the file. The program asks for its own recorded approval all the same.
    pub approval: bool,
}

/// A variable that is no secret.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: VariableValue,
}

/// The value of a [`Variable`].
#[derive(Debug, Clone)]
pub enum VariableValue {
    /// Exactly this text; nothing in it is expanded.
    Text(String),
    /// The absolute path of this file or folder of the checkout. (GitLab keeps caches of nothing outside of it.)
    InCheckout(String),
}

/// Folders that are kept from run to run.
#[derive(Debug, Clone)]
pub struct Cache {
    /// A name, unique among the caches.
    pub name: Label,
    /// One or two files (GitLab's limit) whose content decides whether a kept folder fits: `Cargo.lock`.
    pub key_files: Vec<String>,
    /// The folders, relative to the checkout. git has to ignore them, or the tree counts as changed.
    pub folders: Vec<String>,
}

/// The report that the program leaves.
#[derive(Debug, Clone)]
pub struct Report {
    /// The page, relative to the checkout, that is kept for download.
    pub page: String,
    /// The Markdown file, relative to the checkout, that becomes the job's summary where the system has one (GitHub).
    pub summary: String,
}

/// What jobs run on.
#[derive(Debug, Clone)]
pub struct Machine {
    /// GitHub's name of the runner: `ubuntu-24.04`.
    pub github_runner: String,
    /// The container image that GitLab and CircleCI run jobs in: `rust:1.89-bookworm`.
    pub image: String,
    /// The label of Jenkins agents; any agent without one.
    pub jenkins_label: Option<String>,
}

impl Pipeline {
    /// A pipeline without jobs, on the branch `main` and [`Machine::default`].
    #[must_use]
    pub fn new<W: Into<String>>(project: ModelName, program: impl IntoIterator<Item = W>) -> Self {
        Self {
            project,
            program: program.into_iter().map(Into::into).collect(),
            default_branch: "main".to_owned(),
            variables: Vec::new(),
            setup: Vec::new(),
            caches: Vec::new(),
            report: None,
            machine: Machine::default(),
            jobs: Vec::new(),
        }
    }

    /// Whether a later job gets what this one hands over.
    pub(crate) fn is_handed_over(&self, job: &Job) -> bool {
        !job.hands_over.is_empty() && self.jobs.iter().any(|other| other.needs.contains(&job.name))
    }

    /// The jobs that hand something to this one.
    pub(crate) fn givers<'a>(&'a self, job: &'a Job) -> impl Iterator<Item = &'a Job> {
        self.jobs.iter().filter(|other| job.needs.contains(&other.name) && !other.hands_over.is_empty())
    }

    /// Whether this job writes the caches: the first that never runs on code of strangers.
    pub(crate) fn writes_caches(&self, job: &Job) -> bool {
        self.jobs.iter().find(|job| job.trigger == Trigger::DefaultBranch).is_some_and(|first| first.name == job.name)
    }
}

impl Job {
    /// A job that runs on the default branch only, needs nothing, and has 60 minutes.
    #[must_use]
    pub fn new<W: Into<String>>(name: Label, call: impl IntoIterator<Item = W>) -> Self {
        Self {
            name,
            calls: vec![call.into_iter().map(Into::into).collect()],
            needs: Vec::new(),
            trigger: Trigger::DefaultBranch,
            secrets: Vec::new(),
            environment: None,
            hands_over: Vec::new(),
            timeout_minutes: 60,
        }
    }

    /// Whether the system has to wait for a person before this job.
    pub(crate) fn waits(&self) -> Option<&Environment> {
        self.environment.as_ref().filter(|environment| environment.approval)
    }
}

impl Environment {
    /// An environment without address that needs no approval.
    #[must_use]
    pub fn new(name: Label) -> Self {
        Self { name, url: None, approval: false }
    }
}

impl Default for Machine {
    /// GitHub's runner `ubuntu-24.04`, the image `rust:1.89-bookworm`, any Jenkins agent.
    fn default() -> Self {
        Self { github_runner: "ubuntu-24.04".to_owned(), image: "rust:1.89-bookworm".to_owned(), jenkins_label: None }
    }
}
