//! GitLab CI/CD (CI/CD YAML syntax reference: <https://docs.gitlab.com/ci/yaml/>).

use serde::Serialize;

use mlci_core::RenderedFile;

use crate::{
    Cache, Job, Pipeline, Result, System, Trigger, shell,
    yaml::{self, Lines, Map},
};

const PATH: &str = ".gitlab-ci.yml";

#[derive(Serialize)]
struct Document {
    workflow: Workflow,
    default: Defaults,
    stages: Vec<String>,
    #[serde(flatten)]
    jobs: Map<JobNode>,
}

#[derive(Serialize)]
struct Workflow {
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Defaults {
    image: String,
}

#[derive(Serialize)]
struct Rule {
    #[serde(rename = "if")]
    condition: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_failure: Option<bool>,
}

#[derive(Serialize)]
struct JobNode {
    stage: String,
    // Before `script`: GitLab once ignored outdated deployments otherwise (issue 230838).
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<EnvironmentNode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_group: Option<String>,
    needs: Vec<String>,
    rules: Vec<Rule>,
    timeout: String,
    interruptible: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache: Vec<CacheNode>,
    script: Vec<Lines>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifacts: Option<Artifacts>,
}

#[derive(Serialize)]
struct EnvironmentNode {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
}

#[derive(Serialize)]
struct CacheNode {
    key: Key,
    paths: Vec<String>,
    policy: &'static str,
}

#[derive(Serialize)]
struct Key {
    files: Vec<String>,
    prefix: String,
}

#[derive(Serialize)]
struct Artifacts {
    when: &'static str,
    expire_in: &'static str,
    paths: Vec<String>,
}

pub(crate) fn render(pipeline: &Pipeline) -> Result<RenderedFile> {
    let rule = |condition: String| Rule { condition, when: None, allow_failure: None };
    let document = Document {
        workflow: Workflow { rules: vec![rule(MERGE_REQUEST.to_owned()), rule(on_branch(pipeline))] },
        default: Defaults { image: pipeline.machine.image.clone() },
        stages: pipeline.jobs.iter().map(|job| job.name.to_string()).collect(),
        jobs: pipeline.jobs.iter().map(|job| (job.name.to_string(), job_node(pipeline, job))).collect(),
    };
    let header = pipeline.header(System::GitLab, &[]);
    Ok(RenderedFile { path: PATH.to_owned(), text: yaml::document(PATH, &header, &document)? })
}

const MERGE_REQUEST: &str = "$CI_PIPELINE_SOURCE == \"merge_request_event\"";

/// A schedule or an API call is no push, and a tag has no branch.
fn on_branch(pipeline: &Pipeline) -> String {
    format!("$CI_PIPELINE_SOURCE == \"push\" && $CI_COMMIT_BRANCH == \"{}\"", pipeline.default_branch)
}

fn job_node(pipeline: &Pipeline, job: &Job) -> JobNode {
    let waits = job.waits().is_some();
    let on_branch = Rule {
        condition: on_branch(pipeline),
        when: waits.then_some("manual"),
        // A manual job that may fail would let the pipeline pass without it.
        allow_failure: waits.then_some(false),
    };
    let on_merge_request = (job.trigger == Trigger::EveryChange).then(|| Rule {
        condition: MERGE_REQUEST.to_owned(),
        when: None,
        allow_failure: None,
    });
    JobNode {
        stage: job.name.to_string(),
        environment: environment(job),
        resource_group: job
            .environment
            .as_ref()
            .map(|environment| format!("{}-{}", pipeline.project, environment.name)),
        needs: job.needs.iter().map(ToString::to_string).collect(),
        rules: on_merge_request.into_iter().chain([on_branch]).collect(),
        timeout: format!("{} minutes", job.timeout_minutes),
        interruptible: job.trigger == Trigger::EveryChange,
        cache: caches(pipeline, job),
        script: vec![Lines(shell::script_text(pipeline, job))],
        artifacts: artifacts(pipeline, job),
    }
}

/// GitLab gives a variable to chosen jobs only by their environment; so a job with secrets names one, though it deploys
/// nothing there.
fn environment(job: &Job) -> Option<EnvironmentNode> {
    match &job.environment {
        Some(environment) => {
            Some(EnvironmentNode { name: environment.name.to_string(), url: environment.url.clone(), action: None })
        }
        None if job.secrets.is_empty() => None,
        None => Some(EnvironmentNode { name: job.name.to_string(), url: None, action: Some("access") }),
    }
}

fn caches(pipeline: &Pipeline, job: &Job) -> Vec<CacheNode> {
    // Merge requests never read what the default branch has cached (GitLab keeps protected branches apart), so each
    // fills its own. The names keep them apart even where the branch is not protected.
    let writes = pipeline.writes_caches(job) || job.trigger == Trigger::EveryChange;
    let policy = if writes { "pull-push" } else { "pull" };
    let prefix = |cache: &Cache| format!("{}-$CI_COMMIT_REF_PROTECTED-$CI_MERGE_REQUEST_IID", cache.name);
    let node = |cache: &Cache| CacheNode {
        key: Key { files: cache.key_files.clone(), prefix: prefix(cache) },
        paths: cache.folders.clone(),
        policy,
    };
    pipeline.caches.iter().map(node).collect()
}

fn artifacts(pipeline: &Pipeline, job: &Job) -> Option<Artifacts> {
    let handed = if pipeline.is_handed_over(job) { job.hands_over.as_slice() } else { &[] };
    let report = pipeline.report.iter().flat_map(|report| [&report.page, &report.summary]);
    // GitLab names a path that is there twice in a warning.
    let report = report.filter(|file| !handed.iter().any(|folder| file.starts_with(&format!("{folder}/"))));
    let paths: Vec<_> = handed.iter().chain(report).cloned().collect();
    (!paths.is_empty()).then_some(Artifacts { when: "always", expire_in: "30 days", paths })
}
