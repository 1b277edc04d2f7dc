//! Where the folders of a configuration may lie: apart, so that what clears away one never takes another with it.

use std::path::{Component, Path, PathBuf};

use mlci_artifact::Scheme;

use super::Config;
use crate::workdir::FOLDER;

const STORES: &str = "name a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX";

/// What the pipeline itself keeps below `.mlci/`, and clears away as it sees fit.
const OWN: [&str; 8] = ["journal", "models", "cache", "logs", "report", "environments", "train", "lock"];

/// A key with a folder that cannot be, and why.
pub(super) struct Misplaced {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// The first folder that cannot be.
pub(super) fn misplaced(config: &Config) -> Option<Misplaced> {
    let folders = [
        ("artifact", "store", &config.artifact.store),
        ("track", "folder", &config.track.folder),
        ("image", "layout", &config.image.layout),
        ("monitor", "folder", &config.monitor.folder),
    ];
    let mut seen: Vec<(String, PathBuf)> =
        OWN.map(|name| (format!(".mlci/{name}"), plain(&format!(".mlci/{name}")))).into();
    for (table, key, text) in folders {
        let fault = |why: String, help| Misplaced { table, key, message: format!("`{table}.{key}` {why}"), help };
        if text.trim().is_empty() {
            return Some(fault("is empty".to_owned(), "name a folder, or leave the key out"));
        }
        if text.starts_with("~/") || text == "~" {
            return Some(fault(format!("is `{text}`, and `~` is a shell's word"), "write ${HOME} in its place"));
        }
        if text.chars().any(char::is_control) {
            return Some(fault("has control characters".to_owned(), "name a folder without them"));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let (is_store, has_bucket) = (key == "store", !rest.starts_with('/') && !rest.is_empty());
            match Scheme::of(text) {
                Some(_) if is_store && has_bucket => continue,
                Some(_) if is_store => return Some(fault(format!("is `{text}`, which has no bucket"), STORES)),
                _ => {
                    let help = if is_store { STORES } else { "name a folder" };
                    return Some(fault(format!("is `{text}`: `{scheme}://` is not supported"), help));
                }
            }
        }
        let path = plain(text);
        if table == "monitor"
            && (path.is_absolute() || path.starts_with("..") || path.starts_with(FOLDER) || path.starts_with(".git"))
        {
            return Some(fault(
                format!("is `{text}`, and what is in it is to be checked in"),
                "name a folder of the project, such as monitoring",
            ));
        }
        let clash = seen.iter().find(|(_, other)| path.starts_with(other) || other.starts_with(&path));
        if let Some((other, _)) = clash {
            return Some(fault(
                format!("is `{text}`, which is not apart from `{other}`"),
                "give each a folder of its own; neither may lie in the other",
            ));
        }
        seen.push((format!("{table}.{key}"), path));
    }
    None
}

/// The path without `.` and with `..` taken back, as far as the text tells.
fn plain(text: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(path.components().next_back(), Some(Component::Normal(_))) => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}
