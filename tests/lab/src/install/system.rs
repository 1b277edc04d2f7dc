use std::{path::Path, process::Command, sync::atomic::Ordering};

use super::{ALLOW_SYSTEM, step};
use crate::error::{Error, Result};

/// Installs packages of the system, if they are missing and that is allowed.
pub(super) fn install(place: &Path, packages: &[&str]) -> Result<()> {
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(());
    }
    let call = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if !ALLOW_SYSTEM.load(Ordering::Relaxed) {
        return Err(Error::NotAllowed { what: format!("installing {}", missing.join(", ")), command: call });
    }
    std::fs::create_dir_all(place).map_err(mlci_core::FileError::at("create", place))?;
    let log = place.join("system.log");
    // What is installed here is started by the lab alone.
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-o", "DPkg::Lock::Timeout=300", "--quiet", "--yes"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        step(&mut command, &log)
    };
    let arguments = [&["install", "--no-install-recommends"], missing.as_slice()].concat();
    if apt(&arguments).is_err() {
        apt(&["update"])?;
        apt(&arguments)?;
    }
    Ok(())
}

/// Those that the system does not have.
pub(super) fn missing<'p>(packages: &[&'p str]) -> Vec<&'p str> {
    packages.iter().copied().filter(|package| !is_installed(package)).collect()
}

fn is_installed(package: &str) -> bool {
    let status = Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]).output();
    status.is_ok_and(|output| output.stdout == b"installed")
}
