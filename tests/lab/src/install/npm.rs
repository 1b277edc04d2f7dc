use std::{path::Path, process::Command};

use super::step;
use crate::error::Result;

/// Installs packages into `PLACE/node_modules`.
pub(super) fn install(place: &Path, packages: &[&str]) -> Result<()> {
    let mut command = Command::new("npm");
    command.args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"]).arg(place).args(packages);
    step(command.current_dir(place), &place.join("install.log"))
}
