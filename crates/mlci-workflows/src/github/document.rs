//! The parts of a workflow file, in the order in which they are written.

use serde::Serialize;

use crate::yaml::{Lines, Map};

#[derive(Serialize)]
pub(super) struct Workflow {
    pub(super) name: String,
    pub(super) on: On,
    pub(super) permissions: Permissions,
    pub(super) defaults: Defaults,
    pub(super) jobs: Map<JobNode>,
}

#[derive(Serialize)]
pub(super) struct On {
    pub(super) push: Branches,
    pub(super) pull_request: Branches,
}

#[derive(Serialize)]
pub(super) struct Branches {
    pub(super) branches: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Permissions {
    pub(super) contents: &'static str,
}

#[derive(Serialize)]
pub(super) struct Defaults {
    pub(super) run: DefaultRun,
}

#[derive(Serialize)]
pub(super) struct DefaultRun {
    pub(super) shell: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JobNode {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) needs: Vec<String>,
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<String>,
    pub(super) runs_on: String,
    pub(super) timeout_minutes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<EnvironmentNode>,
    pub(super) concurrency: Concurrency,
    pub(super) steps: Vec<Step>,
}

#[derive(Serialize)]
pub(super) struct EnvironmentNode {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Concurrency {
    pub(super) group: String,
    pub(super) cancel_in_progress: Cancel,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Cancel {
    Never(bool),
    If(&'static str),
}

#[derive(Serialize, Default)]
pub(super) struct Step {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uses: Option<&'static str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) with: Map<Input>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) env: Map<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<Lines>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Input {
    Text(String),
    Lines(Lines),
    Flag(bool),
    Number(u32),
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
