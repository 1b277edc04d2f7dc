use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use mlci_core::{Digest, DigestBuilder, FileError, digest_file};

use super::Stage;
use crate::{
    command,
    config::Step,
    error::{Error, Result},
    pipeline::Pipeline,
    source,
};

/// Runs a command of the team's own: `setup`, `check` or `test`.
pub(crate) struct StepStage<'p> {
    pub(crate) pipeline: &'p Pipeline,
    pub(crate) name: &'static str,
    pub(crate) step: &'p Step,
    /// The trained model, for `test`.
    pub(crate) model: Option<Digest>,
}

impl Stage for StepStage<'_> {
    type Output = ();

    fn name(&self) -> &'static str {
        self.name
    }

    fn inputs(&self) -> Result<Digest> {
        let root = self.pipeline.root();
        let mut digest = Digest::builder();
        for word in &self.step.command {
            digest.add(word.as_bytes());
        }
        if let Some(model) = &self.model {
            digest.add(model.as_bytes());
        }
        let files = match (&self.step.inputs, self.name) {
            (Some(inputs), _) => {
                for input in inputs {
                    if !root.join(input).exists() {
                        let name = self.name;
                        return Err(Error::invalid(format!("[{name}] inputs names `{input}`, which does not exist"))
                            .help("name files and folders, relative to the configuration; [] for none"));
                    }
                }
                inputs.iter().map(PathBuf::from).collect()
            }
            // Preparing a machine depends on the files that the command names (`-r requirements.txt`), not on all.
            (None, "setup") => {
                self.step.command.iter().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect()
            }
            (None, _) => source::files(root).unwrap_or_else(|| vec![PathBuf::from(".")]),
        };
        for file in files {
            add(&mut digest, root, &file)?;
        }
        Ok(digest.finish())
    }

    fn holds(&self, (): &()) -> Result<bool> {
        Ok(true)
    }

    fn work(&self) -> Result<()> {
        let Some((program, arguments)) = self.step.command.split_first() else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.pipeline.root());
        if let Some(model) = &self.model {
            command.env("MLCI_MODEL", self.pipeline.workdir().model(model));
        }
        // Cargo tells what it runs about itself; a cargo below must not take it for its own.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text == "CARGO_MANIFEST_DIR" || text == "CARGO_MANIFEST_PATH" {
                command.env_remove(&name);
            }
        }
        command::run(command, self.name, &self.pipeline.workdir().log(self.name), self.pipeline)
    }

    fn note(&self, (): &()) -> String {
        self.step.command.join(" ")
    }
}

/// Folders whose content never is a source.
const NOT_SOURCE: [&str; 7] = [".git", ".mlci", "target", "node_modules", "__pycache__", ".venv", ".pytest_cache"];

/// Adds a file's name and content, or those of all files in a folder. What is missing is added as missing.
fn add(digest: &mut DigestBuilder, root: &Path, path: &Path) -> Result<()> {
    let whole = root.join(path);
    digest.add(path.as_os_str().as_encoded_bytes());
    let kind = match fs::symlink_metadata(&whole) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            digest.add(b"missing");
            return Ok(());
        }
        Err(error) => return Err(FileError::at("read", &whole)(error).into()),
    };
    if kind.is_symlink() {
        let target = fs::read_link(&whole).map_err(FileError::at("read", &whole))?;
        digest.add(target.as_os_str().as_encoded_bytes());
        // What stands behind the link counts too, where that is a file.
        if fs::metadata(&whole).is_ok_and(|metadata| metadata.is_file()) {
            digest.add(digest_file(&whole)?.0.as_bytes());
        }
    } else if kind.is_file() {
        let (content, _) = digest_file(&whole)?;
        digest.add(content.as_bytes());
    } else if kind.is_dir() {
        let entries = fs::read_dir(&whole).map_err(FileError::at("read", &whole))?;
        let mut names: Vec<PathBuf> = entries.flatten().map(|entry| PathBuf::from(entry.file_name())).collect();
        names.sort();
        for name in names {
            if !NOT_SOURCE.iter().any(|skipped| name.as_os_str() == *skipped) {
                add(digest, root, &path.join(name))?;
            }
        }
    }
    Ok(())
}
