//! The test programs of this checkout, built.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    interrupt,
};

/// A test program: its package and its name.
pub(crate) type Program<'p> = (&'p str, &'p str);

/// Where a program was built, and the folder of its package, in which cargo runs it.
pub(crate) struct Built {
    executable: PathBuf,
    folder: PathBuf,
}

impl Built {
    /// The command that runs it as `cargo test` does.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Which features the crates are built with that packages share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Features {
    /// Those of the whole workspace: what `cargo test --workspace --all-features` has built is there already.
    OfWorkspace,
    /// Those of the packages alone, so that nothing else is built.
    OfPackages,
}

/// Builds the programs, each with all features of its package. What cargo says is passed on.
///
/// # Errors
/// When cargo cannot be run or fails, or a program is not there.
pub(crate) fn build<'p>(
    checkout: &Path,
    programs: &BTreeSet<Program<'p>>,
    features: Features,
) -> Result<BTreeMap<Program<'p>, Built>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(checkout).args(["test", "--locked", "--all-features", "--no-run"]);
    command.arg("--message-format=json-render-diagnostics");
    let packages: BTreeSet<&str> = programs.iter().map(|(package, _)| *package).collect();
    let targets: BTreeSet<&str> = programs.iter().map(|(_, target)| *target).collect();
    match features {
        Features::OfWorkspace => command.arg("--workspace"),
        Features::OfPackages => command.args(packages.iter().flat_map(|package| ["--package", package])),
    };
    command.args(targets.iter().flat_map(|target| ["--test", target]));
    let mut child = interrupt::spawn(command.stdout(Stdio::piped()))?;
    let mut built = BTreeMap::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
            // Other messages have other members.
            let Ok(artifact) = serde_json::from_str::<Artifact>(&line) else { continue };
            let program = programs.iter().find(|(package, target)| artifact.is(package, target));
            if let (Some(program), Some(folder)) = (program, artifact.manifest_path.parent()) {
                let folder = folder.to_owned();
                built.insert(*program, Built { executable: artifact.executable, folder });
            }
        }
    }
    let status = interrupt::wait(child)?;
    if !status.success() {
        return Err(Error::Other(format!("the tests cannot be built ({status})")));
    }
    match programs.iter().find(|program| !built.contains_key(*program)) {
        Some((package, target)) => Err(Error::Other(format!("there is no test program `{target}` in `{package}`"))),
        None => Ok(built),
    }
}

/// What cargo says of a program that it has built (The Cargo Book, *External tools*, JSON messages).
#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    manifest_path: PathBuf,
    target: Target,
    executable: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Artifact {
    fn is(&self, package: &str, target: &str) -> bool {
        self.target.name == target && self.target.kind.iter().any(|kind| kind == "test") && self.package() == package
    }

    /// The package's name: behind the `#` of its id, unless only its version is there (The Cargo Book, *Package ID
    /// specifications*).
    fn package(&self) -> &str {
        let (address, rest) = self.package_id.split_once('#').unwrap_or((&self.package_id, ""));
        rest.split_once('@').map_or_else(|| address.rsplit('/').next().unwrap_or(address), |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_cargo() {
        let message = |id: &str, kind: &str| {
            let text = format!(
                r#"{{"reason":"compiler-artifact","package_id":"{id}","manifest_path":"/c/tests/Cargo.toml","target":
                {{"kind":["{kind}"],"name":"real","test":true}},"executable":"/t/real-1","fresh":true}}"#
            );
            serde_json::from_str::<Artifact>(&text).unwrap()
        };
        assert!(message("path+file:///c/tests#mlci-tests@0.1.0", "test").is("mlci-tests", "real"));
        assert!(message("path+file:///c/crates/mlci-k8s#0.1.0", "test").is("mlci-k8s", "real"));
        assert!(!message("path+file:///c/crates/mlci-k8s#0.1.0", "test").is("mlci-k8s", "it"));
        assert!(!message("path+file:///c/crates/mlci-k8s#0.1.0", "bin").is("mlci-k8s", "real"));
        // A library has no executable.
        let library =
            r#"{"package_id":"a#1","manifest_path":"/c","target":{"kind":["lib"],"name":"a"},"executable":null}"#;
        assert!(serde_json::from_str::<Artifact>(library).is_err());
    }
}
