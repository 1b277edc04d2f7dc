use std::collections::BTreeSet;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use mlci_core::Digest;
use reqwest::{Method, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, task};

use crate::{
    Error, Image, Layout, Reference,
    blob::{DOCUMENT_LIMIT, Temporary},
    document::{Config, Descriptor, MANIFEST, Manifest},
    image::Parts,
    registry::{
        Registry, RegistryError, Result, answer,
        http::{Call, Target},
    },
    tally::Tally,
};

/// Chunks that are received and not yet written, of a blob.
const QUEUE: usize = 8;

/// A manifest as the registry sent it.
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    /// Of the bytes.
    pub(super) digest: Digest,
    pub(super) media_type: String,
}

impl Registry {
    /// Pulls an image that `mlci` built into a layout: the one with the reference's digest, or that its tag names.
    ///
    /// Every blob is digested and counted while it is written, and gets its name only when both are right; blobs that
    /// the layout has and that are intact are not fetched. The image appears in the layout when everything is there. It
    /// gets no tag there (see [`Layout::tag`]). Nobody can [prune](Layout::prune) the layout meanwhile.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`]; [`RegistryError::Foreign`] for an index, or an image of another tool;
    /// [`RegistryError::Mismatch`] if the registry sends something else than digest and size say;
    /// [`RegistryError::Layout`] if the layout could not be written; those of any request.
    pub async fn pull(&self, reference: &Reference, layout: &Layout) -> Result<Image> {
        let target = self.target(reference, false);
        let fetched = self.manifest(&target, reference).await?;
        let manifest = image_manifest(reference, &fetched)?;
        let foreign = |problem: String| RegistryError::Foreign { reference: Box::new(reference.clone()), problem };
        if manifest.config.size > DOCUMENT_LIMIT {
            return Err(foreign(format!("has a configuration of {} bytes", manifest.config.size)));
        }
        let lock = {
            let layout = layout.clone();
            blocking(move || layout.lock_for_adding()).await?
        };
        let config_bytes = self.config(&target, layout, &manifest.config).await?;
        let config: Config = parse(reference, "configuration", &config_bytes)?;
        let parts = Parts::new(fetched.digest, manifest, config).map_err(|(_, problem)| foreign(problem.to_owned()))?;

        // Each once, should the two layers be one.
        let mut seen = BTreeSet::new();
        let layers = parts.manifest.layers.iter().filter(|layer| seen.insert(layer.digest));
        let wrote: Vec<bool> = stream::iter(layers)
            .map(|layer| self.pull_blob(&target, layout, layer))
            .buffer_unordered(self.inner.settings.parallel)
            .try_collect()
            .await?;

        let layout = layout.clone();
        blocking(move || {
            let _lock = lock;
            let (_, wrote_config) = layout.put_document(&config_bytes)?;
            let (digest, wrote_manifest) = layout.put_document(&fetched.bytes)?;
            let (added, tags) = layout.add_to_index(&digest, parts.entry(fetched.bytes.len() as u64))?;
            let mut image = parts.image(tags);
            image.reused = !(wrote.contains(&true) || wrote_config || wrote_manifest || added);
            Ok(image)
        })
        .await
    }

    /// A manifest, found to be what the reference's digest, if it has one, and the registry itself say.
    pub(super) async fn manifest(&self, target: &Target, reference: &Reference) -> Result<Fetched> {
        let fetched = self.read_manifest(target, reference).await?;
        match reference.digest() {
            Some(expected) if expected != fetched.digest => {
                let call = Call::manifest(Method::GET, reference);
                let problem = format!("what it sent has the digest {}", fetched.digest);
                Err(RegistryError::Mismatch { attempt: target.attempt(&call), problem })
            }
            _ => Ok(fetched),
        }
    }

    /// A manifest as it is.
    pub(super) async fn read_manifest(&self, target: &Target, reference: &Reference) -> Result<Fetched> {
        let call = Call::manifest(Method::GET, reference);
        self.retry(async || {
            let response = self.once(target, &call).await?;
            if answer::is_html(response.headers()) {
                let answer = answer::read(response).await;
                let problem = format!("{answer}");
                return Err(RegistryError::Protocol { attempt: target.attempt(&call), problem });
            }
            let stated = answer::digest_header(target, &call, response.headers())?;
            let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
            let bytes = self.read_limited(target, &call, response, DOCUMENT_LIMIT).await?;
            let digest = Digest::of(&bytes);
            if let Some(stated) = stated
                && stated != digest
                && reference.digest().is_none()
            {
                let problem = format!("it says {stated} and sent {digest}");
                return Err(RegistryError::Mismatch { attempt: target.attempt(&call), problem });
            }
            Ok(Fetched { bytes, digest, media_type })
        })
        .await
    }

    async fn read_limited(
        &self,
        target: &Target,
        call: &Call<'_>,
        mut response: reqwest::Response,
        limit: u64,
    ) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(target, call, &mut response).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limit {
                let problem = format!("it sent more than {limit} bytes");
                return Err(RegistryError::Mismatch { attempt: target.attempt(call), problem });
            }
        }
        Ok(bytes)
    }

    /// A configuration, from the layout or the registry.
    async fn config(&self, target: &Target, layout: &Layout, blob: &Descriptor) -> Result<Vec<u8>> {
        let digest = blob.digest;
        let here = layout.clone();
        if let Ok(bytes) = blocking(move || here.document(&digest)).await {
            return Ok(bytes);
        }
        let call = get_blob(blob);
        self.retry(async || {
            let response = self.once(target, &call).await?;
            let bytes = self.read_limited(target, &call, response, blob.size).await?;
            let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
            if (digest, size) == (blob.digest, blob.size) {
                Ok(bytes)
            } else {
                Err(lie(target, &call, blob, digest, size))
            }
        })
        .await
    }

    /// Fetches a blob unless the layout has it; says whether it did.
    async fn pull_blob(&self, target: &Target, layout: &Layout, blob: &Descriptor) -> Result<bool> {
        let (here, digest, size) = (layout.clone(), blob.digest, blob.size);
        if blocking(move || Ok(here.check(&digest, size).is_ok())).await? {
            return Ok(false);
        }
        self.retry(|| self.download(target, layout, blob)).await.map(|()| true)
    }

    async fn download(&self, target: &Target, layout: &Layout, blob: &Descriptor) -> Result<()> {
        let call = get_blob(blob);
        let mut response = self.once(target, &call).await?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (folder, digest, size) = (layout.clone(), blob.digest, blob.size);
        // On a thread of its own: digesting and writing are not for the network's. If this future is dropped, the
        // channel ends, and the file goes unless everything had come.
        let writer = task::spawn_blocking(move || write(&folder, &digest, size, receiver));
        let failure = loop {
            match self.chunk(target, &call, &mut response).await {
                // The writer ends early when it has seen more than enough.
                Ok(Some(chunk)) => {
                    if sender.send(chunk).await.is_err() {
                        break None;
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        drop(sender);
        let written =
            writer.await.map_err(|error| Error::storage("write", &layout.blob(&blob.digest))(error.into()))??;
        match (written, failure) {
            (None, _) => Ok(()),
            (Some(_), Some(error)) => Err(error),
            (Some((digest, size)), None) => Err(lie(target, &call, blob, digest, size)),
        }
    }
}

/// Writes what comes, and gives it its name if it is the blob; otherwise says what came.
fn write(
    layout: &Layout,
    digest: &Digest,
    size: u64,
    mut chunks: mpsc::Receiver<Bytes>,
) -> crate::Result<Option<(Digest, u64)>> {
    let mut file = Temporary::create(&layout.temporary_folder())?;
    let mut tally = Tally::new(std::io::sink());
    while let Some(chunk) = chunks.blocking_recv() {
        tally.count(&chunk);
        if tally.bytes() > size {
            break;
        }
        file.write(&chunk)?;
    }
    let came = tally.finish();
    if came != (*digest, size) {
        return Ok(Some(came));
    }
    layout.put(file, digest)?;
    Ok(None)
}

fn get_blob(blob: &Descriptor) -> Call<'static> {
    let digest = blob.digest;
    Call::new(Method::GET, format!("blobs/{digest}"), format!("download the blob {digest}"))
}

fn lie(target: &Target, call: &Call<'_>, blob: &Descriptor, digest: Digest, size: u64) -> RegistryError {
    let problem = if size == blob.size {
        format!("what it sent has the digest {digest}")
    } else {
        let more = if size > blob.size { "at least " } else { "" };
        format!("it sent {more}{size} bytes and the manifest says {}", blob.size)
    };
    RegistryError::Mismatch { attempt: target.attempt(call), problem }
}

fn image_manifest(reference: &Reference, fetched: &Fetched) -> Result<Manifest> {
    let foreign = |problem: String| RegistryError::Foreign { reference: Box::new(reference.clone()), problem };
    if fetched.media_type != MANIFEST {
        let index = fetched.media_type.ends_with("image.index.v1+json")
            || fetched.media_type.ends_with("manifest.list.v2+json");
        let what = if index { "is a list of images" } else { "is no OCI image" };
        return Err(foreign(format!("{what} (`{}`)", answer::clean(&fetched.media_type))));
    }
    parse(reference, "manifest", &fetched.bytes)
}

fn parse<T: DeserializeOwned>(reference: &Reference, what: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| RegistryError::Foreign {
        reference: Box::new(reference.clone()),
        problem: format!("has a {what} that is not as mlci writes it ({error})"),
    })
}

/// Runs what reads or writes files where it may block.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> crate::Result<T> + Send + 'static) -> Result<T> {
    match task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Error::storage("read", std::path::Path::new("."))(error.into()).into()),
    }
}
