//! CircleCI (configuration reference: <https://circleci.com/docs/reference/configuration-reference/>).

use serde::Serialize;

use mlci_core::RenderedFile;

use crate::{
    Cache, Job, Pipeline, Result, System, Trigger, shell,
    yaml::{self, Lines, Map},
};

const PATH: &str = ".circleci/config.yml";
const WORKFLOW: &str = "mlci";

#[derive(Serialize)]
struct Document {
    version: f32,
    jobs: Map<JobNode>,
    workflows: Map<Workflow>,
}

#[derive(Serialize)]
struct JobNode {
    docker: Vec<Image>,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Image {
    image: String,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Checkout,
    AttachWorkspace { at: &'static str },
    RestoreCache { keys: Vec<String> },
    Run { name: String, no_output_timeout: String, command: Lines },
    StoreArtifacts { path: String, destination: String },
    PersistToWorkspace { root: &'static str, paths: Vec<String> },
    SaveCache { key: String, paths: Vec<String> },
}

#[derive(Serialize)]
struct Workflow {
    jobs: Vec<Use>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Use {
    Plain(String),
    With(Map<JobUse>),
}

#[derive(Serialize, Default)]
#[serde(rename_all = "kebab-case")]
struct JobUse {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    context: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Filters>,
}

#[derive(Serialize)]
struct Filters {
    branches: Only,
}

#[derive(Serialize)]
struct Only {
    only: Vec<String>,
}

pub(crate) fn render(pipeline: &Pipeline) -> Result<RenderedFile> {
    let document = Document {
        version: 2.1,
        jobs: pipeline.jobs.iter().map(|job| (job.name.to_string(), job_node(pipeline, job))).collect(),
        workflows: Map(vec![(WORKFLOW.to_owned(), Workflow { jobs: uses(pipeline) })]),
    };
    let header = pipeline.header(System::CircleCi, &[]);
    Ok(RenderedFile { path: PATH.to_owned(), text: yaml::document(PATH, &header, &document)? })
}

fn job_node(pipeline: &Pipeline, job: &Job) -> JobNode {
    let mut steps = vec![Step::Checkout];
    steps.extend(pipeline.caches.iter().map(|cache| Step::RestoreCache { keys: vec![key(cache), prefix(cache)] }));
    if pipeline.givers(job).next().is_some() {
        steps.push(Step::AttachWorkspace { at: "." });
    }
    steps.push(Step::Run {
        name: job.name.to_string(),
        no_output_timeout: format!("{}m", job.timeout_minutes),
        command: Lines(shell::script_text(pipeline, job)),
    });
    // Steps that store artifacts run after a failure too.
    if let Some(report) = &pipeline.report {
        let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        steps.extend(
            [&report.page, &report.summary]
                .map(|path| Step::StoreArtifacts { path: path.clone(), destination: file(path) }),
        );
    }
    if pipeline.is_handed_over(job) {
        steps.push(Step::PersistToWorkspace { root: ".", paths: job.hands_over.clone() });
    }
    if pipeline.writes_caches(job) {
        let save = |cache: &Cache| Step::SaveCache { key: key(cache), paths: cache.folders.clone() };
        steps.extend(pipeline.caches.iter().map(save));
    }
    JobNode { docker: vec![Image { image: pipeline.machine.image.clone() }], steps }
}

fn prefix(cache: &Cache) -> String {
    format!("{}-v1-{{{{ arch }}}}-", cache.name)
}

fn key(cache: &Cache) -> String {
    let sums: Vec<_> = cache.key_files.iter().map(|file| format!("{{{{ checksum \"{file}\" }}}}")).collect();
    format!("{}{}", prefix(cache), sums.join("-"))
}

fn uses(pipeline: &Pipeline) -> Vec<Use> {
    let mut uses = Vec::new();
    for job in &pipeline.jobs {
        let filters = || {
            let only = vec![pipeline.default_branch.clone()];
            (job.trigger == Trigger::DefaultBranch).then_some(Filters { branches: Only { only } })
        };
        let mut requires: Vec<_> = job.needs.iter().map(ToString::to_string).collect();
        if job.waits().is_some() {
            let gate = format!("approve-{}", job.name);
            let node = JobUse { kind: Some("approval"), requires, filters: filters(), ..JobUse::default() };
            requires = vec![gate.clone()];
            uses.push(Use::With(Map(vec![(gate, node)])));
        }
        if requires.is_empty() && job.trigger == Trigger::EveryChange {
            uses.push(Use::Plain(job.name.to_string()));
            continue;
        }
        let node = JobUse {
            kind: None,
            requires,
            // A context is shared by the organisation, so the project is in its name.
            context: if job.secrets.is_empty() { vec![] } else { vec![format!("{}-{}", pipeline.project, job.name)] },
            serial_group: job
                .environment
                .as_ref()
                .map(|environment| format!("{}/{}", pipeline.project, environment.name)),
            filters: filters(),
        };
        uses.push(Use::With(Map(vec![(job.name.to_string(), node)])));
    }
    uses
}
