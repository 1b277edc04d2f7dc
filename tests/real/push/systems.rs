//! What stands in for each CI system, and how its words are read.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{project::repository, variable};

pub(crate) struct System {
    /// The name in `generate`.
    pub(super) name: &'static str,
    /// Where the system believes the repository to be.
    pub(super) origin: &'static str,
    /// Whether a person has to say yes before the job of production starts.
    pub(super) waits_for_a_person: bool,
    /// The words for his yes, and for none; the hook reads them from the file `answer`.
    pub(super) yes: &'static str,
    pub(super) no: &'static str,
    /// The command that executes the definition, in a checkout in this folder, with these variables as secrets.
    pub(super) run: fn(&Path, &[&str]) -> String,
    /// The jobs that ran and whether they ended well, from what it has printed.
    pub(super) ended: fn(&str) -> Vec<(String, bool)>,
}

/// `act`. The actions for artifacts are stand-ins, and environments with their reviewers are only data to it.
pub(crate) static GITHUB: System = System {
    name: "github",
    origin: "https://github.com/ml/wine.git",
    waits_for_a_person: false,
    yes: "",
    no: "",
    run: |outside, secrets| {
        let secrets: String = secrets.iter().map(|name| format!(" --secret {name}")).collect();
        let actions = stand_in("github");
        let locals: String = [("upload-artifact", "v6"), ("download-artifact", "v7"), ("cache", "v5")]
            .iter()
            .map(|(action, version)| {
                format!(" --local-repository actions/{action}@{version}={}", actions.join(action).display())
            })
            .collect();
        format!(
            "{} push --json --no-cache-server --platform ubuntu-24.04=-self-hosted{locals}{secrets} \
             --env ARTIFACTS={outside}/artifacts --env CACHES={outside}/caches --env GIT_CONFIG_GLOBAL=/dev/null",
            variable("MLCI_LAB_ACT"),
            outside = outside.display(),
        )
    },
    ended: |log| {
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ended = lines
            .filter_map(|line| Some((line["jobID"].as_str()?.to_owned(), line["jobResult"].as_str()? == "success")));
        ended.collect()
    },
};

/// gitlab-ci-local, in shells.
pub(super) static GITLAB: System = System {
    name: "gitlab",
    origin: "git@gitlab.example:ml/wine.git",
    waits_for_a_person: true,
    yes: "--manual production",
    no: "",
    run: |outside, _| {
        format!(
            "{} {} --force-shell-executor --shell-isolation --artifacts-to-source=false $(cat {}/answer)",
            variable("MLCI_LAB_NODE"),
            variable("MLCI_LAB_GITLAB_CI_LOCAL"),
            outside.display(),
        )
    },
    // ` PASS  verify` and ` FAIL  production`, in its summary.
    ended: |log| {
        let plain = without_colours(log);
        let mut ended: Vec<(String, bool)> = plain
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let good = match words.next()? {
                    "PASS" => true,
                    "FAIL" => false,
                    _ => return None,
                };
                Some((words.next()?.to_owned(), good))
            })
            .collect();
        let order = ["verify", "build", "staging", "production"];
        ended.sort_by_key(|(job, _)| order.iter().position(|name| name == job));
        ended
    },
};

/// The Jenkinsfile under this project's interpreter, on Groovy.
pub(super) static JENKINS: System = System {
    name: "jenkins",
    origin: "https://git.example/ml/wine.git",
    waits_for_a_person: true,
    yes: "approve",
    no: "reject",
    run: |outside, _| {
        format!(
            "{} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dfile.encoding=UTF-8 -cp {} groovy.ui.GroovyMain \
             --encoding UTF-8 {} Jenkinsfile {outside}/remote.git {outside}/work main $(cat {outside}/answer) /dev/null",
            variable("MLCI_LAB_JAVA"),
            variable("MLCI_LAB_GROOVY"),
            stand_in("jenkins/run.groovy").display(),
            outside = outside.display(),
        )
    },
    ended: |log| {
        let stages = log.lines().filter_map(|line| line.strip_prefix("stage ")?.split_once(": "));
        let mut ended = Vec::<(String, bool)>::new();
        for (stage, what) in stages.filter(|(stage, _)| *stage != "approve-production") {
            match ended.last_mut() {
                Some((last, good)) if last == stage => *good = what == "done",
                _ => ended.push((stage.to_owned(), false)),
            }
        }
        ended
    },
};

/// CircleCI's own parser, and its steps under this project's interpreter.
pub(super) static CIRCLECI: System = System {
    name: "circleci",
    origin: "https://git.example/ml/wine.git",
    waits_for_a_person: true,
    yes: "approve",
    no: "wait",
    run: |outside, _| {
        format!(
            "echo '{{}}' > {outside}/contexts.json && NODE_PATH={} {} {} .circleci/config.yml {outside}/remote.git \
             {outside}/work main $(cat {outside}/answer) {outside}/contexts.json",
            variable("MLCI_LAB_NODE_MODULES"),
            variable("MLCI_LAB_NODE"),
            stand_in("circleci/run.cjs").display(),
            outside = outside.display(),
        )
    },
    ended: |log| {
        let jobs = log.lines().filter_map(|line| line.strip_prefix("job ")?.split_once(": "));
        let jobs = jobs.filter(|(job, result)| *job != "approve-production" && ["success", "failed"].contains(result));
        jobs.map(|(job, result)| (job.to_owned(), result == "success")).collect()
    },
};

/// What `mlci-workflows` tests its definitions with.
fn stand_in(name: &str) -> PathBuf {
    repository().join("crates/mlci-workflows/tests").join(name)
}

fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}
