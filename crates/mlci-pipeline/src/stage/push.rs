//! The image in a registry, from which other machines pull it.

use mlci_core::Digest;

use crate::{error::Result, pipeline::Pipeline};

impl Pipeline {
    /// Pushes an image to `[image] repository` under a tag, and says by which reference it is pulled: by digest. It is
    /// there only once the registry shows this digest.
    pub(crate) fn push_image(&self, digest: &Digest, tag: &str) -> Result<Option<String>> {
        let Some(repository) = &self.config().image.repository else { return Ok(None) };
        pushed(self, repository, digest, tag).map(Some)
    }

    /// Whether the registry still has what was pushed.
    pub(crate) fn is_pushed(&self, reference: Option<&str>) -> Result<bool> {
        match (&self.config().image.repository, reference) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(_), Some(reference)) => found(self, reference),
        }
    }
}

#[cfg(feature = "registry")]
fn client() -> Result<mlci_image::Registry> {
    use crate::error::Context as _;
    let built = mlci_image::Registry::builder().credentials(mlci_image::Credentials::docker()).build();
    built.context(|| "[image] repository cannot be used".to_owned())
}

#[cfg(feature = "registry")]
fn pushed(pipeline: &Pipeline, repository: &str, digest: &Digest, tag: &str) -> Result<String> {
    use crate::{
        error::{Context as _, Error},
        event::Event,
    };
    let reference = format!("{repository}:{tag}");
    let parsed: mlci_image::Reference = reference.parse().map_err(|error: mlci_image::ReferenceError| {
        Error::invalid(format!("[image] repository is `{repository}`")).because(error)
    })?;
    let pushed = pipeline.block_on(client()?.push(pipeline.layout()?, digest, &parsed));
    let pushed = pushed.context(|| format!("the image could not be pushed to `{reference}`"))?;
    let message = if pushed.unchanged {
        format!("{reference} is there already")
    } else {
        format!("pushed {reference}: {:.1} MB were missing there", pushed.uploaded_bytes as f64 / 1e6)
    };
    pipeline.event(&Event::Progress { name: "image".to_owned(), message });
    Ok(pushed.reference.to_string())
}

#[cfg(feature = "registry")]
fn found(pipeline: &Pipeline, reference: &str) -> Result<bool> {
    let Ok(parsed) = reference.parse::<mlci_image::Reference>() else { return Ok(false) };
    // What keeps the registry from answering is told by the push that follows.
    Ok(pipeline.block_on(client()?.resolve(&parsed)).is_ok())
}

#[cfg(not(feature = "registry"))]
fn lacking() -> crate::error::Error {
    crate::error::Error::invalid(
        "[image] repository needs the feature `registry`, which this program was built without",
    )
}

#[cfg(not(feature = "registry"))]
fn pushed(_: &Pipeline, _: &str, _: &Digest, _: &str) -> Result<String> {
    Err(lacking())
}

#[cfg(not(feature = "registry"))]
fn found(_: &Pipeline, _: &str) -> Result<bool> {
    Err(lacking())
}
