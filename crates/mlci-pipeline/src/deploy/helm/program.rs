//! The program `helm`: found, asked for its version, and run without a shell.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::history::Revision;
use crate::{
    command::children,
    config::Environment,
    error::{Context as _, Error, Result},
};

/// What Helm may take besides the time that it is given for hooks.
const GRACE: Duration = Duration::from_secs(60);
/// What a question may take.
const ASKED: Duration = Duration::from_secs(60);
/// Helm's own default.
const REVISIONS: &str = "256";
/// The versions whose command line is known.
const MAJOR: [u32; 2] = [3, 4];

/// Helm, for one release in one namespace of one cluster.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    release: String,
    /// Where the release is: on every command line, so that neither a variable nor the present context says it.
    place: [String; 4],
}

impl Program {
    pub(super) fn new(path: PathBuf, release: &str, context: &str, namespace: &str) -> Self {
        let place = ["--kube-context", context, "--namespace", namespace].map(str::to_owned);
        Self { path, release: release.to_owned(), place }
    }

    /// Its version, such as `v4.3.1`.
    ///
    /// # Errors
    /// When it is not there, or is not one of the versions whose command line is known.
    pub(super) fn version(&self) -> Result<String> {
        let text = self.run(&["version", "--template", "{{.Version}}"], ASKED)?;
        let version = text.trim();
        let major = version.strip_prefix('v').and_then(|rest| rest.split('.').next()?.parse().ok());
        if major.is_some_and(|major| MAJOR.contains(&major)) {
            return Ok(version.to_owned());
        }
        Err(Error::invalid(format!("`{}` says that its version is `{version}`", self.path.display()))
            .help("install Helm 3 or 4, or name such a program: [environment.NAME] helm = \"PATH\""))
    }

    /// All revisions of the release that Helm still keeps, oldest first. None: there is no such release.
    pub(super) fn history(&self) -> Result<Vec<Revision>> {
        let asked = ["history", self.release.as_str(), "--max", REVISIONS, "--output", "json"];
        match self.ask(&asked) {
            Err(error) if error.causes().iter().any(|cause| cause.contains("release: not found")) => Ok(Vec::new()),
            other => other,
        }
    }

    /// What Helm answers in JSON.
    pub(super) fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let text = self.in_place(arguments, ASKED)?;
        serde_json::from_str(&text)
            .context(|| format!("`helm {}` has answered something else than expected", arguments.join(" ")))
    }

    /// Runs it with the cluster and the namespace. `limit` is what Helm is given for one thing that it waits for.
    pub(super) fn in_place(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        let place: Vec<&str> = self.place.iter().map(String::as_str).collect();
        self.run(&[arguments, &place].concat(), limit + GRACE)
    }

    fn run(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        let shown = format!("helm {}", arguments.iter().take(2).copied().collect::<Vec<_>>().join(" "));
        let mut command = Command::new(&self.path);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A variable would lead it to another cluster than the configuration names.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HELM_KUBE") || name == "HELM_NAMESPACE" || name == "HELM_DEBUG" {
                command.env_remove(name);
            }
        }
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|source| self.not_started(&source))?;
        let guard = children::register(child.id());
        let pid = child.id();
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let (sender, over) = mpsc::channel();
        thread::spawn(move || {
            let errors = thread::spawn(move || text(errors));
            let output = text(output);
            let errors = errors.join().unwrap_or_default();
            // Whoever asked may have given up.
            let _ = sender.send((child.wait(), output, errors));
        });
        let waited = over.recv_timeout(limit);
        drop(guard);
        let (status, output, errors) = waited.map_err(|_| {
            children::end_group(pid);
            Error::fail(format!("`{shown}` was not over after {} s, and was ended", limit.as_secs()))
        })?;
        let status = status.context(|| format!("`{shown}` was lost"))?;
        if status.success() {
            return Ok(output);
        }
        let said: Vec<String> =
            errors.trim().lines().map(|line| line.strip_prefix("Error: ").unwrap_or(line).to_owned()).collect();
        Err(Error::fail(format!("`{shown}` failed: {status}")).because_of([said.join("\n")]))
    }

    fn not_started(&self, source: &io::Error) -> Error {
        let help = "install Helm (https://helm.sh/docs/intro/install/), or name it by its path: [environment.NAME] helm = \"PATH\"";
        Error::invalid(format!("the program `{}` cannot be started: {source}", self.path.display())).help(help)
    }
}

/// The version of the program that an environment names.
pub(crate) fn version(environment: &Environment, root: &Path) -> Result<String> {
    Program::new(named(environment.helm.as_deref(), root), "", "", "").version()
}

/// The program as a configuration names it: a path is relative to the configuration, a name is looked for on PATH.
pub(super) fn named(name: Option<&str>, root: &Path) -> PathBuf {
    match name.unwrap_or("helm") {
        path if path.contains('/') => root.join(path),
        name => PathBuf::from(name),
    }
}

fn text(pipe: Option<impl io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before it broke is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    /// A program that prints its arguments and ends with a code.
    fn program(script: &str) -> (tempfile::TempDir, Program) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("helm");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        (folder, Program::new(path, "wine", "lab", "staging"))
    }

    #[test]
    fn the_place_is_on_the_command_line_and_what_failed_is_quoted() {
        let (_folder, helm) = program("echo \"$@\"");
        assert_eq!(helm.in_place(&["get", "x"], ASKED).unwrap(), "get x --kube-context lab --namespace staging\n");
        let (_folder, helm) = program("echo 'Error: UPGRADE FAILED: no' >&2; exit 3");
        let error = helm.in_place(&["upgrade", "wine"], ASKED).unwrap_err();
        assert!(error.message.starts_with("`helm upgrade wine` failed"), "{error}");
        assert_eq!(error.causes(), ["UPGRADE FAILED: no"]);
    }

    #[test]
    fn versions_and_releases_that_there_are_and_are_not() {
        for (script, good) in [("echo v4.3", true), ("echo v3.19.0", true), ("echo v2.17.0", false), ("echo", false)] {
            assert_eq!(program(script).1.version().is_ok(), good && script.len() > 4, "{script}");
        }
        assert!(program("echo 'Error: release: not found' >&2; exit 1").1.history().unwrap().is_empty());
        assert!(program("echo 'Error: no access' >&2; exit 1").1.history().is_err());
        let gone = Program::new("/nowhere/helm".into(), "wine", "lab", "staging");
        let error = gone.version().unwrap_err();
        assert!(
            error.message.contains("/nowhere/helm") && error.help.unwrap().contains("helm = "),
            "{}",
            error.message
        );
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let (_folder, helm) = program("exec sleep 600");
        let error = helm.run(&["history", "wine"], Duration::from_millis(300)).unwrap_err();
        assert!(error.message.contains("`helm history wine` was not over"), "{error}");
    }

    #[test]
    fn a_name_is_looked_for_and_a_path_is_the_configurations() {
        let root = Path::new("/repo");
        assert_eq!(named(None, root), Path::new("helm"));
        assert_eq!(named(Some("helm3"), root), Path::new("helm3"));
        assert_eq!(named(Some("tools/helm"), root), Path::new("/repo/tools/helm"));
    }
}
