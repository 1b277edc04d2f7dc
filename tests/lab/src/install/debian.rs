use std::{fs, path::Path, process::Command};

use mlci_core::FileError;

use super::{require, step};
use crate::error::Result;

/// Downloads packages with apt and unpacks them into `PLACE/root`, without what they depend on.
pub(super) fn unpack(place: &Path, packages: &[&str]) -> Result<()> {
    require("dpkg")?;
    let log = place.join("install.log");
    let download = || step(Command::new("apt-get").arg("download").args(packages).current_dir(place), &log);
    if download().is_err() {
        // The lists of packages may be old or missing. That changes nothing but them, and only root may.
        step(Command::new("apt-get").args(["update", "--quiet"]), &log)?;
        download()?;
    }
    for entry in fs::read_dir(place).map_err(FileError::at("read", place))?.flatten() {
        let archive = entry.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            step(Command::new("dpkg").arg("--extract").arg(&archive).arg(place.join("root")), &log)?;
            fs::remove_file(&archive).map_err(FileError::at("remove", &archive))?;
        }
    }
    Ok(())
}
