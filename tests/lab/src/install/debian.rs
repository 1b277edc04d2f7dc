use std::{fs, path::Path, process::Command};

use mlci_core::FileError;

use super::{require, step};
use crate::error::{Error, Result};

/// Downloads a package with apt and unpacks it into `PLACE/root`, without its dependencies: for programs that stand
/// alone.
pub(super) fn unpack(place: &Path, package: &str) -> Result<()> {
    require("dpkg")?;
    let log = place.join("install.log");
    let download = |log: &Path| step(Command::new("apt-get").args(["download", package]).current_dir(place), log);
    if download(&log).is_err() {
        // The lists of packages may be old or missing; only root may bring them up to date.
        step(Command::new("apt-get").args(["update", "--quiet"]), &log)?;
        download(&log)?;
    }
    let found = fs::read_dir(place).map_err(FileError::at("read", place))?.flatten().map(|entry| entry.path());
    let archive = found.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let archive = archive.ok_or_else(|| Error::Other(format!("apt-get download {package} left no package")))?;
    step(Command::new("dpkg").arg("--extract").arg(&archive).arg(place.join("root")), &log)?;
    Ok(fs::remove_file(&archive).map_err(FileError::at("remove", &archive))?)
}
