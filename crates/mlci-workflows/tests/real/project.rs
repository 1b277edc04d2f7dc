use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use mlci_workflows::{Cache, Pipeline, RenderedFile, Settings, System, Variable, VariableValue};
use tempfile::TempDir;

use crate::tool;

pub(crate) const VERIFY: &str = "xtask ci --stage ..gate --without-store";
pub(crate) const BUILD: &str = "xtask ci --stage gate..image";
pub(crate) const STAGING: &str = "xtask ci --stage deploy --until staging";
pub(crate) const PRODUCTION: &str = "xtask deploy production";

/// What the secrets of the sample are set to.
pub(crate) const SECRETS: [(&str, &str); 3] =
    [("STORE_KEY", "store-5e"), ("REGISTRY_TOKEN", "registry-5e"), ("KUBE_TOKEN", "kube-5e")];

/// A committed repository with a rendered file, and the stand-in program first in `PATH`.
pub(crate) struct Project {
    folder: TempDir,
}

pub(crate) fn pipeline() -> Pipeline {
    let mut settings = Settings::new("wine".parse().unwrap(), ["cargo", "xtask"]);
    settings.build_secrets = vec!["STORE_KEY".to_owned(), "REGISTRY_TOKEN".to_owned()];
    settings.variables = vec![
        Variable { name: "CARGO_HOME".to_owned(), value: VariableValue::InCheckout("target/cargo-home".to_owned()) },
        // More than a number, so that every system has to leave it alone.
        Variable { name: "CARGO_INCREMENTAL".to_owned(), value: VariableValue::Text(AWKWARD.to_owned()) },
    ];
    settings.caches = vec![Cache {
        name: "cargo".parse().unwrap(),
        key_files: vec!["Cargo.lock".to_owned()],
        folders: vec!["target".to_owned()],
    }];
    settings.environment("staging".parse().unwrap()).url = Some("https://staging.example/wine".to_owned());
    let production = settings.environment("production".parse().unwrap());
    production.approval = true;
    production.secrets = vec!["KUBE_TOKEN".to_owned()];
    Pipeline::standard(&settings)
}

/// What each system would expand, were it not quoted.
pub(crate) const AWKWARD: &str =
    "0 'a' \"b\" $HOME ${{ github.ref }} $[[ x ]] $(x) `y` << z >> \\u0041\\n % Größe {{ w }}";

impl Project {
    pub(crate) fn new(system: System) -> (Self, RenderedFile) {
        let file = pipeline().render(system).unwrap().remove(0);
        let project = Self { folder: tempfile::tempdir().unwrap() };
        let repository = project.repository();
        for (path, text) in
            [(file.path.as_str(), file.text.as_str()), ("Cargo.lock", "# lock\n"), (".gitignore", "/target/\n.mlci/\n")]
        {
            let path = repository.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for name in ["program", "home"] {
            fs::create_dir(project.folder.path().join(name)).unwrap();
        }
        let program = project.program("cargo");
        fs::copy(tool::beside("real/stand-in.sh"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.git(&["remote", "add", "origin", "https://github.com/ml/wine.git"]);
        project.git(&["add", "--all"]);
        project.git(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "first"]);
        (project, file)
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// A place beside the repository.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, file: &str) -> PathBuf {
        self.folder.path().join("program").join(file)
    }

    pub(crate) fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.repository()).args(arguments);
        tool::run(&mut command).succeeded();
    }

    /// Lets the stand-in end the stage with this exit code.
    pub(crate) fn fail(&self, stage: &str, code: u8) {
        fs::write(self.program(&format!("fail-{stage}")), code.to_string()).unwrap();
    }

    pub(crate) fn no_longer_fail(&self, stage: &str) {
        fs::remove_file(self.program(&format!("fail-{stage}"))).unwrap();
    }

    /// A command with nothing of the caller's environment but `PATH`, behind the stand-in's folder.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut path = OsString::from(self.folder.path().join("program"));
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let home = self.folder.path().join("home");
        let mut command = Command::new(program);
        command
            .current_dir(self.repository())
            .env_clear()
            .env("PATH", path)
            .env("HOME", &home)
            .env("XDG_CACHE_HOME", home);
        command.env("LANG", "C.UTF-8");
        command
    }

    /// The calls since the last time, and what each could see of the secrets.
    #[track_caller]
    pub(crate) fn check_calls(&self, expected: &[(&str, &[&str])]) {
        let calls = fs::read_to_string(self.program("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.program("calls"));
        let line = |(call, secrets): &(&str, &[&str])| {
            let secrets: String = secrets.iter().map(|secret| format!(" {secret}")).collect();
            format!("{call}|{secrets}|{AWKWARD}|home")
        };
        let expected: Vec<_> = expected.iter().map(line).collect();
        assert_eq!(calls.lines().collect::<Vec<_>>(), expected);
    }
}

/// The calls of a push that goes through, with the secrets that each sees.
pub(crate) const WHOLE: [(&str, &[&str]); 4] =
    [(VERIFY, &[]), (BUILD, &["STORE_KEY", "REGISTRY_TOKEN"]), (STAGING, &[]), (PRODUCTION, &["KUBE_TOKEN"])];
