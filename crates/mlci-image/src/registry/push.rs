use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use mlci_core::Digest;
use reqwest::{Method, StatusCode, header::CONTENT_LENGTH};

use crate::{
    Layout, Reference,
    document::{Descriptor, MANIFEST},
    image::Parts,
    lock::Lock,
    registry::{
        Registry, RegistryError, Result,
        http::{Body, Call, Target, manifest_name},
        pull::blocking,
    },
};

/// An image that a registry has, and has been seen to have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Where it is for ever: registry, repository and digest.
    pub reference: Reference,
    /// The digest of the manifest, as the registry showed it.
    pub digest: Digest,
    /// How many blobs had to be uploaded, of the configuration and the two layers.
    pub uploaded: usize,
    /// Their bytes.
    pub uploaded_bytes: u64,
    /// How many blobs the registry took from another repository.
    pub mounted: usize,
    /// Nothing was written: the registry had the image, and the tag was on it.
    pub unchanged: bool,
}

/// How a blob came to be in the registry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Known,
    Mounted,
    Uploaded,
}

impl Registry {
    /// Pushes an image from a layout and, if the reference has a tag, moves the tag onto it.
    ///
    /// Blobs that the registry has are not sent; if it has everything, it is only asked (HEAD). The manifest follows
    /// when all blobs are there, and is read back; the tag moves when that has shown the right digest, and is read back
    /// too. So a push that is cut short leaves the tag where it was, and a push that returns is in the registry. Layers
    /// are streamed from the disk.
    ///
    /// # Errors
    /// [`RegistryError::OtherDigest`] if the reference has another digest; [`RegistryError::Layout`] with
    /// [`Error::NoImage`](crate::Error::NoImage) or [`Error::Damaged`](crate::Error::Damaged) for the layout;
    /// [`RegistryError::Unconfirmed`] and [`RegistryError::Mismatch`] if the registry does not show what was sent;
    /// those of any request.
    pub async fn push(&self, layout: &Layout, digest: &Digest, reference: &Reference) -> Result<Pushed> {
        if reference.digest().is_some_and(|other| other != *digest) {
            return Err(RegistryError::OtherDigest { reference: Box::new(reference.clone()), digest: *digest });
        }
        // Until the push is over, so that nobody removes a blob that is still to be read.
        let (_lock, parts, bytes) = documents(layout, *digest).await?;
        let target = self.target(reference, true);
        let by_digest = reference.with_digest(*digest);

        // Alone, so that the token it needs is fetched once and not by every blob.
        let known = self.has_manifest(&target, &by_digest).await?;
        let blobs = std::iter::once(&parts.manifest.config).chain(&parts.manifest.layers);
        let ways: Vec<_> = stream::iter(blobs)
            .map(|blob| self.push_blob(&target, layout, blob))
            .buffer_unordered(self.inner.settings.parallel)
            .try_collect()
            .await?;
        if !known {
            self.put_manifest(&target, &by_digest, &bytes, MANIFEST).await?;
            self.confirm(&target, &by_digest, *digest).await?;
        }
        let moved = match reference.tag() {
            Some(tag) => {
                let tagged = reference.with_tag(tag)?;
                self.put_tag(&target, &tagged, *digest, bytes, MANIFEST).await?
            }
            None => false,
        };
        let count = |way| ways.iter().filter(|(other, _)| *other == way).count();
        Ok(Pushed {
            reference: by_digest,
            digest: *digest,
            uploaded: count(Way::Uploaded),
            uploaded_bytes: ways.iter().filter(|(way, _)| *way == Way::Uploaded).map(|(_, bytes)| bytes).sum(),
            mounted: count(Way::Mounted),
            unchanged: known && !moved && ways.iter().all(|(way, _)| *way == Way::Known),
        })
    }

    async fn has_manifest(&self, target: &Target, reference: &Reference) -> Result<bool> {
        match self.manifest_digest(target, reference).await {
            Ok(_) => Ok(true),
            Err(RegistryError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn push_blob(&self, target: &Target, layout: &Layout, blob: &Descriptor) -> Result<(Way, u64)> {
        let Descriptor { digest, size, .. } = blob;
        let head = Call::new(Method::HEAD, format!("blobs/{digest}"), format!("look for the blob {digest}"));
        match self.call(target, &head).await {
            Ok(response) => {
                let header = response.headers().get(CONTENT_LENGTH);
                let length: Option<u64> = header.and_then(|value| value.to_str().ok()?.parse().ok());
                return match length {
                    Some(length) if length != *size => Err(RegistryError::Mismatch {
                        attempt: target.attempt(&head),
                        problem: format!("it has {length} bytes there and it should have {size}"),
                    }),
                    _ => Ok((Way::Known, *size)),
                };
            }
            Err(RegistryError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        layout.check_length(digest, *size)?;
        for source in &target.mounts {
            if self.mount(target, digest, source).await {
                return Ok((Way::Mounted, *size));
            }
        }
        let outcome = self.retry(|| self.upload(target, layout, blob)).await;
        if let Err(RegistryError::Failed { answer, .. }) = &outcome
            && answer.code.as_deref() == Some("DIGEST_INVALID")
        {
            // Whose fault it is decides what to do.
            let (layout, digest, size) = (layout.clone(), *digest, *size);
            blocking(move || layout.check(&digest, size)).await?;
        }
        outcome.map(|()| (Way::Uploaded, *size))
    }

    /// Whether the registry took the blob from another repository. If it did not, it is uploaded.
    async fn mount(&self, target: &Target, digest: &Digest, source: &str) -> bool {
        let path = format!("blobs/uploads/?mount={digest}&from={source}");
        let call = Call::new(Method::POST, path, format!("mount the blob {digest} from `{source}`"));
        matches!(self.once(target, &call).await, Ok(response) if response.status() == StatusCode::CREATED)
    }

    /// In one piece ("Pushing a blob monolithically", POST then PUT): a broken one starts anew.
    async fn upload(&self, target: &Target, layout: &Layout, blob: &Descriptor) -> Result<()> {
        let Descriptor { digest, size, .. } = blob;
        let action = format!("upload the blob {digest}");
        let start = Call::new(Method::POST, "blobs/uploads/".to_owned(), action.clone());
        let response = self.once(target, &start).await?;
        let mut url = target.location(&start, &response)?;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let path = layout.blob(digest);
        let call = Call::new(Method::PUT, String::new(), action).with_body(Body::File(&path, *size)).to(url);
        created(target, &call, self.once(target, &call).await?.status())
    }

    async fn put_manifest(&self, target: &Target, reference: &Reference, bytes: &[u8], media_type: &str) -> Result<()> {
        let name = manifest_name(reference);
        let call = Call::new(Method::PUT, format!("manifests/{name}"), format!("write the manifest `{name}`"))
            .with_body(Body::Bytes(bytes, media_type));
        created(target, &call, self.call(target, &call).await?.status())
    }

    /// Moves a tag onto a manifest that is there; says whether it had to.
    pub(super) async fn put_tag(
        &self,
        target: &Target,
        tagged: &Reference,
        digest: Digest,
        bytes: Vec<u8>,
        media_type: &str,
    ) -> Result<bool> {
        match self.manifest_digest(target, tagged).await {
            Ok(found) if found == digest => return Ok(false),
            Ok(_) | Err(RegistryError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        self.put_manifest(target, tagged, &bytes, media_type).await?;
        self.confirm(target, tagged, digest).await?;
        Ok(true)
    }

    /// Reads a manifest back: only what is seen counts.
    async fn confirm(&self, target: &Target, reference: &Reference, expected: Digest) -> Result<()> {
        let unconfirmed =
            |found| RegistryError::Unconfirmed { reference: Box::new(reference.clone()), expected, found };
        match self.read_manifest(target, reference).await {
            Ok(manifest) if manifest.digest == expected => Ok(()),
            Ok(manifest) => Err(unconfirmed(Some(manifest.digest))),
            Err(RegistryError::NotFound { .. }) => Err(unconfirmed(None)),
            Err(error) => Err(error),
        }
    }
}

fn created(target: &Target, call: &Call<'_>, status: StatusCode) -> Result<()> {
    if status == StatusCode::CREATED {
        return Ok(());
    }
    Err(RegistryError::Protocol {
        attempt: target.attempt(call),
        problem: format!("it answered {} where 201 was due: is it a registry?", status.as_u16()),
    })
}

/// The image's documents, which are looked at while nobody removes blobs.
async fn documents(layout: &Layout, digest: Digest) -> Result<(Lock, Parts, Vec<u8>)> {
    let layout = layout.clone();
    blocking(move || {
        let lock = layout.lock_for_reading()?;
        let parts = layout.listed_parts(&digest)?;
        let bytes = layout.document(&digest)?;
        Ok((lock, parts, bytes))
    })
    .await
}
