//! One description of a CI pipeline, rendered for GitHub Actions, GitLab CI/CD, Jenkins and CircleCI.
//!
//! ```
//! use mlci_workflows::{Pipeline, Settings, System};
//!
//! let mut settings = Settings::new("wine-quality".parse()?, ["cargo", "xtask"]);
//! settings.environment("staging".parse()?);
//! settings.environment("production".parse()?).approval = true;
//! let pipeline = Pipeline::standard(&settings);
//!
//! let [workflow] = &pipeline.render(System::GitHub)?[..] else { unreachable!() };
//! assert_eq!(workflow.path, ".github/workflows/mlci.yml");
//! assert!(workflow.text.starts_with("# Made by mlci"));
//! assert!(workflow.text.contains("cargo xtask ci --stage ..gate"));
//!
//! // What is checked in is compared with what would be written today.
//! let edited = workflow.text.replace("..gate", "..train");
//! let difference = workflow.compare(Some(&edited)).expect("they differ");
//! assert!(difference.to_string().contains("-          cargo xtask ci --stage ..train --without-store\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! The rendered files hold no logic: their jobs call the pipeline's own program with stage names, hand the parts of its
//! folder from job to job, and leave every decision (gates, approvals, exit codes) to it. The same description gives
//! the same bytes. Start at [`Pipeline`]: [`Pipeline::standard`] describes the jobs `verify`, `build` and one for each
//! environment; [`Pipeline::check`] says what a description must hold so that it is safe on all four systems.
//!
//! How the systems are told apart: a job runs on [every change](Trigger::EveryChange), pull and merge requests of
//! strangers included, or only on the [default branch](Trigger::DefaultBranch). The former gets no secret, deploys
//! nowhere, and writes no cache that the latter reads; and no cache may hold what jobs hand over, such as the journal.

mod check;
mod circleci;
mod error;
mod file;
mod github;
mod gitlab;
mod groovy;
mod jenkins;
mod pipeline;
mod shell;
mod standard;
mod yaml;

pub use crate::{
    error::{Error, Result},
    file::{System, UnknownSystem},
    pipeline::{Cache, Environment, Job, Machine, Pipeline, Report, Trigger, Variable, VariableValue},
    standard::{EnvironmentSettings, Settings},
};
// Types of mlci-core that stand in this crate's signatures.
pub use mlci_core::{Difference, Label, ModelName, RenderedFile};
