use std::{fs, path::Path, process::Command};

use mlci_core::FileError;

use super::step;
use crate::error::Result;

const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";

/// Copies an artifact (`group:name:version`) to `PLACE`, without what it depends on; unpacks it there if it is a `zip`.
pub(super) fn install(place: &Path, artifact: &str) -> Result<()> {
    let goal = if artifact.ends_with(":zip") { "unpack" } else { "copy" };
    let mut command = Command::new("mvn");
    command
        .args(["-q", "-B", &format!("{PLUGIN}:{goal}")])
        .arg(format!("-Dartifact={artifact}"))
        .arg(format!("-DoutputDirectory={}", place.display()));
    step(command.current_dir(place), &place.join("install.log"))
}

/// Copies artifacts and all that they depend on to `PLACE/jars`.
pub(super) fn with_dependencies(place: &Path, artifacts: &[&str]) -> Result<()> {
    let dependencies: String = artifacts
        .iter()
        .filter_map(|artifact| {
            let mut parts = artifact.split(':');
            let (group, name, version) = (parts.next()?, parts.next()?, parts.next()?);
            Some(format!(
                "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
            ))
        })
        .collect();
    let project = place.join("pom.xml");
    let text = format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>mlci</groupId><artifactId>lab</artifactId>\
         <version>1</version><packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    );
    fs::write(&project, text).map_err(FileError::at("write", &project))?;
    let mut command = Command::new("mvn");
    command.args(["-q", "-B", &format!("{PLUGIN}:copy-dependencies")]);
    command.arg(format!("-DoutputDirectory={}", place.join("jars").display()));
    step(command.current_dir(place), &place.join("install.log"))
}
