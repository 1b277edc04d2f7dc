use std::{
    collections::HashMap,
    fmt::{self, Display},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use mlci_core::{Digest, FileError};

use crate::{
    Entry, Error, Event, FORMAT_VERSION, Result, RunId, Status,
    append::Appender,
    lock::Alive,
    log::Clock,
    record::{RunFile, to_millisecond},
    rules,
};

/// A run that is being logged, by [`RunLog::start`].
///
/// Every call writes one event before it returns, so that a crash of the process right after it loses nothing. All
/// calls take `&self` and may come from any thread. As long as the value lives, the run counts as alive for
/// [`RunLog::close_stale`]; one that is dropped without [`Run::finish`], as by `?` or a panic, ends as
/// [`Status::Failed`].
///
/// [`RunLog::start`]: crate::RunLog::start
/// [`RunLog::close_stale`]: crate::RunLog::close_stale
pub struct Run {
    id: RunId,
    number: u64,
    path: PathBuf,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    file: Appender<File>,
    params: HashMap<String, String>,
    latest: Timestamp,
    ended: Option<Status>,
    alive: Option<Alive>,
}

impl Run {
    /// Makes the run's file. The caller holds the lock of the folder.
    pub(crate) fn create(file: RunFile, name: &str, clock: Clock) -> Result<Self> {
        let RunFile { number, id, path } = file;
        let alive = Alive::take(&path)?;
        let written = Appender::create(&path).and_then(|mut appender| {
            let time = to_millisecond(clock());
            let event = Event::Start { format: FORMAT_VERSION, id, name: name.to_owned() };
            appender.append(&Entry { event, time }).map(|()| (appender, time))
        });
        match written {
            Ok((file, latest)) => {
                let state = State { file, params: HashMap::new(), latest, ended: None, alive: Some(alive) };
                Ok(Self { id, number, path, clock, state: Mutex::new(state) })
            }
            Err(error) => {
                // A run that did not start leaves nothing; the first error is the one to report.
                let _ = fs::remove_file(&path);
                alive.release();
                Err(FileError::at("start the run in", &path)(error).into())
            }
        }
    }

    /// The run's id.
    #[must_use]
    pub const fn id(&self) -> &RunId {
        &self.id
    }

    /// Its place in the order of starts, from 1.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The file that it is logged to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Logs a setting. The same value again is nothing new; the value is at most 6000 characters long.
    ///
    /// # Errors
    /// [`Error::ParamChanged`] if it has another value already, [`Error::Key`], [`Error::TooLong`], [`Error::Ended`],
    /// [`Error::File`]. Nothing is logged then.
    // By value, so that a caller may write a literal or a reference alike.
    #[allow(clippy::needless_pass_by_value)]
    pub fn param(&self, key: &str, value: impl Display) -> Result<()> {
        let value = value.to_string();
        rules::param(key, &value)?;
        let mut state = self.open_state()?;
        match state.params.get(key) {
            Some(old) if *old == value => Ok(()),
            Some(old) => Err(Error::ParamChanged { key: key.to_owned(), old: old.clone(), new: value }),
            None => {
                self.append(&mut state, Event::Param { key: key.to_owned(), value: value.clone() })?;
                state.params.insert(key.to_owned(), value);
                Ok(())
            }
        }
    }

    /// Logs a measured value, which may be NaN or infinite, at a step: an epoch, a batch, or 0.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Ended`], [`Error::File`].
    pub fn metric(&self, key: &str, value: f64, step: u64) -> Result<()> {
        rules::check_metric_key(key)?;
        let mut state = self.open_state()?;
        self.append(&mut state, Event::Metric { key: key.to_owned(), value, step })
    }

    /// Sets a label, also over an earlier value and after the end. The value is at most 5000 characters long.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::TooLong`], [`Error::File`].
    pub fn tag(&self, key: &str, value: &str) -> Result<()> {
        rules::tag(key, value)?;
        self.append(&mut self.state(), Event::Tag { key: key.to_owned(), value: value.to_owned() })
    }

    /// Logs something that the run made. Its content is kept elsewhere; a name may stand for new content later.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Ended`], [`Error::File`].
    pub fn artifact(&self, name: &str, digest: &Digest, bytes: u64) -> Result<()> {
        rules::key("artifact name", name)?;
        let mut state = self.open_state()?;
        self.append(&mut state, Event::Artifact { name: name.to_owned(), digest: *digest, bytes })
    }

    /// Ends the run. The first end counts: later calls do nothing and succeed, so that a signal handler's thread and
    /// the work it interrupts may both finish the run. A reason beyond 5000 characters is cut.
    ///
    /// The file is synced, so that a run that was reported as finished is there after a power cut.
    ///
    /// # Errors
    /// [`Error::NotAnEnd`] for [`Status::Running`]. [`Error::File`]: the run may be finished again then.
    pub fn finish(&self, status: Status, reason: Option<&str>) -> Result<()> {
        if status == Status::Running {
            return Err(Error::NotAnEnd);
        }
        let mut state = self.state();
        if state.ended.is_some() {
            return Ok(());
        }
        self.append(&mut state, Event::End { status, reason: reason.map(rules::cut) })?;
        state.ended = Some(status);
        if let Some(alive) = state.alive.take() {
            alive.release();
        }
        Ok(state.file.sync().map_err(FileError::at("sync", &self.path))?)
    }

    // A thread that panicked within a call has at worst left a torn line, which the appender knows of.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        match state.ended {
            Some(status) => Err(Error::Ended { id: self.id, status }),
            None => Ok(state),
        }
    }

    fn append(&self, state: &mut State, event: Event) -> Result<()> {
        // The clock may go backwards; the log does not.
        let time = to_millisecond((self.clock)()).max(state.latest);
        state.file.append(&Entry { event, time }).map_err(FileError::at("write to", &self.path))?;
        state.latest = time;
        Ok(())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Nobody is left to tell. If this fails, the run is closed by the next start.
        let _ = self.finish(Status::Failed, Some("the run was given up without an end"));
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("id", &self.id).field("path", &self.path).finish_non_exhaustive()
    }
}
