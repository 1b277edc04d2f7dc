//! What decides whether a command of the team's own has to run again: the content of files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mlci_core::{DigestBuilder, FileError, digest_file};

use crate::{
    error::{Error, Result},
    source,
};

/// Folders whose content never is a source.
const NOT_SOURCE: [&str; 7] = [".git", ".mlci", "target", "node_modules", "__pycache__", ".venv", ".pytest_cache"];
/// What programs leave that run a team's code, also where git was not told to ignore it.
const LEFT_BY_PYTHON: [&str; 3] = ["__pycache__", ".venv", ".pytest_cache"];

/// The files and folders that `[stage] inputs` names, relative to the configuration.
pub(crate) fn named(root: &Path, stage: &str, inputs: &[String]) -> Result<Vec<PathBuf>> {
    for input in inputs {
        if !root.join(input).exists() {
            return Err(Error::invalid(format!("[{stage}] inputs names `{input}`, which does not exist"))
                .help("name files and folders, relative to the configuration; [] for none"));
        }
    }
    Ok(inputs.iter().map(PathBuf::from).collect())
}

/// All sources: the files that git does not ignore; without git, all.
pub(crate) fn all(root: &Path) -> Vec<PathBuf> {
    let Some(mut files) = source::files(root) else { return vec![PathBuf::from(".")] };
    files.retain(|file| !file.iter().any(|part| LEFT_BY_PYTHON.iter().any(|left| part == *left)));
    files
}

/// Adds a file's name and content, or those of all files in a folder. What is missing is added as missing.
pub(crate) fn add(digest: &mut DigestBuilder, root: &Path, path: &Path) -> Result<()> {
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
