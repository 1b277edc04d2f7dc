//! Registries (OCI Distribution Specification 1.1), without a daemon.
//!
//! Not oci-client 0.18: it uploads without looking what is there, does not read a push back, does not try again, stops at
//! an answer whose error code it does not know, and puts whole HTML pages and URLs into its errors. Its token is for one
//! repository, so that mounting from another fails; and it brings regex and a second JSON canonicaliser. What is left to
//! do on reqwest is seven requests.

mod answer;
mod auth;
mod builder;
mod error;
mod http;
mod pull;
mod push;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use mlci_core::Digest;
use reqwest::{Client, Method};

pub use crate::registry::{
    builder::RegistryBuilder,
    error::{Answer, Attempt, RegistryError},
    push::Pushed,
};
use crate::{
    Credentials, Reference,
    reference::DOCKER_HUB,
    registry::{
        auth::Tokens,
        builder::Settings,
        http::{Call, Target},
    },
};

/// The result of talking to a registry.
type Result<T> = std::result::Result<T, RegistryError>;

/// Where Docker Hub's registry really is.
const HUB_HOST: &str = "registry-1.docker.io";

/// A client for registries.
///
/// ```no_run
/// use mlci_image::{Layout, Reference, Registry};
///
/// # async fn demo(layout: Layout, digest: mlci_core::Digest) -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().build()?;
/// let reference: Reference = "docker.io/user/wine:v1".parse()?;
/// let pushed = registry.push(&layout, &digest, &reference).await?;
/// assert_eq!(registry.resolve(&reference).await?, pushed.digest);
/// # Ok(())
/// # }
/// ```
/// Cheap to clone; the clones share connections and tokens.
///
/// Every method may be cancelled by dropping its future. Then, as after an error, a registry may have blobs that no
/// manifest names, which its own clean-up removes, and a layout has nothing half written.
///
/// Connection failures and the statuses 429, 500, 502, 503 and 504 are tried again, for longer apart each time and at
/// least as long as `Retry-After` asks (up to 30 s); all other refusals are final.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    /// For hosts elsewhere, through the proxy that the environment names.
    client: Client,
    /// For loopback addresses, which no proxy can reach.
    direct: Client,
    credentials: Credentials,
    tokens: Tokens,
    settings: Settings,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Registry {
    /// Starts with what Docker's command line would do.
    #[must_use]
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::new()
    }

    /// The digest of the manifest that a tag names at the moment, or of the one with the reference's digest. Any image
    /// or index will do.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] if it is not there, and those of any request.
    pub async fn resolve(&self, reference: &Reference) -> Result<Digest> {
        let target = self.target(reference, false);
        self.manifest_digest(&target, reference).await
    }

    /// Gives the image that `image` names by its digest another tag in its repository, without moving any data. Returns
    /// once the registry shows the digest under the tag.
    ///
    /// # Errors
    /// [`RegistryError::NoDigest`]; [`RegistryError::NotFound`] if the image is not there;
    /// [`RegistryError::Mismatch`]; [`RegistryError::Unconfirmed`]; those of any request. `tag` is checked as by
    /// [`Reference::with_tag`], whose error comes as [`RegistryError::Tag`].
    pub async fn tag(&self, image: &Reference, tag: &str) -> Result<Reference> {
        let Some(digest) = image.digest() else {
            return Err(RegistryError::NoDigest { reference: Box::new(image.clone()) });
        };
        let tagged = image.with_tag(tag)?;
        let target = self.target(image, true);
        let manifest = self.manifest(&target, image).await?;
        self.put_tag(&target, &tagged, digest, manifest.bytes, &manifest.media_type).await?;
        Ok(tagged)
    }

    /// The repository of a reference, to be pulled from and, if so, pushed to.
    fn target(&self, reference: &Reference, push: bool) -> Target {
        let registry = reference.registry();
        let settings = &self.inner.settings;
        let loopback = is_loopback(registry);
        let plain = settings.plain_http.contains(registry) || (loopback && !settings.https.contains(registry));
        let host = if registry == DOCKER_HUB { HUB_HOST } else { registry };
        let mounts = if push { settings.mount_from.clone() } else { Vec::new() };
        Target {
            base: format!("{}://{host}", if plain { "http" } else { "https" }),
            registry: registry.to_owned(),
            repository: reference.repository().to_owned(),
            plain,
            loopback,
            push,
            mounts: mounts.into_iter().filter(|repository| repository != reference.repository()).collect(),
        }
    }

    /// The digest by HEAD, or by the manifest itself if the registry leaves out the header, as it may.
    async fn manifest_digest(&self, target: &Target, reference: &Reference) -> Result<Digest> {
        let call = Call::manifest(Method::HEAD, reference);
        let response = self.call(target, &call).await?;
        match answer::digest_header(target, &call, response.headers())? {
            Some(digest) if reference.digest().is_some_and(|expected| expected != digest) => {
                let problem = format!("it says that it has {digest} there");
                Err(RegistryError::Mismatch { attempt: target.attempt(&call), problem })
            }
            Some(digest) => Ok(digest),
            None => Ok(self.manifest(target, reference).await?.digest),
        }
    }
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
