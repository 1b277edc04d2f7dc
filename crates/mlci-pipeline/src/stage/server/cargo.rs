//! What Cargo and rustc say of themselves and of a workspace.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use super::{PACKAGE, TWO_WAYS};
use crate::error::{Context as _, Error, Result};

/// What Cargo said of a workspace, kept for the same lock file.
#[derive(Serialize, Deserialize)]
pub(super) struct Metadata {
    pub(super) root: PathBuf,
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) is_member: bool,
}

pub(super) fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

pub(super) fn rustc_version(folder: &Path) -> Result<Vec<u8>> {
    let output = Command::new("rustc")
        .current_dir(folder)
        .arg("-vV")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::fail("cannot run `rustc -vV`").because(source).help(TWO_WAYS))?;
    Ok(output.stdout)
}

#[derive(Deserialize)]
struct CargoMetadata {
    packages: Vec<Package>,
    /// Absent with `--no-deps`.
    resolve: Option<Resolve>,
    workspace_members: Vec<String>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

fn ask_cargo(folder: &Path, arguments: &[&str]) -> Result<CargoMetadata> {
    let output = Command::new(cargo())
        .current_dir(folder)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::fail("cannot run `cargo metadata`").because(source).help(TWO_WAYS))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::fail("`cargo metadata` failed").because(text));
    }
    serde_json::from_slice(&output.stdout).context(|| "the answer of `cargo metadata` cannot be read".to_owned())
}

pub(super) fn metadata(lock: &Path) -> Result<Metadata> {
    let folder = lock.parent().unwrap_or(Path::new("."));
    let metadata = ask_cargo(folder, &[])?;
    let packages: HashMap<&str, &Package> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
    let nodes: HashMap<&str, &Node> =
        metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| (node.id.as_str(), node)).collect();
    let mut open: Vec<&str> =
        metadata.packages.iter().filter(|package| package.name == PACKAGE).map(|package| package.id.as_str()).collect();
    let (mut seen, mut folders) = (HashSet::new(), BTreeSet::new());
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        // Packages with a source are pinned by the lock file; those without are folders that can change.
        if let Some(folder) = packages.get(id).filter(|p| p.source.is_none()).and_then(|p| p.manifest_path.parent()) {
            folders.insert(folder.to_owned());
        }
        open.extend(nodes.get(id).into_iter().flat_map(|node| node.dependencies.iter().map(String::as_str)));
    }
    let members: HashSet<&str> = metadata.workspace_members.iter().map(String::as_str).collect();
    let is_member = packages.values().any(|package| package.name == PACKAGE && members.contains(package.id.as_str()));
    Ok(Metadata { root: metadata.workspace_root, folders, is_member })
}

pub(super) fn target_folder(root: &Path) -> Result<PathBuf> {
    Ok(ask_cargo(root, &["--no-deps"])?.target_directory)
}
