use std::{fmt, fs, io, path::PathBuf, sync::Arc, vec};

use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, Buffered, Iter, TryCollect},
};
use jiff::Timestamp;
use mlci_core::FileError;
use object_store::{
    GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, local::LocalFileSystem,
    memory::InMemory, path::Path,
};

use crate::error::{Error, Result};

/// How many requests of one call are under way at once: enough to hide the latency of a remote store.
const AT_ONCE: usize = 16;

/// Models and releases in an object store. Cheap to clone; clones share the store.
///
/// The layout is described at the [crate's root](crate).
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Where the files are, if this is a directory store that we opened.
    pub(crate) folder: Option<Arc<std::path::Path>>,
    /// How a person names the store, where that is more than its client can say.
    pub(crate) address: Option<Arc<str>>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Store {
    /// A store in a folder, which is made if it is missing. Every write is synced to the disk before it counts.
    ///
    /// # Errors
    /// [`Error::NotAFolder`] if a file stands there, [`Error::Folder`] if the folder cannot be made.
    pub fn directory(path: &std::path::Path) -> Result<Self> {
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(Error::NotAFolder { path: path.to_owned() });
        }
        let folder = fs::create_dir_all(path)
            .and_then(|()| fs::canonicalize(path))
            .map_err(FileError::at("create the store's folder", path))?;
        let objects = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|source| Error::Store { action: "open", object: folder.display().to_string(), source })?
            // Without it, a power failure may leave an entry under its name with its content cut off.
            .with_fsync(true);
        Ok(Self { folder: Some(folder.into()), ..Self::new(Arc::new(objects), Path::ROOT) })
    }

    /// A store in memory, for tests and trials.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()), Path::ROOT)
    }

    /// A store under `prefix` in any object store that has create-if-absent ([`PutMode::Create`]) and lists what was
    /// written at once, as S3, GCS and Azure do. [`Store::remote`] makes the clients of the first two.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { objects, prefix, folder: None, address: None, clock: Arc::new(Timestamp::now) }
    }

    /// Takes the times of new entries, and the present for [`Store::collect_garbage`], from `clock`.
    ///
    /// Times are for people: which entry is the present one depends on numbers only.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The key made of `parts`, which hold only characters that need no escape.
    pub(crate) fn path(&self, parts: &[&str]) -> Path {
        self.prefix.parts().chain(parts.iter().map(|&part| part.into())).collect()
    }

    /// The file or folder of a key, in a directory store.
    fn file(&self, path: &Path) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(path.parts().fold(PathBuf::from(&**folder), |at, part| at.join(part.as_ref())))
    }

    /// Where an object is, for error messages.
    pub(crate) fn place(&self, path: &Path) -> String {
        if let Some(file) = self.file(path) {
            return file.display().to_string();
        }
        match &self.address {
            Some(address) => {
                let below = path.prefix_match(&self.prefix);
                let below: Vec<_> = below.into_iter().flatten().map(|part| part.as_ref().to_owned()).collect();
                format!("{address}/{}", below.join("/"))
            }
            None => format!("{}/{path}", self.objects),
        }
    }

    pub(crate) fn error(&self, action: &'static str, path: &Path) -> impl FnOnce(object_store::Error) -> Error {
        let object = self.place(path);
        move |source| Error::of(action, object, source)
    }

    /// Writes an object if there is none under this key. Says whether it did.
    pub(crate) async fn create(&self, path: &Path, bytes: Bytes) -> Result<bool> {
        match self.objects.put_opts(path, bytes.into(), PutOptions::from(PutMode::Create)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(source) => Err(self.error("write", path)(source)),
        }
    }

    /// Writes an object over what may be there. Only for what may be lost or is the same whoever writes it.
    pub(crate) async fn overwrite(&self, path: &Path, bytes: Bytes) -> Result<()> {
        self.objects.put(path, bytes.into()).await.map(drop).map_err(self.error("write", path))
    }

    pub(crate) async fn get(&self, path: &Path) -> Result<Option<Bytes>> {
        let read = async { self.objects.get(path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.error("read", path)(source)),
        }
    }

    /// An object as its store gives it, with the store's own errors.
    pub(crate) async fn get_with(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.objects.get_opts(path, options).await
    }

    pub(crate) async fn head(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        match self.objects.head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.error("look for", path)(source)),
        }
    }

    /// Removes an object. That it is gone already is no error.
    pub(crate) async fn delete(&self, path: &Path) -> Result<()> {
        match self.objects.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.error("delete", path)(source)),
        }
    }

    /// Every object under a folder, in no order.
    pub(crate) async fn list(&self, folder: &Path) -> Result<Vec<ObjectMeta>> {
        self.objects.list(Some(folder)).try_collect().await.map_err(self.error("list", folder))
    }

    /// The names of the objects in a folder, and of the folders in it. In a directory, unfinished files are among them.
    pub(crate) async fn children(&self, folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
        if let Some(path) = self.file(folder) {
            let names = blocking(move || names_in(&path)).await.flatten();
            let failed = |source: io::Error| object_store::Error::Generic { store: "directory", source: source.into() };
            return names.map_err(failed).map_err(self.error("list", folder));
        }
        let list = self.objects.list_with_delimiter(Some(folder)).await.map_err(self.error("list", folder))?;
        let names = |path: &Path| path.filename().map(str::to_owned);
        Ok((
            list.objects.iter().filter_map(|meta| names(&meta.location)).collect(),
            list.common_prefixes.iter().filter_map(names).collect(),
        ))
    }
}

/// The files and the folders in a folder, which may be missing. object_store's listing looks at the size and time of
/// every file and makes a key of its path, which takes ten times as long for a log of a thousand entries.
fn names_in(folder: &std::path::Path) -> io::Result<(Vec<String>, Vec<String>)> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((files, folders)),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // Names that are not UTF-8 are not ours.
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Followed, as object_store follows them.
        let kind = entry.file_type()?;
        if kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()) {
            folders.push(name);
        } else {
            files.push(name);
        }
    }
    Ok((files, folders))
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("objects", &self.objects).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// All of them, a few at a time, in order.
///
/// The type is spelt out so that it holds the futures only: one that holds a closure over references is not `Send`
/// for every lifetime, and what calls it could not be spawned.
pub(crate) fn all<T, F: Future<Output = Result<T>>>(
    futures: impl IntoIterator<Item = F>,
) -> TryCollect<Buffered<Iter<vec::IntoIter<F>>>, Vec<T>> {
    stream::iter(futures.into_iter().collect::<Vec<_>>()).buffered(AT_ONCE).try_collect()
}

/// Runs what would hold up other tasks on the pool for blocking work, if there is one.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(io::Error::other),
        Err(_) => Ok(work()),
    }
}
