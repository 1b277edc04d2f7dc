use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use mlci_core::FileError;

use crate::{
    Entries, Entry, Error, Event, Result, Run, RunId, RunRecord, RunSummary, Status,
    append::{Appender, ends_near_the_end},
    lock,
    record::{RunFile, to_millisecond},
    rules,
};

pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A folder of runs, one file each: `NNNNNNNN-ID.jsonl`, with one [`Entry`] a line as JSON.
///
/// Files are only ever added to, so the log can be read while it is written, also by other processes. Runs are ordered
/// by the number in the file's name. Beside the files of runs that are being written lie empty `.lock` files, which
/// tell the living from the dead.
#[derive(Clone)]
pub struct RunLog {
    folder: PathBuf,
    clock: Clock,
}

impl RunLog {
    /// Opens a log, and makes its folder if that is missing. Stale runs are left as they are.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
        Ok(Self { folder: folder.to_owned(), clock: Arc::new(Timestamp::now) })
    }

    /// The same log with another clock, for tests and replays.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a run. The name is one line of at most 250 characters and need not be unique.
    ///
    /// Several processes may do so at once: each gets its own number. Stale runs are left as they are.
    ///
    /// # Errors
    /// [`Error::Key`] for a bad name, [`Error::File`], [`Error::Random`]. No run is left behind then.
    pub fn start(&self, name: &str) -> Result<Run> {
        rules::name(name)?;
        let id = RunId::random()?;
        let _guard = lock::folder(&self.folder)?;
        let number = self.files()?.last().map_or(1, |last| last.number.saturating_add(1));
        let path = self.folder.join(RunFile::name(number, id));
        Run::create(RunFile { number, id, path }, name, Arc::clone(&self.clock))
    }

    /// Ends runs whose process died as [`Status::Failed`], at the time of their last sign of life, and returns them,
    /// oldest first.
    ///
    /// A run that a living process writes, this one or another, is left alone: it holds a lock, which the system frees
    /// however the process ends. So is a run that cannot be read; [`RunLog::list`] says why.
    ///
    /// # Errors
    /// [`Error::File`] if an end cannot be written. The other runs are closed nevertheless.
    pub fn close_stale(&self) -> Result<Vec<RunId>> {
        let _guard = lock::folder(&self.folder)?;
        let mut closed = Vec::new();
        let mut failure = None;
        for file in self.files()? {
            match self.close_if_stale(&file) {
                Ok(true) => closed.push(file.id),
                Ok(false) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        for path in self.paths()?.iter().filter(|path| RunFile::at(&path.with_extension("jsonl")).is_some()) {
            if path.extension().is_some_and(|extension| extension == "lock") {
                lock::sweep(path)?;
            }
        }
        failure.map_or(Ok(closed), Err)
    }

    /// What a list shows of every run, newest first.
    ///
    /// Every file is read to its end, since the last metrics may stand anywhere: about 0.1 s for 1,000 runs of 60 events,
    /// measured with optimisation. A file that is damaged or cannot be read does not hide the others; its summary says
    /// so.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be read.
    pub fn list(&self) -> Result<Vec<RunSummary>> {
        Ok(self.files()?.iter().rev().map(RunFile::summary).collect())
    }

    /// Everything that was logged of a run, also while it runs. Lines that cannot be used are passed over and counted.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Newer`], [`Error::File`].
    pub fn read(&self, id: &RunId) -> Result<RunRecord> {
        self.file(id)?.record()
    }

    /// The events of a run, in order.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::File`]; the items may be [`Error::Newer`] or [`Error::File`].
    pub fn entries(&self, id: &RunId) -> Result<Entries> {
        Entries::open(&self.file(id)?.path)
    }

    /// The run whose id begins so.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, or the prefix has fewer than 4 digits; [`Error::Ambiguous`] names them if there are
    /// several.
    pub fn find(&self, prefix: &str) -> Result<RunId> {
        // Fewer digits would find another run tomorrow.
        let begins = |id: &RunId| prefix.len() >= 4 && id.to_string().starts_with(prefix);
        let ids: Vec<_> = self.files()?.iter().map(|file| file.id).filter(begins).collect();
        match ids.as_slice() {
            [] => Err(self.not_found(prefix)),
            [id] => Ok(*id),
            _ => Err(Error::Ambiguous { prefix: prefix.to_owned(), ids }),
        }
    }

    /// Sets a label of a run, also after its end, for what is known later; also of a run that another process writes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Key`], [`Error::TooLong`], [`Error::File`].
    pub fn tag(&self, id: &RunId, key: &str, value: &str) -> Result<()> {
        rules::tag(key, value)?;
        let event = Event::Tag { key: key.to_owned(), value: value.to_owned() };
        append(&self.file(id)?.path, event, to_millisecond((self.clock)()))
    }

    fn close_if_stale(&self, file: &RunFile) -> Result<bool> {
        // First whether its process lives, then whether it has an end: a process writes the end before it lets go.
        if ends_near_the_end(&file.path).unwrap_or(false) || lock::is_alive(&file.path)? {
            return Ok(false);
        }
        let stale = file.frame().and_then(|frame| {
            let time = frame.last_sign(&file.path)?;
            Ok(frame.end.is_none().then_some(time))
        });
        // What cannot be read is not for this version, or this user, to close.
        let Ok(Some(time)) = stale else { return Ok(false) };
        let found = to_millisecond((self.clock)());
        let reason = format!("its process ended without finishing the run (found at {found})");
        append(&file.path, Event::End { status: Status::Failed, reason: Some(reason) }, time)?;
        Ok(true)
    }

    fn file(&self, id: &RunId) -> Result<RunFile> {
        self.files()?.into_iter().find(|file| file.id == *id).ok_or_else(|| self.not_found(&id.to_string()))
    }

    fn not_found(&self, prefix: &str) -> Error {
        Error::NotFound { folder: self.folder.clone(), prefix: prefix.to_owned() }
    }

    /// The runs by the names of their files, oldest first.
    fn files(&self) -> Result<Vec<RunFile>> {
        let mut files: Vec<_> = self.paths()?.iter().filter_map(|path| RunFile::at(path)).collect();
        files.sort();
        Ok(files)
    }

    fn paths(&self) -> Result<Vec<PathBuf>> {
        let read = || fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
        Ok(read().map_err(FileError::at("list", &self.folder))?)
    }
}

impl fmt::Debug for RunLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunLog").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn append(path: &Path, event: Event, time: Timestamp) -> Result<()> {
    let write = || Appender::open(path)?.append(&Entry { event, time });
    Ok(write().map_err(FileError::at("write to", path))?)
}
