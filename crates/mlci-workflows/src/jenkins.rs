//! Jenkins, a declarative pipeline (<https://www.jenkins.io/doc/book/pipeline/syntax/>) of plain directives and steps of
//! the plugins that "Pipeline" brings along, for a multibranch project.

use mlci_core::RenderedFile;

use crate::{
    Job, Pipeline, Result, System, Trigger,
    groovy::{Writer, string},
    shell,
};

const PATH: &str = "Jenkinsfile";
/// How long a run waits for a person; the runs after it wait as long.
const APPROVAL_HOURS: u32 = 72;
const KEPT_STASHES: u32 = 10;

pub(crate) fn render(pipeline: &Pipeline) -> Result<RenderedFile> {
    let mut out = Writer::default();
    out.block("pipeline", |out| {
        // Each stage asks for its own, so that none is held while a person is waited for.
        out.line("agent none");
        out.block("options", |out| {
            // The runs of a branch go one after the other, so none overtakes another and deployments do not meet.
            out.line("disableConcurrentBuilds()");
            // So that a run can be restarted from a stage, such as the one that found no recorded approval.
            out.line(&format!("preserveStashes(buildCount: {KEPT_STASHES})"));
        });
        out.block("stages", |out| {
            for job in &pipeline.jobs {
                if job.waits().is_some() {
                    approval(out, pipeline, job);
                }
                stage(out, pipeline, job);
            }
        });
    });
    Ok(RenderedFile { path: PATH.to_owned(), text: pipeline.header(System::Jenkins, &[]) + &out.finish() })
}

fn approval(out: &mut Writer, pipeline: &Pipeline, job: &Job) {
    out.block(&format!("stage({})", string(&format!("approve-{}", job.name))), |out| {
        when(out, pipeline, job);
        out.block("options", |out| out.line(&format!("timeout(time: {APPROVAL_HOURS}, unit: 'HOURS')")));
        out.block("steps", |out| {
            let environment = job.waits().map_or(job.name.as_str(), |environment| environment.name.as_str());
            let message = string(&format!("Deploy {} to {environment}?", pipeline.project));
            out.line(&format!("input message: {message}, ok: 'Deploy'"));
        });
    });
}

fn stage(out: &mut Writer, pipeline: &Pipeline, job: &Job) {
    out.block(&format!("stage({})", string(job.name.as_str())), |out| {
        when(out, pipeline, job);
        match &pipeline.machine.jenkins_label {
            Some(label) => out.block("agent", |out| out.line(&format!("label {}", string(label)))),
            None => out.line("agent any"),
        }
        let minutes = job.timeout_minutes;
        out.block("options", |out| out.line(&format!("timeout(time: {minutes}, unit: 'MINUTES')")));
        if !job.secrets.is_empty() {
            out.block("environment", |out| {
                for secret in &job.secrets {
                    out.line(&format!("{secret} = credentials({})", string(secret)));
                }
            });
        }
        out.block("steps", |out| {
            for giver in pipeline.givers(job) {
                out.line(&format!("unstash {}", string(giver.name.as_str())));
            }
            out.shell(&script(pipeline, job));
            if pipeline.is_handed_over(job) {
                let folders: Vec<_> = job.hands_over.iter().map(|folder| format!("{folder}/**")).collect();
                let (name, includes) = (string(job.name.as_str()), string(&folders.join(",")));
                out.line(&format!(
                    "stash name: {name}, includes: {includes}, allowEmpty: true, useDefaultExcludes: false"
                ));
            }
        });
        if let Some(report) = &pipeline.report {
            let files = string(&format!("{},{}", report.page, report.summary));
            out.block("post", |out| {
                out.block("always", |out| {
                    out.line(&format!(
                        "archiveArtifacts artifacts: {files}, allowEmptyArchive: true, defaultExcludes: false"
                    ));
                });
            });
        }
    });
}

/// The branch is asked for before an agent is taken.
fn when(out: &mut Writer, pipeline: &Pipeline, job: &Job) {
    if job.trigger == Trigger::DefaultBranch {
        out.block("when", |out| {
            out.line("beforeAgent true");
            out.line(&format!("branch {}", string(&pipeline.default_branch)));
        });
    }
}

/// A workspace outlives its run here: a report that an earlier one left must not be kept as this one's.
fn script(pipeline: &Pipeline, job: &Job) -> Vec<String> {
    let mut script = shell::script(pipeline, job);
    if let Some(report) = &pipeline.report {
        script.insert(1, shell::command(["rm", "-f", &report.page, &report.summary]));
    }
    script
}
