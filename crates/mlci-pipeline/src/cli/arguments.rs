use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use mlci_core::Label;

/// CI/CD for machine-learning models: from a push to a healthy model in production.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true, max_term_width = 110)]
pub struct Cli {
    /// The pipeline's configuration; paths in it are relative to it.
    #[arg(long, global = true, value_name = "FILE", default_value = crate::DEFAULT_FILE)]
    pub config: PathBuf,
    /// Overlay the configuration with its table [profile.NAME].
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// How to print: text for people, or one JSON event a line.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    Human,
    /// One JSON event a line; the last one is the result.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Write a configuration for the data that is here.
    Init {
        /// The model's name. Default: the folder's.
        #[arg(long)]
        name: Option<String>,
        /// The CSV file. Default: the only one here or in data/.
        #[arg(long)]
        data: Option<String>,
        /// The column to predict. Default: the last.
        #[arg(long)]
        target: Option<String>,
    },
    /// Train, test, track, publish, build the image, deploy and verify; only what is new.
    Ci(Stages),
    /// Say what `ci` would do.
    Plan(Stages),
    /// Deploy to one environment what the one before it has verified.
    Deploy {
        /// The environment.
        environment: Label,
        /// Another release that the environment before has verified: an image digest or a model version.
        #[arg(long, value_name = "DIGEST|VERSION")]
        release: Option<String>,
        /// Change nothing: show what would change in the cluster, field by field.
        #[arg(long, conflicts_with = "dry_run")]
        diff: bool,
        /// Change nothing: print the manifests.
        #[arg(long)]
        dry_run: bool,
    },
    /// Approve what would be deployed to an environment.
    Approve {
        /// The environment.
        environment: Label,
        /// Another release than the present one: an image digest or a model version.
        #[arg(long, value_name = "DIGEST|VERSION")]
        release: Option<String>,
        /// Who approves. Default: the CI system's user, else git's.
        #[arg(long, value_parser = for_the_record)]
        by: Option<String>,
    },
    /// Move an alias to a version without deploying.
    Promote {
        /// MODEL@VERSION or MODEL@ALIAS.
        model: String,
        /// The alias.
        #[arg(long, value_name = "ALIAS")]
        to: Label,
        /// Why, for the alias's history.
        #[arg(long, value_parser = for_the_record, default_value = "promoted by hand")]
        reason: String,
    },
    /// Go back to the release before, and mark the present one as rejected.
    Rollback {
        /// The environment.
        environment: Label,
        /// A certain earlier release: an image digest or a model version.
        #[arg(long, value_name = "DIGEST|VERSION")]
        to: Option<String>,
        /// Why, for the record.
        #[arg(long, value_parser = for_the_record, default_value = "rolled back by hand")]
        reason: String,
    },
    /// Hold a rollout in a cluster where it is.
    Pause {
        /// The environment.
        environment: Label,
    },
    /// Let a rollout go on that was paused.
    Resume {
        /// The environment.
        environment: Label,
    },
    /// Give up what is being deployed to a cluster: bring back what was verified there last.
    Abort {
        /// The environment.
        environment: Label,
        /// Why, for the record.
        #[arg(long, value_parser = for_the_record, default_value = "given up by hand")]
        reason: String,
    },
    /// Show what runs in the environments.
    Status {
        /// Only this one.
        environment: Option<Label>,
    },
    /// Show the chain of a digest, commit, run, version or environment, both ways.
    Trace {
        /// A digest or its beginning, a commit, a run, MODEL@VERSION, or an environment.
        thing: String,
    },
    /// List, show or compare runs.
    Runs {
        /// What to do with them. Default: list.
        #[command(subcommand)]
        command: Option<RunsCommand>,
    },
    /// List versions of models, or show what differs between two.
    Models {
        /// What to do with them. Default: list.
        #[command(subcommand)]
        command: Option<ModelsCommand>,
    },
    /// Serve a version from the store on this machine.
    Serve {
        /// MODEL@VERSION or MODEL@ALIAS. Default: the newest version.
        model: Option<String>,
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
    /// Print what the server of an environment has logged.
    Logs {
        /// The environment.
        environment: Label,
    },
    /// Start the server of an environment anew, without a gap.
    Restart {
        /// The environment.
        environment: Label,
    },
    /// Stop what environments run on this machine.
    #[command(group = clap::ArgGroup::new("which").required(true).args(["environment", "all"]))]
    Down {
        /// The environment.
        environment: Option<Label>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
    /// Look at what the pipeline needs, and say what is missing.
    Doctor,
    /// Remove what can be made again: journal, caches, unused images and blobs.
    Clean,
    /// Show the configuration in force, or its JSON Schema.
    Config {
        /// What to show.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Write files that follow from the configuration, to be checked in: CI definitions, chart, rules, dashboards.
    Generate {
        /// github, gitlab, jenkins, circleci; helm; rules, dashboards, elk.
        subject: crate::generate::Subject,
        /// Write nothing: show the difference, and fail if there is one.
        #[arg(long)]
        check: bool,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// A name or reason that a person will read in a log, years from now.
fn for_the_record(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("it is empty"),
        text if text.chars().any(char::is_control) => Err("it has control characters"),
        text => Ok(text.to_owned()),
    }
}

/// Which stages.
#[derive(Debug, Clone, Args)]
pub struct Stages {
    /// Only these: one, or a range such as `data..gate`, `..train`, `image..`.
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// From this one on, even what is done already. What runs in an environment is always asked, never assumed.
    #[arg(long, value_name = "STAGE")]
    pub from: Option<String>,
    /// Everything, even what is done already.
    #[arg(long, conflicts_with = "from")]
    pub force: bool,
    /// Deploy to this environment and to none behind it.
    #[arg(long, value_name = "ENVIRONMENT")]
    pub until: Option<Label>,
    /// Ask nothing of the store, so that no secret is needed: the gate knows no champion. Only up to the gate.
    #[arg(long)]
    pub without_store: bool,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// All, newest first.
    List,
    /// One, whole.
    Show {
        /// Its id, or the beginning of it.
        run: String,
    },
    /// Bring runs, versions and aliases to MLflow ([track] mlflow), and look again at what is there.
    Sync,
    /// What differs between two.
    Compare {
        /// One id.
        one: String,
        /// The other.
        other: String,
    },
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// All versions.
    List,
    /// What differs between two versions.
    Diff {
        /// MODEL@VERSION or MODEL@ALIAS.
        one: String,
        /// The other.
        other: String,
    },
    /// Write a version as an ONNX file, for ONNX Runtime and others.
    Export {
        /// MODEL@VERSION or MODEL@ALIAS.
        model: String,
        /// The file to write.
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
}

/// What of the configuration to show.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every value in force, and where it came from.
    Show,
    /// The JSON Schema of the file, for editors.
    Schema,
}
