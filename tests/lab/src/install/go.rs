use std::{path::Path, process::Command};

use mlci_core::{FileError, write_atomic};

use super::step;
use crate::error::Result;

/// Builds a program of a module into `PLACE/bin`. The build cache is the user's own, so that a cut build goes on.
pub(super) fn install(place: &Path, package: &str, version: &str) -> Result<()> {
    let mut command = Command::new("go");
    command
        .args(["install", "-trimpath", "-ldflags=-s -w", &format!("{package}@{version}")])
        .env("GOBIN", place.join("bin"))
        // Not cross-compiled: GOBIN is refused then.
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .current_dir(place);
    step(&mut command, &place.join("install.log"))
}

/// Builds a program whose module has replacements of its own, which `go install` refuses: as a tool of a module that
/// repeats them.
pub(super) fn install_tool(place: &Path, package: &str, version: &str, replaced: &[&str]) -> Result<()> {
    let folder = place.join("module");
    std::fs::create_dir_all(&folder).map_err(FileError::at("create", &folder))?;
    let replaced: String = replaced.iter().map(|line| format!("replace {line}\n")).collect();
    write_atomic(&folder.join("go.mod"), format!("module lab\n\ngo 1.26\n\n{replaced}").as_bytes())?;
    let log = place.join("install.log");
    let go = |arguments: &[&str]| {
        let mut command = Command::new("go");
        command.args(arguments).env_remove("GOOS").env_remove("GOARCH").env("GOFLAGS", "-mod=mod").current_dir(&folder);
        step(&mut command, &log)
    };
    go(&["get", "-tool", &format!("{package}@{version}")])?;
    let bin = place.join("bin").display().to_string();
    go(&["build", "-trimpath", "-ldflags=-s -w", "-o", &format!("{bin}/"), package])
}
