//! What a machine has, what it lacks, and what to do about it.

use std::{net::TcpListener, path::Path, process::Command};

use mlci_core::Verdict;
use serde::Serialize;

use super::table;
use crate::{
    config::TargetKind,
    error::{Context as _, Error, Result},
    event::Finished,
    pipeline::Pipeline,
    stage::server::{Runs, Server},
    words::count,
};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

impl Finding {
    fn good(what: &str, found: impl Into<String>) -> Self {
        Self { what: what.to_owned(), verdict: Verdict::Pass, found: found.into(), fix: String::new() }
    }

    fn bad(what: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.to_owned(), verdict: Verdict::Fail, found: found.into(), fix: fix.into() }
    }

    /// Something that is only needed by some.
    fn missing(what: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.to_owned(), verdict: Verdict::NoData, found: found.into(), fix: fix.into() }
    }
}

impl Pipeline {
    /// Looks at everything that the pipeline needs, and changes nothing.
    pub fn doctor(&self) -> Finished {
        self.command("doctor", |ending| {
            let mut findings = vec![
                Finding::good("configuration", self.loaded().path.display().to_string()),
                self.git(),
                self.data(),
                self.folder("work folder", self.workdir().root()),
                self.stored(),
                self.folder("run log", &self.resolve(&self.config().track.folder)),
                self.images(),
            ];
            findings.extend(self.programs());
            findings.extend(self.helm());
            findings.extend(self.server_findings());
            findings.extend(self.ports());
            if crate::ci::is_ci_job() {
                findings.push(Finding::missing(
                    "champion",
                    "this is a CI job, and a store in its checkout does not outlive it: no champion is ever found",
                    "keep the store folder between jobs",
                ));
            }
            let rows: Vec<Vec<String>> = findings
                .iter()
                .map(|finding| {
                    let mark = match finding.verdict {
                        Verdict::Pass => "ok",
                        Verdict::Fail => "FAIL",
                        Verdict::NoData => "note",
                    };
                    let fix = if finding.fix.is_empty() { String::new() } else { format!(": {}", finding.fix) };
                    vec![mark.to_owned(), finding.what.clone(), format!("{}{fix}", finding.found)]
                })
                .collect();
            ending.text = Some(table(&["", "WHAT", "FOUND"], &rows));
            let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
            ending.result =
                Some(serde_json::to_value(&findings).context(|| "the findings cannot be shown".to_owned())?);
            match failed {
                0 => Ok(()),
                1 => Err(Error::fail("one thing is missing")),
                many => Err(Error::fail(format!("{many} things are missing"))),
            }
        })
    }

    fn git(&self) -> Finding {
        match self.source() {
            crate::source::Source::None => Finding::missing(
                "git",
                "no git commit here, so releases are recorded as from nowhere",
                "git init, then commit",
            ),
            source if source.is_clean() => Finding::good("git", source.to_string()),
            source => {
                Finding::missing("git", format!("{source}: changes that are not committed"), "commit before a release")
            }
        }
    }

    fn data(&self) -> Finding {
        let path = &self.config().data.path;
        match self.gathered() {
            Ok(read) => Finding::good("data", format!("{path}: {}", count(read.gathered.rows().all(), "row"))),
            Err(error) => Finding::bad(
                "data",
                error.causes().first().cloned().unwrap_or_else(|| error.to_string()),
                "mend the file or [data]",
            ),
        }
    }

    fn folder(&self, what: &str, path: &Path) -> Finding {
        let probe = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path);
        match tempfile::tempfile_in(probe) {
            Ok(_) => Finding::good(what, path.display().to_string()),
            Err(error) => Finding::bad(
                what,
                format!("`{}` cannot be written: {error}", probe.display()),
                "give yourself the right to write there, or name another folder",
            ),
        }
    }

    /// The programs of the team's own that stages run.
    fn programs(&self) -> Vec<Finding> {
        let config = self.config();
        let commands = [
            ("setup", &config.setup.command),
            ("check", &config.check.command),
            ("train", &config.train.command),
            ("test", &config.test.command),
        ];
        let finding = |(stage, command): (&str, &Vec<String>)| {
            let program = command.first()?;
            let what = format!("[{stage}] command");
            let is_path = program.contains('/');
            let places = std::env::var_os("PATH").unwrap_or_default();
            let found = if is_path {
                Some(self.root().join(program)).filter(|path| path.is_file())
            } else {
                std::env::split_paths(&places).map(|folder| folder.join(program)).find(|path| path.is_file())
            };
            Some(match found {
                Some(path) => Finding::good(&what, path.display().to_string()),
                // A virtual environment, say.
                None if is_path && stage != "setup" && !config.setup.command.is_empty() => {
                    Finding::missing(&what, format!("`{program}` is not there"), "[setup] command may make it")
                }
                None if is_path => Finding::bad(&what, format!("`{program}` is not there"), "write another path"),
                None => {
                    Finding::bad(&what, format!("`{program}` is not on PATH"), "install it, or name it by its path")
                }
            })
        };
        commands.into_iter().filter_map(finding).collect()
    }

    /// Helm, for each environment that goes by it.
    #[cfg(feature = "kubernetes")]
    fn helm(&self) -> Vec<Finding> {
        let environments = self.config().environment.iter();
        let by_helm = environments.filter(|(_, environment)| environment.target == TargetKind::Helm);
        let finding = |(name, environment): (_, &crate::config::Environment)| {
            let what = format!("helm for {name}");
            match crate::deploy::helm_version(environment, self.root()) {
                Ok(version) => Finding::good(&what, version),
                Err(error) => Finding::bad(&what, error.to_string(), error.help.unwrap_or_default()),
            }
        };
        by_helm.map(finding).collect()
    }

    #[cfg(not(feature = "kubernetes"))]
    fn helm(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// The store: a folder that can be written, or a server that answers.
    fn stored(&self) -> Finding {
        let store = &self.config().artifact.store;
        if mlci_artifact::Scheme::of(store).is_none() {
            return self.folder("store", &self.resolve(store));
        }
        match self.block_on(self.store().models()) {
            Ok(models) => Finding::good("store", format!("{store}: answers, {}", count(models.len() as u64, "model"))),
            Err(error) => {
                let error = Error::from(error);
                let found = format!("{error}: {}", error.causes().join(": "));
                Finding::bad("store", found, "set the variables that name its endpoint and credentials".to_owned())
            }
        }
    }

    fn images(&self) -> Finding {
        let checked = || -> Result<usize> {
            let layout = self.layout()?;
            let images = layout.images()?;
            images.iter().try_for_each(|image| layout.verify(&image.digest))?;
            Ok(images.len())
        };
        match checked() {
            Ok(images) => Finding::good("image layout", format!("{}, all whole", count(images as u64, "image"))),
            Err(error) => {
                Finding::bad("image layout", error.to_string(), "remove the folder and run ci: images are made again")
            }
        }
    }

    fn server_findings(&self) -> Vec<Finding> {
        match Server::find(self, Runs::Own) {
            Err(error) => return vec![Finding::bad("server", error.to_string(), error.help.unwrap_or_default())],
            Ok(server) => {
                if let Some(path) = server.ready() {
                    return vec![match mlci_image::Architecture::of_static(path) {
                        Ok(architecture) => {
                            Finding::good("server", format!("{} ({architecture}, static)", path.display()))
                        }
                        Err(error) => Finding::bad("server", error.to_string(), "name a static mlci-serve for Linux"),
                    }];
                }
            }
        }
        let version = said(Command::new("rustc").arg("-V"));
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let folder = said(Command::new("rustc").args(["--print", "target-libdir", "--target", &target]));
        let library = said(Command::new("cc").arg("-print-file-name=libc.a"));
        vec![
            match version {
                Some(version) => Finding::good("rustc", version),
                None => Finding::bad("rustc", "not found", "install Rust, or name a server: [image] server = \"PATH\""),
            },
            match folder {
                Some(folder) if Path::new(&folder).is_dir() => Finding::good("target", target),
                _ => {
                    Finding::bad("target", format!("{target} is not installed"), format!("rustup target add {target}"))
                }
            },
            match library {
                Some(path) if Path::new(&path).is_absolute() => Finding::good("static C library", path),
                _ => Finding::bad(
                    "static C library",
                    "cc finds no libc.a",
                    "install libc6-dev (Debian) or glibc-static (Fedora)",
                ),
            },
        ]
    }

    fn ports(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, environment) in &self.config().environment {
            let what = format!("environment {name}");
            let finding = match (environment.target, self.environment_status(name)) {
                (_, Err(error)) => Finding::bad(&what, error.to_string(), "see the message"),
                (_, Ok(end)) if end.address.is_some() => {
                    Finding::good(&what, format!("{} at {}", end.status.as_str(), end.address.unwrap_or_default()))
                }
                (TargetKind::Process, Ok(end)) => match environment.port {
                    Some(port) if TcpListener::bind(("127.0.0.1", port)).is_err() => Finding::bad(
                        &what,
                        format!("port {port} is in use by something else"),
                        format!("stop it, or write another: [environment.{name}] port"),
                    ),
                    _ => Finding::good(&what, end.status.as_str()),
                },
                (TargetKind::Kubernetes | TargetKind::Helm, Ok(end)) => {
                    Finding::good(&what, format!("{}; the cluster answers", end.status.as_str()))
                }
            };
            findings.push(finding);
        }
        findings
    }
}

/// The first line that a program prints, if it runs and succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}
