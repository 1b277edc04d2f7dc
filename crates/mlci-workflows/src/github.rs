//! GitHub Actions (workflow syntax: <https://docs.github.com/actions/reference/workflow-syntax-for-github-actions>).

mod document;

use self::document::{
    Branches, Cancel, Concurrency, DefaultRun, Defaults, EnvironmentNode, Input, JobNode, On, Permissions, Step,
    Workflow,
};
use mlci_core::RenderedFile;

use crate::{
    Cache, Job, Pipeline, Result, System, Trigger, shell,
    yaml::{self, Lines},
};

const PATH: &str = ".github/workflows/mlci.yml";

// The newest majors that run on Node 24; GitHub has announced the end of those on Node 20.
const CHECKOUT: &str = "actions/checkout@v5";
const UPLOAD: &str = "actions/upload-artifact@v6";
const DOWNLOAD: &str = "actions/download-artifact@v7";
const CACHE_RESTORE: &str = "actions/cache/restore@v5";
const CACHE_SAVE: &str = "actions/cache/save@v5";

/// After a failure, and after the job's time is up, which counts as a cancellation.
const ALWAYS: &str = "always()";
const DAYS: u32 = 30;

pub(crate) fn render(pipeline: &Pipeline) -> Result<RenderedFile> {
    let branches = || Branches { branches: vec![pipeline.default_branch.clone()] };
    let workflow = Workflow {
        name: format!("mlci {}", pipeline.project),
        on: On { push: branches(), pull_request: branches() },
        permissions: Permissions { contents: "read" },
        defaults: Defaults { run: DefaultRun { shell: "bash" } },
        jobs: pipeline.jobs.iter().map(|job| (job.name.to_string(), job_node(pipeline, job))).collect(),
    };
    let mut notes = vec!["The actions are GitHub's own, pinned by major version.".to_owned()];
    notes.extend(pipeline.jobs.iter().filter_map(Job::waits).map(|environment| {
        let name = &environment.name;
        format!("The job `{name}` waits for a person if the environment `{name}` has required reviewers: set them on GitHub.")
    }));
    let header = pipeline.header(System::GitHub, &notes);
    Ok(RenderedFile { path: PATH.to_owned(), text: yaml::document(PATH, &header, &workflow)? })
}

fn job_node(pipeline: &Pipeline, job: &Job) -> JobNode {
    let on_push = format!("github.event_name == 'push' && github.ref == 'refs/heads/{}'", pipeline.default_branch);
    JobNode {
        needs: job.needs.iter().map(ToString::to_string).collect(),
        condition: (job.trigger == Trigger::DefaultBranch).then(|| on_push.clone()),
        runs_on: pipeline.machine.github_runner.clone(),
        timeout_minutes: job.timeout_minutes,
        environment: job
            .environment
            .as_ref()
            .map(|environment| EnvironmentNode { name: environment.name.to_string(), url: environment.url.clone() }),
        concurrency: concurrency(pipeline, job),
        steps: steps(pipeline, job, &on_push),
    }
}

/// Runs of a branch go through each job one at a time and so in their order; a third one replaces the one that waits.
/// Only a pull request's older run is cut short.
fn concurrency(pipeline: &Pipeline, job: &Job) -> Concurrency {
    let project = &pipeline.project;
    match (&job.environment, job.trigger) {
        (Some(environment), _) => {
            let group = format!("{project}-environment-{}", environment.name);
            Concurrency { group, cancel_in_progress: Cancel::Never(false) }
        }
        (None, Trigger::DefaultBranch) => {
            Concurrency { group: format!("{project}-{}", job.name), cancel_in_progress: Cancel::Never(false) }
        }
        (None, Trigger::EveryChange) => Concurrency {
            group: format!("{project}-{}-${{{{ github.ref }}}}", job.name),
            cancel_in_progress: Cancel::If("${{ github.event_name == 'pull_request' }}"),
        },
    }
}

fn steps(pipeline: &Pipeline, job: &Job, on_push: &str) -> Vec<Step> {
    let mut steps = vec![action("Check out", CHECKOUT, [("persist-credentials", Input::Flag(false))])];
    steps.extend(pipeline.caches.iter().map(restore));
    steps.extend(pipeline.givers(job).map(|giver| {
        let name = format!("Take over from {}", giver.name);
        action(&name, DOWNLOAD, [("name", handed(giver).into()), ("path", common_folder(&giver.hands_over).into())])
    }));
    steps.push(Step {
        name: job.name.to_string(),
        env: job.secrets.iter().map(|secret| (secret.clone(), format!("${{{{ secrets.{secret} }}}}"))).collect(),
        run: Some(Lines(shell::script_text(pipeline, job))),
        ..Step::default()
    });
    if let Some(report) = &pipeline.report {
        let summary = shell::word(&report.summary);
        steps.push(Step {
            name: "Summary".to_owned(),
            condition: Some(ALWAYS.to_owned()),
            run: Some(Lines(format!("if [ -f {summary} ]; then cat {summary} >> \"$GITHUB_STEP_SUMMARY\"; fi\n"))),
            ..Step::default()
        });
        let mut upload = upload("Keep the report", &format!("report-{}", job.name), std::slice::from_ref(&report.page));
        upload.condition = Some(ALWAYS.to_owned());
        steps.push(upload);
    }
    if pipeline.is_handed_over(job) {
        let mut upload = upload("Hand over", &handed(job), &job.hands_over);
        // Nothing follows on a pull request; and what a stranger's code wrote goes nowhere.
        upload.condition = (job.trigger == Trigger::EveryChange).then(|| on_push.to_owned());
        steps.push(upload);
    }
    if pipeline.writes_caches(job) {
        steps.extend(pipeline.caches.iter().map(save));
    }
    steps
}

fn action<const N: usize>(name: &str, uses: &'static str, with: [(&str, Input); N]) -> Step {
    let with = with.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Step { name: name.to_owned(), uses: Some(uses), with, ..Step::default() }
}

fn upload(name: &str, artifact: &str, paths: &[String]) -> Step {
    let with = [
        ("name", artifact.to_owned().into()),
        ("path", lines(paths)),
        // Everything lies below a folder whose name begins with a dot.
        ("include-hidden-files", Input::Flag(true)),
        ("if-no-files-found", "ignore".to_owned().into()),
        // A job that is run again uploads under the same name.
        ("overwrite", Input::Flag(true)),
        ("retention-days", Input::Number(DAYS)),
    ];
    action(name, UPLOAD, with)
}

fn lines(paths: &[String]) -> Input {
    match paths {
        [one] => Input::Text(one.clone()),
        several => Input::Lines(Lines(several.join("\n") + "\n")),
    }
}

fn handed(job: &Job) -> String {
    format!("handed-over-{}", job.name)
}

/// What upload-artifact takes as the root of an artifact: the deepest folder above all paths, or the only path itself.
fn common_folder(paths: &[String]) -> String {
    let mut common: Vec<&str> = paths.first().map(|path| path.split('/').collect()).unwrap_or_default();
    for path in paths {
        let same = common.iter().zip(path.split('/')).take_while(|(one, other)| *one == other).count();
        common.truncate(same);
    }
    if common.is_empty() { ".".to_owned() } else { common.join("/") }
}

fn cache_prefix(cache: &Cache) -> String {
    format!("{}-${{{{ runner.os }}}}-${{{{ runner.arch }}}}-", cache.name)
}

fn cache_key(cache: &Cache) -> String {
    let files: Vec<_> = cache.key_files.iter().map(|file| format!("'{file}'")).collect();
    format!("{}${{{{ hashFiles({}) }}}}", cache_prefix(cache), files.join(", "))
}

fn restore(cache: &Cache) -> Step {
    let with = [
        ("path", lines(&cache.folders)),
        ("key", cache_key(cache).into()),
        ("restore-keys", cache_prefix(cache).into()),
    ];
    let mut step = action(&format!("Restore the cache {}", cache.name), CACHE_RESTORE, with);
    step.id = Some(format!("cache-{}", cache.name));
    step
}

fn save(cache: &Cache) -> Step {
    let with = [("path", lines(&cache.folders)), ("key", cache_key(cache).into())];
    let mut step = action(&format!("Save the cache {}", cache.name), CACHE_SAVE, with);
    step.condition = Some(format!("steps.cache-{}.outputs.cache-hit != 'true'", cache.name));
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(paths: &[&str], root: &str) {
        let paths: Vec<_> = paths.iter().map(|&path| path.to_owned()).collect();
        assert_eq!(common_folder(&paths), root);
    }

    #[test]
    fn an_artifact_is_unpacked_where_its_paths_part() {
        check(&[".mlci/journal", ".mlci/models"], ".mlci");
        check(&[".mlci/journal"], ".mlci/journal");
        check(&["a/b/c", "a/b/d", "a/e"], "a");
        check(&["a/bc", "a/bd"], "a");
        check(&["a", "b"], ".");
    }
}
