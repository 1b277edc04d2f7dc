use std::path::Path;

use axum::http::HeaderValue;
use mlci_core::Digest;
use mlci_model::Model;

use crate::ServeError;

/// A model with its digest and the version it is served under.
///
/// Loading checks all of the file: its digest, its shape and its golden predictions.
#[derive(Debug, Clone)]
pub struct ServedModel {
    model: Model,
    digest: Digest,
    version: String,
}

impl ServedModel {
    /// Reads a model file. Without a `version` it is served under the first 12 digits of its digest.
    ///
    /// # Errors
    /// [`ServeError::Load`] naming the path, [`ServeError::NeedsOnnx`], [`ServeError::Version`].
    pub fn load(path: &Path, version: Option<String>) -> Result<Self, ServeError> {
        let (model, digest) = Model::load(path).map_err(|source| ServeError::Load { path: path.to_owned(), source })?;
        Self::new(model, digest, version)
    }

    /// Takes the bytes of a model file, as [`ServedModel::load`] does.
    ///
    /// # Errors
    /// [`ServeError::Bytes`], [`ServeError::NeedsOnnx`], [`ServeError::Version`].
    pub fn from_bytes(bytes: &[u8], version: Option<String>) -> Result<Self, ServeError> {
        let model = Model::decode(bytes).map_err(ServeError::Bytes)?;
        Self::new(model, Digest::of(bytes), version)
    }

    fn new(model: Model, digest: Digest, version: Option<String>) -> Result<Self, ServeError> {
        if !model.is_runnable() {
            return Err(ServeError::NeedsOnnx(model.name().clone()));
        }
        let version = version.unwrap_or_else(|| digest.short());
        // A version stands in response headers and in paths.
        let well_formed = (1..=128).contains(&version.len())
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-:@".contains(&byte));
        if well_formed { Ok(Self { model, digest, version }) } else { Err(ServeError::Version(version)) }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The digest of the model's file.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The version that every reply states.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What every reply carries, errors included, so that a client always knows who answered.
    pub(crate) fn headers(&self) -> Vec<(&'static str, HeaderValue)> {
        [
            ("mlci-model", self.model.name().to_string()),
            ("mlci-version", self.version.clone()),
            ("mlci-model-digest", self.digest.to_string()),
            ("mlci-instance", std::process::id().to_string()),
        ]
        .into_iter()
        // All four are ASCII by their types and the check of the version.
        .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
        .collect()
    }
}
