//! Which source a run came from, asked of git.

use std::{
    ffi::OsStr,
    fmt,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use mlci_core::{Digest, digest_file};
use serde::{Deserialize, Serialize};

/// The state of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Source {
    /// A commit, with nothing changed since.
    Commit {
        /// The commit's id.
        commit: String,
    },
    /// A commit with changes that are not committed.
    Dirty {
        /// The commit's id.
        commit: String,
        /// The digest of what differs from it.
        changes: Digest,
    },
    /// No git repository, or one without a commit.
    None,
}

impl Source {
    /// The state of the source in `folder`.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let Some(commit) = text(folder, &["rev-parse", "--verify", "--quiet", "HEAD"]) else { return Self::None };
        let commit = commit.trim().to_owned();
        // From the top, so that changes beside the folder are seen as well.
        let Some(top) = text(folder, &["rev-parse", "--show-toplevel"]) else { return Self::None };
        let top = Path::new(top.trim_end_matches('\n'));
        let Some(status) = bytes(top, &["status", "--porcelain", "-z", "--untracked-files=all"]) else {
            return Self::None;
        };
        if status.is_empty() {
            return Self::Commit { commit };
        }
        let mut changes =
            Digest::builder().part(&status).part(bytes(top, &["diff", "HEAD", "--binary"]).unwrap_or_default());
        for path in paths(&bytes(top, &["ls-files", "-z", "--others", "--exclude-standard"]).unwrap_or_default()) {
            changes.add(path.as_os_str().as_encoded_bytes());
            if let Ok((content, _)) = digest_file(&top.join(&path)) {
                changes.add(content.as_bytes());
            }
        }
        Self::Dirty { commit, changes: changes.finish() }
    }

    /// Why git cannot tell, where there is a repository that it does not read (such as one of another user's).
    pub(crate) fn problem(folder: &Path) -> Option<String> {
        let output = Command::new("git").current_dir(folder).args(["rev-parse", "--git-dir"]).output();
        let output = match output {
            Ok(output) if output.status.success() => return None,
            Ok(output) => output,
            Err(error) => return Some(format!("git cannot be run: {error}")),
        };
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        (!said.contains("not a git repository")).then_some(said)
    }

    /// Whether exactly one commit holds all of it.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        matches!(self, Self::Commit { .. })
    }

    /// The commit's id, if there is one.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Commit { commit } | Self::Dirty { commit, .. } => Some(commit),
            Self::None => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit { commit } => f.write_str(commit),
            Self::Dirty { commit, changes } => write!(f, "{commit}+{}", changes.short()),
            Self::None => f.write_str("none"),
        }
    }
}

/// The commit that a name such as `HEAD` or a tag stands for.
#[must_use]
pub(crate) fn commit(folder: &Path, name: &str) -> Option<String> {
    // What begins with a dash would be read as an option.
    let named = (!name.starts_with('-')).then(|| format!("{name}^{{commit}}"))?;
    Some(text(folder, &["rev-parse", "--verify", "--quiet", &named])?.trim().to_owned())
}

/// The branch that is checked out; `None` where no branch is.
#[must_use]
#[cfg(feature = "monitor")]
pub(crate) fn branch(folder: &Path) -> Option<String> {
    Some(text(folder, &["symbolic-ref", "--quiet", "--short", "HEAD"])?.trim().to_owned())
}

/// The files in `folder` that git tracks or would track, relative to it, sorted; `None` outside a repository.
#[must_use]
pub(crate) fn files(folder: &Path) -> Option<Vec<PathBuf>> {
    let list = bytes(folder, &["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])?;
    Some(paths(&list))
}

fn paths(list: &[u8]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| PathBuf::from(OsStr::from_bytes(name)))
        .collect();
    paths.sort();
    paths
}

/// Who is at work: the name that git knows, else the user of the machine.
#[must_use]
pub(crate) fn person(folder: &Path) -> Option<String> {
    let name = text(folder, &["config", "user.name"])?;
    let email = text(folder, &["config", "user.email"]).unwrap_or_default();
    let (name, email) = (name.trim(), email.trim());
    match (name.is_empty(), email.is_empty()) {
        (true, _) => None,
        (false, true) => Some(name.to_owned()),
        (false, false) => Some(format!("{name} <{email}>")),
    }
}

fn text(folder: &Path, arguments: &[&str]) -> Option<String> {
    String::from_utf8(bytes(folder, arguments)?).ok()
}

fn bytes(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        // A lock that git would take to refresh its index could make a git of the user's own fail.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}
