//! Where things are installed, once, and where what runs keeps its state.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mlci_core::{FileError, write_atomic};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The lab's folder outside the checkout: `$MLCI_LAB_CACHE`, else `mlci-lab` in the user's cache directory.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Written last into what is installed: without it, an installation was cut short.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Installed {
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
}

impl Cache {
    /// The cache that the environment names.
    ///
    /// # Errors
    /// When neither `MLCI_LAB_CACHE`, `XDG_CACHE_HOME` nor `HOME` says where.
    pub fn from_env() -> Result<Self> {
        let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = named("MLCI_LAB_CACHE")
            .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("mlci-lab")))
            .or_else(|| named("HOME").map(|home| home.join(".cache/mlci-lab")))
            .ok_or_else(|| Error::Other("there is no cache folder: set MLCI_LAB_CACHE".to_owned()))?;
        Ok(Self { root: std::path::absolute(&root).map_err(FileError::at("locate", &root))? })
    }

    /// A cache in this folder.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder of something that is installed, by name and version.
    #[must_use]
    pub fn place(&self, key: &str) -> PathBuf {
        self.root.join("installed").join(key)
    }

    /// The folder of those that run.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Where package managers of the lab keep what they have downloaded.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// How long the installation of this took, if it is complete.
    pub(crate) fn installed(&self, key: &str) -> Option<Installed> {
        serde_json::from_slice(&fs::read(self.place(key).join(".complete")).ok()?).ok()
    }

    /// Installs by `work`, unless it is installed already. Two at once wait for each other; what was cut short is done
    /// anew, with what its package manager has downloaded.
    pub(crate) fn install(
        &self,
        key: &str,
        work: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<(PathBuf, Option<Duration>)> {
        let place = self.place(key);
        if self.installed(key).is_some() {
            return Ok((place, None));
        }
        let _lock = lock(&self.root.join("locks").join(format!("{key}.lock")))?;
        // Another process may have done it while this one waited.
        if self.installed(key).is_some() {
            return Ok((place, None));
        }
        mlci_core::remove(&place)?;
        fs::create_dir_all(&place).map_err(FileError::at("create", &place))?;
        let started = Instant::now();
        work(&place)?;
        let took = started.elapsed();
        let note = serde_json::json!({ "seconds": took.as_secs_f64() });
        write_atomic(&place.join(".complete"), note.to_string().as_bytes())?;
        Ok((place, Some(took)))
    }
}

/// Waits for a file lock, which is given back however its holder ends.
pub(crate) fn lock(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
    }
    let file = File::create(path).map_err(FileError::at("create", path))?;
    file.lock().map_err(FileError::at("lock", path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_once_and_again_after_a_cut() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let cut = cache.install("x-1", |place| {
            fs::write(place.join("half"), "").unwrap();
            Err(Error::Other("cut".to_owned()))
        });
        assert!(cut.is_err() && cache.installed("x-1").is_none());
        let (place, took) = cache
            .install("x-1", |place| {
                assert!(!place.join("half").exists());
                fs::write(place.join("whole"), "").unwrap();
                Ok(())
            })
            .unwrap();
        assert!(took.is_some() && place.join("whole").exists());
        let (_, again) = cache.install("x-1", |_| Err(Error::Other("not again".to_owned()))).unwrap();
        assert!(again.is_none());
    }
}
