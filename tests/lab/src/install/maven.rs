use std::{path::Path, process::Command};

use super::step;
use crate::error::Result;

/// Copies an artifact (`group:name:version`) to `PLACE`, without what it depends on.
pub(super) fn install(place: &Path, artifact: &str) -> Result<()> {
    let mut command = Command::new("mvn");
    command
        .args(["-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"])
        .arg(format!("-Dartifact={artifact}"))
        .arg(format!("-DoutputDirectory={}", place.display()));
    step(command.current_dir(place), &place.join("install.log"))
}
