//! `generate`: files that follow from the configuration, to be checked in.

#[cfg(feature = "kubernetes")]
mod chart;
#[cfg(not(feature = "kubernetes"))]
#[path = "chart_absent.rs"]
mod chart;
mod monitor;
mod workflow;

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    str::FromStr,
};

use mlci_core::{FileError, RenderedFile, open_file, write_atomic};
use mlci_workflows::System;
use serde_json::json;

use crate::{
    error::{Error, Result},
    event::Finished,
    pipeline::Pipeline,
};

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The definition of this pipeline for a CI system.
    Workflow(System),
    /// A Helm chart.
    Helm,
    /// Prometheus rules and their tests.
    Rules,
    /// Grafana dashboards.
    Dashboards,
    /// Elasticsearch templates, shippers, Kibana objects.
    Elk,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Workflow(System::GitHub),
        Self::Workflow(System::GitLab),
        Self::Workflow(System::Jenkins),
        Self::Workflow(System::CircleCi),
        Self::Helm,
        Self::Rules,
        Self::Dashboards,
        Self::Elk,
    ];

    /// The name in commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Workflow(system) => system.name(),
            Self::Helm => "helm",
            Self::Rules => "rules",
            Self::Dashboards => "dashboards",
            Self::Elk => "elk",
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|subject| subject.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
            format!("there are {}", known.join(", "))
        })
    }
}

impl Pipeline {
    /// Writes the files of a subject, or with `check` says how those that are there differ.
    ///
    /// A file that was not made by mlci is never overwritten.
    pub fn generate(&self, subject: Subject, check: bool) -> Finished {
        self.command("generate", |ending| {
            let rendered = self.rendered(subject)?;
            let (mut said, mut differing) = (Vec::new(), Vec::new());
            let mut to_write = Vec::new();
            for file in &rendered {
                let path = self.root().join(&file.path);
                let present = read(&path)?;
                let Some(difference) = file.compare(present.as_deref()) else {
                    said.push(format!("{} is up to date", file.path));
                    continue;
                };
                if check {
                    differing.push(difference.to_string());
                } else if present.as_ref().is_some_and(|text| !RenderedFile::is_ours(text)) {
                    return Err(Error::invalid(format!("`{}` is there, and was not made by mlci", path.display()))
                        .help("move it away; what is yours can stand in a file of its own"));
                } else {
                    to_write.push((path, file));
                }
            }
            // After all were looked at, so that a refusal leaves nothing half made.
            for (path, file) in to_write {
                write_atomic(&path, file.text.as_bytes())?;
                said.push(format!("wrote {}", file.path));
            }
            for path in self.no_longer_made(subject, &rendered) {
                let text = format!("{path} was made by mlci and is not any more: remove it");
                if check { differing.push(text) } else { said.push(text) }
            }
            let paths: Vec<&str> = rendered.iter().map(|file| file.path.as_str()).collect();
            ending.result = Some(json!({"system": subject.name(), "files": paths, "differing": differing.len()}));
            ending.text = Some([said, differing.clone()].concat().join("\n"));
            if differing.is_empty() {
                return Ok(());
            }
            let again = self.command_line(&format!("generate {}", subject.name()));
            Err(Error::fail(format!("what `generate {}` makes is out of date", subject.name()))
                .help(format!("make it anew: {again}")))
        })
    }

    /// Files of mlci's in the folder of a subject, such as for an environment that is gone. They may be loaded still.
    fn no_longer_made(&self, subject: Subject, rendered: &[RenderedFile]) -> Vec<String> {
        let parents = || rendered.iter().filter_map(|file| Path::new(&file.path).parent());
        // A CI system's file stands among those of others.
        let folder = match subject {
            Subject::Workflow(_) => None,
            _ => parents().min_by_key(|parent| parent.components().count()),
        };
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> = folder.map(Path::to_owned).into_iter().collect();
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(self.root().join(&folder)).into_iter().flatten().flatten();
            for entry in entries {
                let path = folder.join(entry.file_name());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if !rendered.iter().any(|file| Path::new(&file.path) == path)
                    && read(&entry.path()).is_ok_and(|text| text.is_some_and(|text| RenderedFile::is_ours(&text)))
                {
                    found.push(path.display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    fn rendered(&self, subject: Subject) -> Result<Vec<RenderedFile>> {
        match subject {
            Subject::Workflow(system) => self.workflow()?.render(system).map_err(|error| {
                Error::invalid(format!("there is no definition of this pipeline for {}", system.name())).because(error)
            }),
            Subject::Helm => {
                let repository = self.config().image.repository.as_deref().ok_or_else(|| {
                    Error::invalid("a chart needs [image] repository, and it is not set").help(
                        "name the repository that `ci` pushes to and clusters pull from: [image] repository = \"…\"",
                    )
                })?;
                self.chart(repository)
            }
            Subject::Rules | Subject::Dashboards | Subject::Elk => self.monitoring(subject),
        }
    }
}

/// A file that is there. It may have come with a checkout, so a link, a pipe or a device is not followed or waited for.
fn read(path: &Path) -> Result<Option<String>> {
    /// Far above what is made.
    const LARGEST: u64 = 16 << 20;

    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(about) if !about.is_file() => {
            let message = format!("`{}` is there, and is no regular file", path.display());
            return Err(Error::invalid(message).help("move it away"));
        }
        _ => {}
    }
    let mut text = String::new();
    let file = open_file(path)?;
    file.take(LARGEST).read_to_string(&mut text).map_err(FileError::at("read", path))?;
    Ok(Some(text))
}
