//! A wrapper that can look at, hold up, or refuse every request, and short hands.

use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    mem::replace,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
};

use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream::BoxStream};
use mlci_artifact::{
    Bytes, Digest, Draft, Label, ModelName, Published, Result, Store,
    object_store::{
        self, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
        PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
    },
};

type Hook = Arc<dyn Fn(&'static str, &Path) -> BoxFuture<'static, object_store::Result<()>> + Send + Sync>;

/// An object store that calls a hook with the kind and the path of every request before it is made.
#[derive(Clone)]
pub(crate) struct Hooked {
    inner: Arc<dyn ObjectStore>,
    hook: Hook,
    /// Whether a creation is sent twice, as by a client that did not get the first answer.
    repeat: bool,
}

impl Hooked {
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        hook: impl Fn(&'static str, &Path) -> BoxFuture<'static, object_store::Result<()>> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, hook: Arc::new(hook), repeat: false }
    }

    pub(crate) fn repeating(inner: Arc<dyn ObjectStore>) -> Self {
        Self { repeat: true, ..Self::new(inner, |_, _| Box::pin(async { Ok(()) })) }
    }

    /// Every request is held up once, so that polling a call once sends one request (or as many as it sends at once),
    /// but for those that `at_once` names, which follow the one before without a pause.
    pub(crate) fn stepping(inner: Arc<dyn ObjectStore>, at_once: fn(&str, &Path) -> bool) -> Self {
        Self::new(inner, move |request, path| {
            let mut held = at_once(request, path);
            Box::pin(async move {
                poll_fn(|context| {
                    if replace(&mut held, true) {
                        return Poll::Ready(());
                    }
                    context.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
                Ok(())
            })
        })
    }

    /// Fails the requests for which `error` gives one.
    pub(crate) fn failing(
        inner: Arc<dyn ObjectStore>,
        error: impl Fn(&'static str) -> Option<object_store::Error> + Send + Sync + 'static,
    ) -> Self {
        Self::new(inner, move |request, _| {
            let result = error(request).map_or(Ok(()), Err);
            Box::pin(async { result })
        })
    }

    /// Notes every request.
    pub(crate) fn recording(inner: Arc<dyn ObjectStore>) -> (Self, Arc<Mutex<Vec<&'static str>>>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        let hooked = Self::new(inner, move |request, _| {
            noted.lock().unwrap().push(request);
            Box::pin(async { Ok(()) })
        });
        (hooked, requests)
    }

    /// Refuses everything from the `count`-th request on, like a process that was killed. Says whether it came to that.
    pub(crate) fn dying(inner: Arc<dyn ObjectStore>, count: usize) -> (Self, Arc<AtomicBool>) {
        let sent = AtomicUsize::new(0);
        let died = Arc::new(AtomicBool::new(false));
        let flag = died.clone();
        let hooked = Self::failing(inner, move |_| {
            (sent.fetch_add(1, Ordering::Relaxed) >= count).then(|| {
                flag.store(true, Ordering::Relaxed);
                object_store::Error::Generic { store: "test", source: "killed".into() }
            })
        });
        (hooked, died)
    }

    pub(crate) fn store(self) -> Store {
        Store::new(Arc::new(self), Path::ROOT)
    }

    async fn before(&self, kind: &'static str, path: &Path) -> object_store::Result<()> {
        (self.hook)(kind, path).await
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

impl fmt::Display for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Hooked {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.before("put", path).await?;
        if self.repeat && options.mode == PutMode::Create {
            let _ = self.inner.put_opts(path, payload.clone(), options.clone()).await;
        }
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.before("put_multipart", path).await?;
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.before(if options.head { "head" } else { "get" }, path).await?;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let hooked = self.clone();
        let checked = paths.and_then(move |path| {
            let hooked = hooked.clone();
            async move { hooked.before("delete", &path).await.map(|()| path) }
        });
        self.inner.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let hooked = self.clone();
        let prefix = prefix.cloned();
        // The listing starts when the hook has let it pass, not before.
        futures::stream::once(async move {
            hooked.before("list", &prefix.clone().unwrap_or_default()).await?;
            Ok::<_, object_store::Error>(hooked.inner.list(prefix.as_ref()))
        })
        .try_flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.before("list", &prefix.cloned().unwrap_or_default()).await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.before("copy", from).await?;
        self.inner.copy_opts(from, to, options).await
    }
}

pub(crate) fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

pub(crate) fn on(objects: &Arc<dyn ObjectStore>) -> Store {
    Store::new(objects.clone(), Path::ROOT)
}

pub(crate) fn name() -> ModelName {
    "wine-quality".parse().unwrap()
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().unwrap()
}

pub(crate) fn content(model: &str) -> Bytes {
    Bytes::from(format!("the bytes of model {model}"))
}

pub(crate) async fn publish(store: &Store, model: &str) -> Result<Published> {
    let bytes = content(model);
    let draft = Draft { model: Digest::of(&bytes), annotations: BTreeMap::new() };
    store.publish(&name(), draft, [("model.mlci".to_owned(), bytes)].into()).await
}

/// Paths are those of [`Store`]'s documented layout.
pub(crate) fn blob_key(folder: &str, bytes: &[u8]) -> String {
    let hex = Digest::of(bytes).hex();
    format!("{folder}/sha256/{}/{hex}", &hex[..2])
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
