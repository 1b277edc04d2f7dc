//! A Cargo workspace that builds the server.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use mlci_core::{Digest, FileError, digest_file, write_atomic};

use super::{
    PACKAGE, Runs, TWO_WAYS,
    cargo::{Metadata, cargo, metadata, rustc_version, target_folder},
};
use crate::{
    command,
    error::{Context as _, Error, Result},
    event::Event,
    pipeline::Pipeline,
};

/// How a workspace builds the server.
pub(super) struct Build {
    /// The target triple; absent for the host's own.
    target: Option<String>,
    /// `RUSTFLAGS`; absent for the user's own.
    flags: Option<String>,
    /// A feature of the server's package.
    feature: Option<&'static str>,
}

impl Build {
    /// Static, for a container, and without this machine's paths in it.
    pub(super) fn image(workspace: &Workspace, runs: Runs) -> Result<Self> {
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

    pub(super) fn host(workspace: &Workspace) -> Self {
        Self { target: None, flags: None, feature: workspace.feature(Runs::Onnx) }
    }
}

/// A Cargo workspace that can build the server.
pub(super) struct Workspace {
    root: PathBuf,
    /// The folders of the packages in it that the server is built from.
    folders: BTreeSet<PathBuf>,
    /// Whether the server is one of its packages. Cargo gives features to those alone: who depends on the server
    /// chooses its features in their own manifest.
    is_member: bool,
}

impl Workspace {
    /// Asks Cargo once per state of the lock file; `None` where no workspace has the server.
    pub(super) fn find(pipeline: &Pipeline) -> Result<Option<Self>> {
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
    pub(super) fn key(&self, build: &Build) -> Result<Digest> {
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

    pub(super) fn binary(&self, pipeline: &Pipeline, build: &Build, stage: &str, again: bool) -> Result<PathBuf> {
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

fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(FileError::at("change", path))?)
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
