use std::{path::Path, process::Command};

use super::step;
use crate::error::Result;

/// Makes a virtual environment in `PLACE/venv` with these packages in it.
pub(super) fn install(place: &Path, packages: &[&str]) -> Result<()> {
    let log = place.join("install.log");
    let venv = place.join("venv");
    step(Command::new("python3").args(["-m", "venv"]).arg(&venv), &log)?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]).args(packages);
    step(&mut pip, &log)
}
