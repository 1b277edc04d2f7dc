mod data;
mod redact;
mod run;

use std::{
    cell::{Cell, OnceCell, RefCell},
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mlci_artifact::{Scheme, Store};
use mlci_core::{Digest, FileError, digest_file, write_atomic};
use mlci_image::Layout;
use mlci_track::{Run, RunLog};
use tokio::runtime::Runtime;

use crate::{
    config::{self, Config, Loaded},
    data_file::DataCopy,
    error::{Context as _, Result},
    event::{Event, Observer},
    interrupt,
    journal::Journal,
    records::Records,
    source::Source,
    stage::{DataOutput, GateOutput, ImageOutput, PublishOutput, TrainOutput},
    workdir::{Lock, Workdir},
};

pub(crate) use self::data::{ReadData, read_options};

/// One pipeline: a configuration, its `.mlci/`, and what that holds.
pub struct Pipeline {
    loaded: Loaded,
    workdir: Workdir,
    store: Store,
    records: Records,
    runs: RunLog,
    journal: Journal,
    observer: Arc<dyn Observer>,
    runtime: Arc<Runtime>,
    /// How the person called it, for help that can be copied: `cargo xtask` or `mlci`.
    invocation: String,
    gathered: OnceCell<ReadData>,
    data_copy: OnceCell<DataCopy>,
    layout: OnceCell<Layout>,
    code: OnceCell<Digest>,
    source: OnceCell<Source>,
    run: RefCell<Option<Arc<Run>>>,
    training_logged: Cell<bool>,
    known: RefCell<Known>,
}

/// What the stages of this command have come to, for the report.
#[derive(Default, Clone)]
pub(crate) struct Known {
    pub(crate) data: Option<DataOutput>,
    pub(crate) trained: Option<TrainOutput>,
    pub(crate) gate: Option<GateOutput>,
    pub(crate) published: Option<PublishOutput>,
    pub(crate) image: Option<ImageOutput>,
}

impl Pipeline {
    /// Opens the store, run log and journal that the configuration names.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub fn open(mut loaded: Loaded, observer: Arc<dyn Observer>, invocation: &str) -> Result<Self> {
        for name in loaded.config.train.env.clone() {
            if let Ok(value) = std::env::var(&name) {
                loaded.hide(&name, value);
            }
        }
        let workdir = Workdir::new(&loaded.root)?;
        workdir.create()?;
        let store = match Scheme::of(&loaded.config.artifact.store) {
            Some(_) => Store::remote(&loaded.config.artifact.store)?,
            None => Store::directory(&absolute(&loaded, &loaded.config.artifact.store)?)?,
        };
        let records = Records::new(store.clone(), loaded.config.project.name.clone());
        let runs = RunLog::open(&absolute(&loaded, &loaded.config.track.folder)?)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context(|| "cannot start the asynchronous runtime".to_owned())?;
        let journal = Journal::new(workdir.journal());
        Ok(Self {
            loaded,
            workdir,
            store,
            records,
            runs,
            journal,
            observer,
            runtime: Arc::new(runtime),
            invocation: invocation.to_owned(),
            gathered: OnceCell::new(),
            data_copy: OnceCell::new(),
            layout: OnceCell::new(),
            code: OnceCell::new(),
            source: OnceCell::new(),
            run: RefCell::new(None),
            training_logged: Cell::new(false),
            known: RefCell::default(),
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// The configuration with where it came from.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The folder that the configuration's paths are relative to.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.loaded.root
    }

    /// The artifact store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The run log.
    #[must_use]
    pub fn runs(&self) -> &RunLog {
        &self.runs
    }

    /// The records of builds and environments.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// `.mlci/`.
    #[must_use]
    pub fn workdir(&self) -> &Workdir {
        &self.workdir
    }

    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.loaded.resolve(path)
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Tells the observer, without the values of variables.
    pub(crate) fn event(&self, event: &Event) {
        interrupt::stand_still_if_ending();
        match self.redacted(event) {
            Some(redacted) => self.observer.event(&redacted),
            None => self.observer.event(event),
        }
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.event(&Event::Warning { message: message.into() });
    }

    pub(crate) fn runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime)
    }

    /// A command line that the person can copy.
    pub(crate) fn command_line(&self, arguments: &str) -> String {
        let default = Path::new(crate::DEFAULT_FILE);
        let config = &self.loaded.path;
        let named = if config == default { String::new() } else { format!(" --config {}", config.display()) };
        let profile = self.loaded.profile.as_deref().map(|name| format!(" --profile {name}")).unwrap_or_default();
        format!("{} {arguments}{named}{profile}", self.invocation)
    }

    /// Waits for a future of the store's.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Takes the lock and clears away what a killed command left behind.
    pub(crate) fn begin(&self) -> Result<Lock> {
        let lock = self.workdir.lock()?;
        self.workdir.sweep(&lock)?;
        for run in self.runs.close_stale()? {
            self.warn(format!("the run {run} was cut short; it is closed as failed"));
        }
        // In the default place only holders of the lock write; elsewhere another checkout may be at work.
        let own = self.config().artifact.store == config::Artifact::default().store;
        let age = if own { Duration::ZERO } else { Duration::from_secs(3600) };
        self.block_on(self.store.sweep_partial(age))?;
        self.settle_environments()?;
        Ok(lock)
    }

    /// The image layout.
    pub(crate) fn layout(&self) -> Result<&Layout> {
        init(&self.layout, || Ok(Layout::open(&self.image_folder()?)?))
    }

    /// The image layout's folder.
    pub(crate) fn image_folder(&self) -> Result<PathBuf> {
        absolute(&self.loaded, &self.config().image.layout)
    }

    /// The state of the source.
    pub(crate) fn source(&self) -> &Source {
        self.source.get_or_init(|| Source::of(self.root()))
    }

    /// The digest of this program: a stage whose code has changed is not done.
    pub(crate) fn code(&self) -> Digest {
        *self
            .code
            .get_or_init(|| code(&self.workdir.cache()).unwrap_or_else(|| Digest::of(crate::GENERATOR.as_bytes())))
    }

    pub(crate) fn know(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.borrow_mut());
    }

    pub(crate) fn known(&self) -> Known {
        self.known.borrow().clone()
    }

    pub(crate) fn seen_gate(&self, gate: &GateOutput) {
        self.know(|known| known.gate = Some(gate.clone()));
    }
}

fn absolute(loaded: &Loaded, path: &str) -> Result<PathBuf> {
    let path = loaded.resolve(path);
    Ok(std::path::absolute(&path).map_err(FileError::at("locate", &path))?)
}

/// `OnceCell::get_or_try_init`, which is not stable yet.
fn init<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(value) => Ok(value),
        None => {
            let value = make()?;
            Ok(cell.get_or_init(|| value))
        }
    }
}

/// The digest of the running executable, remembered by its size and time of change.
fn code(cache: &Path) -> Option<Digest> {
    let path = std::env::current_exe().ok()?;
    let metadata = fs::metadata(&path).ok()?;
    let stamp = format!("{:?} {} {}", metadata.modified().ok()?, metadata.len(), path.display());
    let memo = cache.join("executable").join(Digest::of(stamp.as_bytes()).hex());
    if let Some(digest) = fs::read_to_string(&memo).ok().and_then(|text| text.trim().parse().ok()) {
        return Some(digest);
    }
    let (digest, _) = digest_file(&path).ok()?;
    // Without the note it is only computed again.
    let _ = write_atomic(&memo, digest.to_string().as_bytes());
    Some(digest)
}
