//! From a git push to staging and production: the generated definition, started by a hook of the repository that is pushed
//! to, executed with the real program. None of it is the CI system itself: see `systems.rs`.

pub(crate) mod systems;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use self::systems::System;
use crate::project::Project;

/// A repository with a remote that runs the definition when something is pushed to it, as a CI system does.
pub(crate) struct Pushed {
    system: &'static System,
    pub(crate) project: Project,
    /// What outlives the jobs: the remote, the store, the run log.
    outside: tempfile::TempDir,
}

impl Pushed {
    /// The sample's pipeline, with its store and its run log outside of the checkout.
    fn new(system: &'static System) -> Self {
        let (project, outside) = (Project::new(), tempfile::tempdir().unwrap());
        let (store, runs) = (outside.path().join("store"), outside.path().join("runs"));
        let tables = format!(
            "[artifact]\nstore = \"{}\"\n\n[track]\nfolder = \"{}\"\n\n[image]",
            store.display(),
            runs.display()
        );
        project.configure("[image]", &tables);
        project.configure("allow_dirty = true\n", "");
        Self::of(system, project, outside, &[])
    }

    /// A project whose jobs get these secrets, from the variables of this process.
    pub(crate) fn of(system: &'static System, project: Project, outside: tempfile::TempDir, secrets: &[&str]) -> Self {
        project.write(".gitignore", ".mlci/\n");
        project.pass(&["generate", system.name]);
        let this = Self { system, project, outside };
        this.git(&["init", "--quiet", "--initial-branch=main"]);
        let remote = this.at("remote.git").display().to_string();
        this.git(&["init", "--quiet", "--bare", "--initial-branch=main", &remote]);
        this.git(&["remote", "add", "origin", &remote]);
        this.hook(secrets);
        this
    }

    fn at(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    /// After each push: a fresh checkout of what was pushed, and the definition for it.
    fn hook(&self, secrets: &[&str]) {
        let program = Path::new(env!("CARGO_BIN_EXE_mlci-under-test")).parent().unwrap().display();
        let outside = self.outside.path().display();
        let run = (self.system.run)(self.outside.path(), secrets);
        let script = format!(
            "#!/bin/bash\nunset GIT_DIR\ncd {outside}\n\
             export HOME={outside}/home XDG_CACHE_HOME={outside}/home PATH={program}:$PATH GIT_CONFIG_GLOBAL=/dev/null\n\
             export GIT_CEILING_DIRECTORIES={outside}\n\
             mkdir -p home artifacts caches\nrm -rf checkout work\nmkdir work\n\
             git clone --quiet remote.git checkout && cd checkout && git remote set-url origin {} &&\n\
             {run} > {outside}/log 2>&1 < /dev/null\n",
            self.system.origin,
        );
        let path = self.at("remote.git/hooks/post-receive");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let output =
            Command::new("git").current_dir(self.project.root()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Commits what has changed, pushes it, and says how each job that ran has ended, in their order. Where the system
    /// waits for a person before production, `person` is whether he has said yes.
    pub(crate) fn push(&self, message: &str, person: bool) -> Vec<(String, bool)> {
        let answer = if person { self.system.yes } else { self.system.no };
        fs::write(self.at("answer"), answer).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["push", "--quiet", "origin", "main"]);
        (self.system.ended)(&self.log())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap()
    }

    #[track_caller]
    pub(crate) fn check(&self, ended: &[(String, bool)], expected: &[(&str, bool)]) {
        let ended: Vec<(&str, bool)> = ended.iter().map(|(job, good)| (job.as_str(), *good)).collect();
        assert_eq!(ended, expected, "{}", self.log());
    }
}

fn from_a_push_to_production(system: &'static System) {
    let pushed = Pushed::new(system);
    let good = [("verify", true), ("build", true), ("staging", true)];
    let first = pushed.push("first", false);
    if system.waits_for_a_person {
        // A yes in the CI system starts the job, and approves nothing: that is recorded for a digest.
        pushed.check(&first, &good);
        let yes = pushed.push("yes", true);
        pushed.check(&yes, &[&good[..], &[("production", false)]].concat());
    } else {
        pushed.check(&first, &[&good[..], &[("production", false)]].concat());
    }
    // In mlci's own words, and with its exit code.
    assert!(pushed.log().contains("waits for an approval of wine@1"), "{}", pushed.log());

    // The effect is in the store: a version, and a staging deployment that was verified and ended with its job.
    let models = pushed.project.pass(&["models"]).value["result"].clone();
    assert_eq!((models[0]["version"].as_u64(), models[0]["aliases"][0].as_str()), (Some(1), Some("staging")));
    let status = pushed.project.pass(&["status"]);
    assert_eq!(status.environment("staging")["status"], "ephemeral", "{:#}", status.value);

    // A person approves that digest; the next run goes through.
    pushed.project.pass(&["approve", "production"]);
    let through = pushed.push("again", true);
    pushed.check(&through, &[&good[..], &[("production", true)]].concat());
    let models = pushed.project.pass(&["models"]).value["result"].clone();
    assert!(models[0]["aliases"].to_string().contains("production"), "{models:#}");

    // A worse model is refused by the job that knows the champion, and goes nowhere.
    pushed.project.configure("rmse = { max = 0.70 }", "rmse = { max = 0.9 }");
    pushed.project.configure("target = \"quality\"", "target = \"quality\"\nfeatures = [\"pH\"]");
    let worse = pushed.push("worse", true);
    pushed.check(&worse, &[("verify", true), ("build", false)]);
    assert!(pushed.log().contains("the gate refuses the model"), "{}", pushed.log());
    assert_eq!(pushed.project.pass(&["models"]).value["result"].as_array().map(Vec::len), Some(1));
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab github"]
fn github() {
    from_a_push_to_production(&systems::GITHUB);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab gitlab"]
fn gitlab() {
    from_a_push_to_production(&systems::GITLAB);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab jenkins"]
fn jenkins() {
    from_a_push_to_production(&systems::JENKINS);
}

#[test]
#[ignore = "needs the CI tools: cargo xtask test --lab circleci"]
fn circleci() {
    from_a_push_to_production(&systems::CIRCLECI);
}
