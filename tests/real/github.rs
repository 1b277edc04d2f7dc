//! From a git push to staging: the generated workflow, executed by `act` with the real program. Not GitHub itself: the
//! actions for artifacts are stand-ins, and environments with their reviewers are only data to `act`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{project::Project, variable};

/// A repository with a remote that runs the workflow when something is pushed to it, as a CI system does.
struct Pushed {
    project: Project,
    /// What outlives the jobs: the remote, the store, the run log.
    outside: tempfile::TempDir,
}

impl Pushed {
    fn new() -> Self {
        let (project, outside) = (Project::new(), tempfile::tempdir().unwrap());
        let (store, runs) = (outside.path().join("store"), outside.path().join("runs"));
        let tables = format!(
            "[artifact]\nstore = \"{}\"\n\n[track]\nfolder = \"{}\"\n\n[image]",
            store.display(),
            runs.display()
        );
        project.configure("[image]", &tables);
        project.configure("allow_dirty = true\n", "");
        project.write(".gitignore", ".mlci/\n");
        project.pass(&["generate", "github"]);
        let this = Self { project, outside };
        this.git(&["init", "--quiet", "--initial-branch=main"]);
        let remote = this.at("remote.git");
        assert!(
            Command::new("git")
                .args(["init", "--quiet", "--bare", "--initial-branch=main"])
                .arg(&remote)
                .status()
                .unwrap()
                .success()
        );
        this.git(&["remote", "add", "origin", &remote.display().to_string()]);
        this.hook(&remote);
        this
    }

    fn at(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    /// After each push: a fresh checkout of what was pushed, and the workflow for it.
    fn hook(&self, remote: &Path) {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let stand_ins = repository.join("crates/mlci-workflows/tests/github");
        let locals: String = [("upload-artifact", "v6"), ("download-artifact", "v7"), ("cache", "v5")]
            .iter()
            .map(|(action, version)| {
                format!(" --local-repository actions/{action}@{version}={}", stand_ins.join(action).display())
            })
            .collect();
        let program = Path::new(env!("CARGO_BIN_EXE_mlci-under-test")).parent().unwrap().to_owned();
        let outside = self.outside.path().display();
        let script = format!(
            "#!/bin/sh\nunset GIT_DIR\nexport HOME={outside}/home XDG_CACHE_HOME={outside}/home PATH={}:$PATH\n\
             mkdir -p {outside}/home {outside}/artifacts {outside}/caches\nrm -rf {outside}/checkout\n\
             git clone --quiet {outside}/remote.git {outside}/checkout && cd {outside}/checkout &&\n\
             git remote set-url origin https://github.com/ml/wine.git &&\n\
             {} push --json --no-cache-server --platform ubuntu-24.04=-self-hosted{locals} \
             --env ARTIFACTS={outside}/artifacts --env CACHES={outside}/caches --env GIT_CONFIG_GLOBAL=/dev/null \
             > {outside}/act.log 2>&1 < /dev/null\n",
            program.display(),
            variable("MLCI_LAB_ACT"),
        );
        let path = remote.join("hooks/post-receive");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let output =
            Command::new("git").current_dir(self.project.root()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Commits what has changed, pushes it, and says how each job ended, in their order.
    fn push(&self, message: &str) -> Vec<(String, String)> {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["push", "--quiet", "origin", "main"]);
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ended =
            lines.filter_map(|line| Some((line["jobID"].as_str()?.to_owned(), line["jobResult"].as_str()?.to_owned())));
        ended.collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("act.log")).unwrap()
    }

    #[track_caller]
    fn check(&self, ended: &[(String, String)], expected: &[(&str, &str)]) {
        let ended: Vec<(&str, &str)> = ended.iter().map(|(job, result)| (job.as_str(), result.as_str())).collect();
        assert_eq!(ended, expected, "{}", self.log());
    }
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab github"]
fn a_push_goes_to_staging_and_production_waits_for_the_recorded_approval() {
    let pushed = Pushed::new();
    let good = [("verify", "success"), ("build", "success"), ("staging", "success")];
    let first = pushed.push("first");
    pushed.check(&first, &[&good[..], &[("production", "failure")]].concat());
    // In mlci's own words, and with its exit code.
    assert!(pushed.log().contains("waits for an approval of wine@1"), "{}", pushed.log());

    // The effect is in the store: a version, and a staging deployment that was verified and ended with its job.
    let models = pushed.project.pass(&["models"]).value["result"].clone();
    assert_eq!((models[0]["version"].as_u64(), models[0]["aliases"][0].as_str()), (Some(1), Some("staging")));
    let status = pushed.project.pass(&["status"]);
    assert_eq!(status.environment("staging")["status"], "ephemeral", "{:#}", status.value);

    // A person approves that digest; the next run of the same commit goes through.
    pushed.project.pass(&["approve", "production"]);
    let second = pushed.push("again");
    pushed.check(&second, &[&good[..], &[("production", "success")]].concat());
    let models = pushed.project.pass(&["models"]).value["result"].clone();
    assert!(models[0]["aliases"].to_string().contains("production"), "{models:#}");

    // A worse model is refused by the job that knows the champion, and goes nowhere.
    pushed.project.configure("rmse = { max = 0.70 }", "rmse = { max = 0.9 }");
    pushed.project.configure("target = \"quality\"", "target = \"quality\"\nfeatures = [\"pH\"]");
    let third = pushed.push("worse");
    let ended: Vec<(&str, &str)> = third.iter().map(|(job, result)| (job.as_str(), result.as_str())).collect();
    assert_eq!(ended[..2], [("verify", "success"), ("build", "failure")], "{}", pushed.log());
    assert!(!ended.contains(&("staging", "success")), "{ended:?}");
    assert!(pushed.log().contains("the gate refuses the model"), "{}", pushed.log());
    assert_eq!(pushed.project.pass(&["models"]).value["result"].as_array().map(Vec::len), Some(1));
}
