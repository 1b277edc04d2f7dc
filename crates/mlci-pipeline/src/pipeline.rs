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
use mlci_train::{Gathered, MissingPolicy, ReadOptions};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    config::{self, Config, Loaded, Missing},
    data_file::DataCopy,
    error::{Context as _, Error, Outcome, Result},
    event::{Event, Observer},
    interrupt,
    journal::Journal,
    records::Records,
    source::Source,
    stage::{DataOutput, GateOutput, ImageOutput, PublishOutput, TrainOutput},
    workdir::{Lock, Workdir},
};

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

/// The data, read once a command.
pub(crate) struct ReadData {
    pub(crate) gathered: Gathered,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
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

    /// A text without the values of variables.
    pub(crate) fn redact(&self, text: String) -> String {
        self.loaded.redact(&text).unwrap_or(text)
    }

    fn redacted(&self, event: &Event) -> Option<Event> {
        fn walk(value: &mut Value, loaded: &Loaded, changed: &mut bool) {
            match value {
                Value::String(text) => {
                    if let Some(redacted) = loaded.redact(text) {
                        *text = redacted;
                        *changed = true;
                    }
                }
                Value::Array(items) => items.iter_mut().for_each(|item| walk(item, loaded, changed)),
                Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, loaded, changed)),
                _ => {}
            }
        }
        if !self.loaded.has_variables() {
            return None;
        }
        let mut value = serde_json::to_value(event).ok()?;
        let mut changed = false;
        walk(&mut value, &self.loaded, &mut changed);
        let text = match event {
            Event::Finished(finished) => finished.text.clone().map(|text| self.redact(text)),
            _ => None,
        };
        let mut redacted = (changed || text.is_some()).then(|| serde_json::from_value(value).ok())??;
        if let Event::Finished(finished) = &mut redacted {
            finished.text = text;
        }
        Some(redacted)
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

    /// The copy of the data, made once a command.
    pub(crate) fn copy_of_data(&self, make: impl FnOnce() -> Result<DataCopy>) -> Result<&DataCopy> {
        init(&self.data_copy, make)
    }

    /// What a pass over the data leaves of it.
    pub(crate) fn gathered(&self) -> Result<&ReadData> {
        init(&self.gathered, || {
            let data = &self.config().data;
            let path = self.data_file()?;
            let options = self.config().train.options(self.config().gate.threshold);
            let read = mlci_train::gather_file(&path, &read_options(data), &options);
            let (gathered, digest) = read.map_err(|error| {
                let message = format!("the data `{}` cannot be used", data.path);
                let outcome = if error.source.is_configuration() { Outcome::Invalid } else { Outcome::Fail };
                Error::new(outcome, message).because(error.source)
            })?;
            let bytes = fs::metadata(&path).map_err(FileError::at("read", &path))?.len();
            Ok(ReadData { gathered, digest, bytes })
        })
    }

    /// As [`Self::gathered`], of data that is known to have this digest.
    pub(crate) fn gathered_of(&self, digest: &Digest) -> Result<&ReadData> {
        let read = self.gathered()?;
        if read.digest == *digest {
            return Ok(read);
        }
        Err(Error::fail(format!("the data `{}` was changed while it was used", self.config().data.path))
            .help("run it again once nobody writes to it"))
    }

    /// The run of this command; it is opened by the first stage that has work to do.
    pub(crate) fn run(&self) -> Result<Arc<Run>> {
        if let Some(run) = &*self.run.borrow() {
            return Ok(Arc::clone(run));
        }
        let config = self.config();
        let run = Arc::new(self.runs.start(config.project.name.as_str())?);
        interrupt::watch(Some(Arc::clone(&run)));
        run.tag("source", &self.source().to_string())?;
        run.tag("configuration", &config.model_digest().to_string())?;
        if config.train.is_command() {
            run.param("command", self.redact(config.train.command.join(" ")))?;
        } else {
            run.param("algorithm", config.train.options(config.gate.threshold).algorithm)?;
            run.param("folds", config.train.folds)?;
        }
        run.param("seed", config.train.seed)?;
        run.param("test_fraction", config.train.test_fraction)?;
        *self.run.borrow_mut() = Some(Arc::clone(&run));
        Ok(run)
    }

    /// The run, if this command has opened one.
    pub(crate) fn open_run(&self) -> Option<Arc<Run>> {
        self.run.borrow().clone()
    }

    /// The run is over; whoever still holds it cannot add to it.
    pub(crate) fn take_run(&self) -> Option<Arc<Run>> {
        interrupt::watch(None);
        self.run.borrow_mut().take()
    }

    /// Logs what training came to into the open run, once, whether it was trained just now or before.
    pub(crate) fn log_training(&self, data: &DataOutput, trained: &TrainOutput) -> Result<()> {
        if self.training_logged.replace(true) {
            return Ok(());
        }
        let run = self.run()?;
        run.tag("data", &data.digest.to_string())?;
        run.tag("model", &trained.model.to_string())?;
        run.param("features", trained.features)?;
        run.param("train_rows", trained.train_rows)?;
        if trained.left_out > 0 {
            run.param("left_out_rows", trained.left_out)?;
        }
        for (set, metrics) in [("train", &trained.training), ("test", &trained.test)] {
            for metric in metrics.telling() {
                if let Some(value) = metrics.get(*metric) {
                    run.metric(&format!("{set}.{metric}"), value, 0)?;
                }
            }
        }
        let parameters = &trained.parameters;
        for (name, value) in
            [("penalty", parameters.penalty), ("l1_share", parameters.l1_share), ("power", parameters.power)]
        {
            if let Some(value) = value {
                run.param(name, value)?;
            }
        }
        for (name, value) in trained.command.iter().flat_map(|command| &command.metrics) {
            run.metric(&format!("command.{name}"), *value, 0)?;
        }
        if let Some(validation) = &trained.cross_validation {
            for (fold, metrics) in validation.folds.iter().enumerate() {
                // The one that says most, and that models are compared by.
                if let Some((metric, value)) = metrics.telling().first().and_then(|m| Some((m, metrics.get(*m)?))) {
                    run.metric(&format!("fold.{metric}"), value, fold as u64)?;
                }
            }
        }
        for levels in &trained.unlearned {
            self.warn(levels.to_string());
        }
        for leak in &trained.leaks {
            self.warn(leak.to_string());
        }
        if let Some(choice) = trained.choice.as_ref().filter(|choice| choice.at_edge) {
            self.warn(format!(
                "the best penalty is the largest or smallest of those tried ({}): one beyond it may be better, \
                 `[train] penalty`",
                choice.chosen
            ));
        }
        Ok(())
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

pub(crate) fn read_options(data: &config::Data) -> ReadOptions {
    let mut options = ReadOptions::new(&data.target);
    // Checked to be ASCII when the configuration was read.
    options.delimiter = u8::try_from(data.delimiter).unwrap_or(b',');
    options.missing = match data.missing {
        Missing::Stop => MissingPolicy::Stop,
        Missing::Drop => MissingPolicy::Drop,
    };
    options.features = data.features.clone();
    options.exclude = data.exclude.clone();
    options.id = data.id.clone();
    // Checked to be ASCII, as the delimiter was.
    options.comment = data.comment.and_then(|comment| u8::try_from(comment).ok());
    options.columns = data.columns.iter().map(|(name, column)| (name.clone(), column.into())).collect();
    options
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
