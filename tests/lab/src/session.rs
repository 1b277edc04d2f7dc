//! A set of components that run, how they are found again, and how they end.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mlci_core::{FileError, write_atomic};
use serde::{Deserialize, Serialize};

use crate::{
    cache::{Cache, lock},
    component::{Component, find},
    error::{Error, Result},
    place::Place,
    process::{Process, Stop},
};

/// What the state file of a run says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// The components that are ready, in the order of their start, with what they hand out.
    pub ready: Vec<Ready>,
    /// What was started, in this order; it is undone in the other.
    pub started: Vec<Started>,
}

impl State {
    /// Everything that the components hand out.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        self.ready.iter().flat_map(|ready| ready.settings.clone()).collect()
    }
}

/// Something that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Started {
    /// A process of the lab's own.
    Process(Process),
    /// A command that ends what is no process of the lab's own.
    Stop(Stop),
}

impl Started {
    fn undo(&self) {
        match self {
            Self::Process(process) => process.stop(),
            Self::Stop(stop) => stop.run(),
        }
    }
}

/// A component that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Its name.
    pub name: String,
    /// The variables that it hands out.
    pub settings: BTreeMap<String, String>,
    /// How long its start took, in seconds.
    pub seconds: f64,
}

/// A set of components that run.
///
/// One that was [opened](Session::temporary) for a command ends with the value, and if its process dies, the next
/// session ends it. One that [stays](Session::lasting) ends when it is told to.
pub struct Session {
    cache: Cache,
    folder: PathBuf,
    state: State,
    /// Held while the owner lives; absent where the session stays without it.
    owner: Option<File>,
    /// Held while this value lives, so that two commands do not work on what stays at once.
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")]
    alone: Option<File>,
}

impl Session {
    /// A session that ends with this value.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn temporary(cache: &Cache) -> Result<Self> {
        sweep(cache)?;
        let runs = cache.runs();
        fs::create_dir_all(&runs).map_err(FileError::at("create", &runs))?;
        // Made and locked under the lock of all, so that no sweep sees it without its owner.
        let _all = lock(&runs.join(".lock"))?;
        let folder =
            tempfile::Builder::new().prefix("t-").tempdir_in(&runs).map_err(FileError::at("create", &runs))?.keep();
        let owner = lock(&folder.join("owner"))?;
        Ok(Self { cache: cache.clone(), folder, state: State::default(), owner: Some(owner), alone: None })
    }

    /// The session that stays for this checkout, with what runs in it.
    ///
    /// # Errors
    /// When its folder cannot be made or read.
    pub fn lasting(cache: &Cache, checkout: &Path) -> Result<Self> {
        sweep(cache)?;
        let folder = lasting_folder(cache, checkout);
        fs::create_dir_all(&folder).map_err(FileError::at("create", &folder))?;
        // Two at once would each forget what the other has started.
        let alone = lock(&folder.with_extension("lock"))?;
        let mut session = Self { cache: cache.clone(), state: read(&folder), folder, owner: None, alone: Some(alone) };
        // A start that was cut short has left what no component is ready with; and after the machine was started anew
        // nothing of it runs.
        let runs = |started: &Started| matches!(started, Started::Process(process) if process.is_alive());
        let dead = session.state.ready.is_empty() || !session.state.started.iter().any(runs);
        if dead && !session.state.started.is_empty() {
            session.stop()?;
            fs::create_dir_all(&session.folder).map_err(FileError::at("create", &session.folder))?;
        }
        Ok(session)
    }

    /// What the session that stays for this checkout has, without touching it.
    #[must_use]
    pub fn look(cache: &Cache, checkout: &Path) -> State {
        read(&lasting_folder(cache, checkout))
    }

    /// What runs.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Everything that the components hand out.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        self.state.settings()
    }

    /// Installs and starts a component and those that it needs, unless they run. `tell` hears what goes on.
    ///
    /// # Errors
    /// When one cannot be had; what runs already goes on.
    pub fn start(&mut self, component: &'static Component, tell: &dyn Fn(&str)) -> Result<()> {
        if self.state.ready.iter().any(|ready| ready.name == component.name) {
            return Ok(());
        }
        if component.root && !rustix::process::geteuid().is_root() {
            return Err(Error::Other(format!("`{}` ({}) can only be run by root", component.name, component.about)));
        }
        // Before anything that takes minutes.
        for program in component.programs {
            crate::install::require(program)?;
        }
        for need in component.needs {
            self.start(find(need)?, tell)?;
        }
        let installed = install(&self.cache, component, tell)?;
        let started = Instant::now();
        let state = self.folder.join(component.name);
        let mut tries = 0;
        let settings = loop {
            match self.attempt(component, &installed, &state) {
                Ok(settings) => break settings,
                // A port that was free may be taken by the time the server asks for it.
                Err(error @ Error::NotReady { .. }) if tries < 2 => {
                    tell(&format!("{}: {error}\n{}: once more", component.name, component.name));
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        tell(&format!("{}: ready after {seconds:.1} s", component.name));
        self.state.ready.push(Ready { name: component.name.to_owned(), settings, seconds });
        self.write()
    }

    fn attempt(
        &mut self,
        component: &Component,
        installed: &[PathBuf],
        state: &Path,
    ) -> Result<BTreeMap<String, String>> {
        mlci_core::remove(state)?;
        fs::create_dir_all(state).map_err(FileError::at("create", state))?;
        let others = self.settings();
        let before = self.state.started.len();
        let result = {
            let mut note = |started: Started| {
                self.state.started.push(started);
                write(&self.folder, &self.state)
            };
            let mut place = Place::new(installed, state.to_owned(), &others, &mut note);
            (component.start)(&mut place).map(|()| place.settings)
        };
        if result.is_err() {
            self.state.started.drain(before..).rev().for_each(|started| started.undo());
            self.write()?;
        }
        result
    }

    /// Ends everything, the last started first, and removes the state.
    ///
    /// # Errors
    /// When the state cannot be removed.
    pub fn stop(&mut self) -> Result<()> {
        self.state.started.drain(..).rev().for_each(|started| started.undo());
        self.state.ready.clear();
        remove(&self.folder)
    }

    fn write(&self) -> Result<()> {
        write(&self.folder, &self.state)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.owner.is_some() {
            // What is left is found by the next sweep.
            let _ = self.stop();
        }
    }
}

/// Installs what a component is made of, unless that was done. `tell` hears what takes long.
///
/// # Errors
/// When something cannot be installed.
pub fn install(cache: &Cache, component: &Component, tell: &dyn Fn(&str)) -> Result<Vec<PathBuf>> {
    let mut places = Vec::new();
    for install in component.installs {
        if !install.is_there(cache) {
            let about = component.minutes;
            tell(&format!("{}: {} (once, about {about} min)", component.name, install.shown()));
        }
        let (place, took) = install.run(cache)?;
        if let Some(took) = took.filter(|took| *took > Duration::from_secs(1)) {
            tell(&format!("{}: installed in {:.0} s", component.name, took.as_secs_f64()));
        }
        places.push(place);
    }
    Ok(places)
}

/// Ends what sessions have left whose owners died.
fn sweep(cache: &Cache) -> Result<()> {
    let runs = cache.runs();
    if !runs.is_dir() {
        return Ok(());
    }
    let _all = lock(&runs.join(".lock"))?;
    let entries = fs::read_dir(&runs).map_err(FileError::at("read", &runs))?;
    for folder in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let temporary = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("t-"));
        // Its owner holds the lock for as long as it lives.
        let owned = File::open(folder.join("owner")).is_ok_and(|owner| owner.try_lock().is_err());
        if temporary && !owned {
            read(&folder).started.iter().rev().for_each(Started::undo);
            remove(&folder)?;
        }
    }
    Ok(())
}

/// A Docker Engine leaves a mount of its network namespace behind.
fn unmount(folder: &Path) {
    let Ok(folder) = fs::canonicalize(folder) else { return };
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut below: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    below.retain(|path| Path::new(path).starts_with(&folder));
    // The innermost first. Where it fails, the removal says so.
    for path in below.iter().rev() {
        let _ = std::process::Command::new("umount").arg(path).status();
    }
}

fn lasting_folder(cache: &Cache, checkout: &Path) -> PathBuf {
    let key = mlci_core::Digest::of(checkout.as_os_str().as_encoded_bytes());
    cache.runs().join(format!("up-{}", key.short()))
}

fn read(folder: &Path) -> State {
    fs::read(folder.join("state.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write(folder: &Path, state: &State) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(state).map_err(|error| Error::Other(error.to_string()))?;
    Ok(write_atomic(&folder.join("state.json"), &bytes)?)
}

fn remove(folder: &Path) -> Result<()> {
    unmount(folder);
    Ok(mlci_core::remove(folder)?)
}
