use std::{path::Path, process::Command};

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
