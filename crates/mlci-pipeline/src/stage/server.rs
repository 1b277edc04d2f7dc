//! Where the server binary comes from: named, built from the workspace, or installed beside mlci.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use mlci_core::{Digest, FileError, digest_file, write_atomic};
use mlci_model::{Estimator, Model};
use serde::{Deserialize, Serialize};

use crate::{
    command,
    error::{Context as _, Error, Result},
    event::Event,
    pipeline::Pipeline,
};

const PACKAGE: &str = "mlci-serve";
const TWO_WAYS: &str = "either name a static Linux server, [image] server = \"PATH\", or run this on Linux with a C library to link statically (Debian: libc6-dev, Fedora: glibc-static)";

/// Which models a server has to run. One that runs ONNX is several times as large, so that only what needs it has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    Own,
    Onnx,
}

impl Runs {
    /// What the server of this model has to run.
    pub(crate) fn of(model: &Model) -> Self {
        match model.parts().estimator {
            Estimator::Onnx(_) => Self::Onnx,
            _ => Self::Own,
        }
    }

    /// The feature of the server's package.
    fn feature(self) -> Option<&'static str> {
        (self == Self::Onnx).then_some("onnx")
    }
}

/// Where the server comes from. What decides its bytes is known before it is built.
pub(crate) struct Server {
    /// The digest of the binary where it is there, else of all that it is built from.
    pub(crate) key: Digest,
    origin: Origin,
}

enum Origin {
    /// A file that is there.
    Ready(PathBuf),
    /// A workspace that builds it.
    Workspace(Workspace, Build),
}

impl Server {
    /// Finds the server of such models, and builds nothing.
    pub(crate) fn find(pipeline: &Pipeline, runs: Runs) -> Result<Self> {
        if let Some(named) = &pipeline.config().image.server {
            let path = pipeline.resolve(named);
            let (key, _) = digest_file(&path)
                .map_err(|error| Error::from(error).help("[image] server names a file that cannot be read"))?;
            return Ok(Self { key, origin: Origin::Ready(path) });
        }
        match Workspace::find(pipeline)? {
            Some(workspace) => {
                let build = Build::image(&workspace, runs)?;
                Ok(Self { key: workspace.key(&build)?, origin: Origin::Workspace(workspace, build) })
            }
            None => beside(),
        }
    }

    /// Where it is, if nothing has to be built.
    pub(crate) fn ready(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Ready(path) => Some(path),
            Origin::Workspace(..) => None,
        }
    }

    /// The binary itself, built if it has to be.
    pub(crate) fn binary(&self, pipeline: &Pipeline, again: bool) -> Result<PathBuf> {
        match &self.origin {
            Origin::Ready(path) => Ok(path.clone()),
            Origin::Workspace(workspace, build) => workspace.binary(pipeline, build, "image", again),
        }
    }
}

/// A server that runs any model on this system, where the image's does not. Elsewhere than on Linux, `process` runs it.
pub(crate) fn for_host(pipeline: &Pipeline) -> Result<PathBuf> {
    match Workspace::find(pipeline)? {
        Some(workspace) => workspace.binary(pipeline, &Build::host(&workspace), "deploy", false),
        None => match beside()?.origin {
            Origin::Ready(path) => Ok(path),
            Origin::Workspace(..) => Err(Error::fail("there is no server for this system").help(TWO_WAYS)),
        },
    }
}

/// Without Cargo, the server that was installed with mlci.
fn beside() -> Result<Server> {
    let own = env::current_exe().context(|| "mlci does not know its own path".to_owned())?;
    let path = own.with_file_name(PACKAGE);
    match digest_file(&path) {
        Ok((key, _)) => Ok(Server { key, origin: Origin::Ready(path) }),
        Err(_) => Err(Error::fail(format!(
            "there is no server to put into the image: no `{}`, and no Cargo workspace here that has the package {PACKAGE}",
            path.display()
        ))
        .help(TWO_WAYS)),
    }
}

/// How a workspace builds the server.
struct Build {
    /// The target triple; absent for the host's own.
    target: Option<String>,
    /// `RUSTFLAGS`; absent for the user's own.
    flags: Option<String>,
    /// A feature of the server's package.
    feature: Option<&'static str>,
}

impl Build {
    /// Static, for a container, and without this machine's paths in it.
    fn image(workspace: &Workspace, runs: Runs) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(Error::fail("a server for Linux cannot be built on this system").help(TWO_WAYS));
        }
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
        let home = home.map(|home| format!(" --remap-path-prefix={}=/cargo", home.display())).unwrap_or_default();
        let flags =
            format!("-C target-feature=+crt-static --remap-path-prefix={}=/source{home}", workspace.root.display());
        // Without an explicit target the flags would reach procedural macros, which cannot be static.
        let target = Some(format!("{}-unknown-linux-gnu", env::consts::ARCH));
        Ok(Self { target, flags: Some(flags), feature: workspace.feature(runs) })
    }

    fn host(workspace: &Workspace) -> Self {
        Self { target: None, flags: None, feature: workspace.feature(Runs::Onnx) }
    }
}

/// A Cargo workspace that can build the server.
struct Workspace {
    root: PathBuf,
    /// The folders of the packages in it that the server is built from.
    folders: BTreeSet<PathBuf>,
    /// Whether the server is one of its packages. Cargo gives features to those alone: who depends on the server
    /// chooses its features in their own manifest.
    is_member: bool,
}

/// What Cargo said of a workspace, kept for the same lock file.
#[derive(Serialize, Deserialize)]
struct Metadata {
    root: PathBuf,
    folders: BTreeSet<PathBuf>,
    is_member: bool,
}

impl Workspace {
    /// Asks Cargo once per state of the lock file; `None` where no workspace has the server.
    fn find(pipeline: &Pipeline) -> Result<Option<Self>> {
        let start = std::path::absolute(pipeline.root()).map_err(FileError::at("locate", pipeline.root()))?;
        let Some(lock) = start.ancestors().map(|folder| folder.join("Cargo.lock")).find(|path| path.is_file()) else {
            return Ok(None);
        };
        let text = fs::read_to_string(&lock).map_err(FileError::at("read", &lock))?;
        if !text.contains(&format!("name = \"{PACKAGE}\"")) {
            return Ok(None);
        }
        let manifest = fs::read(lock.with_file_name("Cargo.toml")).unwrap_or_default();
        let key = Digest::builder().part(&text).part(&manifest).part(lock.as_os_str().as_encoded_bytes()).finish();
        let memo = pipeline.workdir().cache().join("workspace").join(format!("{}.json", key.hex()));
        if let Some(Metadata { root, folders, is_member }) =
            fs::read(&memo).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
        {
            return Ok(Some(Self { root, folders, is_member }));
        }
        let metadata = metadata(&lock)?;
        let bytes = serde_json::to_vec(&metadata).context(|| "the workspace cannot be noted".to_owned())?;
        write_atomic(&memo, &bytes)?;
        let Metadata { root, folders, is_member } = metadata;
        Ok(Some(Self { root, folders, is_member }))
    }

    fn feature(&self, runs: Runs) -> Option<&'static str> {
        runs.feature().filter(|_| self.is_member)
    }

    /// The digest of all that decides the bytes of the server.
    fn key(&self, build: &Build) -> Result<Digest> {
        let mut digest = Digest::builder()
            .part(build.target.as_deref().unwrap_or_default())
            .part(build.flags.as_deref().unwrap_or_default())
            .part(build.feature.unwrap_or_default())
            .part(rustc_version(&self.root)?);
        for (name, value) in env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PROFILE_") {
                digest.add(name.as_encoded_bytes());
                digest.add(value.as_encoded_bytes());
            }
        }
        for file in ["Cargo.lock", "Cargo.toml", ".cargo/config.toml", "rust-toolchain", "rust-toolchain.toml"] {
            digest.add(&fs::read(self.root.join(file)).unwrap_or_default());
        }
        for folder in &self.folders {
            add_sources(&mut digest, folder, folder)?;
        }
        Ok(digest.finish())
    }

    fn binary(&self, pipeline: &Pipeline, build: &Build, stage: &str, again: bool) -> Result<PathBuf> {
        let key = self.key(build)?;
        let kept = pipeline.workdir().cache().join("server").join(key.hex());
        let path = kept.join(PACKAGE);
        let note = kept.join("digest");
        if !again && let Ok(text) = fs::read_to_string(&note) {
            let whole = digest_file(&path).is_ok_and(|(digest, _)| text.trim().parse() == Ok(digest));
            if whole {
                return Ok(path);
            }
        }
        let target = build.target.as_deref().unwrap_or(env::consts::OS);
        pipeline.event(&Event::Progress {
            name: stage.to_owned(),
            message: match build.feature {
                Some(feature) => {
                    format!("building {PACKAGE} with {feature} for {target}; this is done once for the same sources")
                }
                None => format!("building {PACKAGE} for {target}; this is done once for the same sources"),
            },
        });
        let built = self.build(pipeline, build, stage)?;
        let bytes = fs::read(&built).map_err(FileError::at("read", &built))?;
        if self.key(build)? != key {
            return Err(Error::fail("the sources were changed while the server was built").help("run it again"));
        }
        write_atomic(&path, &bytes)?;
        make_executable(&path)?;
        // Written last: its presence says that the binary is whole.
        write_atomic(&note, Digest::of(&bytes).to_string().as_bytes())?;
        Ok(path)
    }

    fn build(&self, pipeline: &Pipeline, build: &Build, stage: &str) -> Result<PathBuf> {
        let mut command = Command::new(cargo());
        command.current_dir(&self.root);
        command.args(["build", "--release", "--locked", "--package", PACKAGE, "--bin", PACKAGE]);
        if let Some(target) = &build.target {
            command.args(["--target", target]);
        }
        if let Some(feature) = build.feature {
            command.args(["--features", feature]);
            // It would go through all of the ONNX runtime again for each line that changes, for half a megabyte.
            if env::var_os("CARGO_PROFILE_RELEASE_LTO").is_none() {
                command.env("CARGO_PROFILE_RELEASE_LTO", "off");
            }
        }
        if let Some(flags) = &build.flags {
            command.env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
        }
        command::run(command, stage, &pipeline.workdir().log(stage), None, pipeline).map_err(|error| {
            let log = error.help.clone().unwrap_or_default();
            error.help(format!("{log}; {TWO_WAYS}"))
        })?;
        let mut folder = target_folder(&self.root)?;
        folder.extend(&build.target);
        Ok(folder.join("release").join(PACKAGE))
    }
}

fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(FileError::at("change", path))?)
}

fn rustc_version(folder: &Path) -> Result<Vec<u8>> {
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

fn metadata(lock: &Path) -> Result<Metadata> {
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

fn target_folder(root: &Path) -> Result<PathBuf> {
    Ok(ask_cargo(root, &["--no-deps"])?.target_directory)
}

/// Names and contents below `folder`, without what tests and builds leave there.
fn add_sources(digest: &mut mlci_core::DigestBuilder, top: &Path, folder: &Path) -> Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).map_err(FileError::at("read", folder))?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            // What stands beside a package's sources, not what stands among them.
            let beside =
                folder == top && ["target", "tests", "benches", "examples"].iter().any(|skipped| name == *skipped);
            if !beside && !path.is_symlink() {
                add_sources(digest, top, &path)?;
            }
        } else {
            digest.add(path.strip_prefix(top).unwrap_or(&path).as_os_str().as_encoded_bytes());
            digest.add(&fs::read(&path).map_err(FileError::at("read", &path))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_runs_onnx_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = |is_member| Workspace { root: folder.path().to_owned(), folders: BTreeSet::new(), is_member };
        let key = |is_member, runs| {
            let workspace = workspace(is_member);
            let feature = workspace.feature(runs);
            workspace.key(&Build { target: None, flags: None, feature }).unwrap()
        };
        assert_ne!(key(true, Runs::Own), key(true, Runs::Onnx));
        // What a dependency is built with stands in the manifest, which is part of the key.
        assert_eq!(key(false, Runs::Own), key(false, Runs::Onnx));
    }
}
