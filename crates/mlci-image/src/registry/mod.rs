//! Registries (OCI Distribution Specification 1.1), without a daemon.
//!
//! Not oci-client 0.18: it uploads without looking what is there, does not read a push back, does not try again, stops at
//! an answer whose error code it does not know, and puts whole HTML pages and URLs into its errors. Its token is for one
//! repository, so that mounting from another fails; and it brings regex and a second JSON canonicaliser. What is left to
//! do on reqwest is seven requests.

mod answer;
mod auth;
mod error;
mod http;
mod pull;
mod push;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use mlci_core::Digest;
use reqwest::{Certificate, Client, Method, redirect};

pub use crate::registry::{
    error::{Answer, Attempt, RegistryError},
    push::Pushed,
};
use crate::{
    Credentials, Reference,
    reference::{DOCKER_HUB, hub_or},
    registry::{
        auth::Tokens,
        http::{Call, Target},
    },
};

/// The result of talking to a registry.
type Result<T> = std::result::Result<T, RegistryError>;

/// Where Docker Hub's registry really is.
const HUB_HOST: &str = "registry-1.docker.io";
const CONNECT: Duration = Duration::from_secs(10);

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

#[derive(Debug, Clone)]
struct Settings {
    plain_http: BTreeSet<String>,
    https: BTreeSet<String>,
    mount_from: Vec<String>,
    parallel: usize,
    tries: u32,
    delay: Duration,
    timeout: Duration,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// How to talk to registries. Made by [`Registry::builder`].
#[derive(Debug)]
pub struct RegistryBuilder {
    credentials: Credentials,
    certificates: Vec<Vec<u8>>,
    settings: Settings,
}

impl RegistryBuilder {
    /// Where credentials are looked for; [`Credentials::docker`] by default.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Allows plain HTTP for this registry (`host` or `host:port`): whoever is in between can read passwords and change
    /// tags. By default only loopback addresses and `localhost` are spoken to without TLS.
    #[must_use]
    pub fn plain_http(mut self, registry: &str) -> Self {
        self.settings.plain_http.insert(hub_or(registry));
        self
    }

    /// Demands TLS for this registry, although it is on a loopback address.
    #[must_use]
    pub fn https(mut self, registry: &str) -> Self {
        self.settings.https.insert(hub_or(registry));
        self
    }

    /// Trusts the certificates in this PEM text too, beside the system's.
    #[must_use]
    pub fn certificates(mut self, pem: &[u8]) -> Self {
        self.certificates.push(pem.to_owned());
        self
    }

    /// Before a blob is uploaded, asks the registry to take it from this repository of its own, where a team's other
    /// models have the same server. The user must be allowed to pull from it; otherwise the blob is uploaded.
    #[must_use]
    pub fn mount_from(mut self, repository: &str) -> Self {
        self.settings.mount_from.push(repository.to_owned());
        self
    }

    /// How many blobs are looked for, uploaded or downloaded at once; 4 by default, at least 1. A blob takes less than
    /// 3 MiB of memory while it is under way.
    #[must_use]
    pub fn parallel(mut self, blobs: usize) -> Self {
        self.settings.parallel = blobs.max(1);
        self
    }

    /// How often a request is tried, 4 times by default and at least once, and the pause before the second try, 250 ms
    /// by default, which doubles from try to try.
    #[must_use]
    pub fn tries(mut self, tries: u32, pause: Duration) -> Self {
        self.settings.tries = tries.max(1);
        self.settings.delay = pause;
        self
    }

    /// How long to wait for an answer, or for the next bytes of one; a minute by default. An upload has in addition a
    /// second for every 64 KiB.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`RegistryError::Client`] if a certificate is not PEM, or if TLS cannot be set up.
    pub fn build(self) -> Result<Registry> {
        let failed = |problem| move |source| RegistryError::Client { problem, source };
        let mut certificates = Vec::new();
        for pem in &self.certificates {
            let bundle = Certificate::from_pem_bundle(pem).map_err(failed("a certificate is not in PEM form"))?;
            certificates.extend(bundle);
        }
        let client = |direct: bool| {
            let builder = Client::builder()
                .user_agent(concat!("mlci/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .redirect(redirect::Policy::custom(follow))
                .tls_certs_merge(certificates.clone());
            if direct { builder.no_proxy() } else { builder }
                .build()
                .map_err(failed("the system's certificates or the proxy's settings could not be used"))
        };
        Ok(Registry {
            inner: Arc::new(Inner {
                client: client(false)?,
                direct: client(true)?,
                credentials: self.credentials,
                tokens: Tokens::default(),
                settings: self.settings,
            }),
        })
    }
}

/// Registries hand out blobs from elsewhere; reqwest takes the credentials off when the host changes.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let downgrade =
        attempt.previous().last().is_some_and(|url| url.scheme() == "https") && attempt.url().scheme() != "https";
    if downgrade {
        attempt.error("the registry redirects from TLS to plain HTTP")
    } else if attempt.previous().len() > 5 {
        attempt.error("the registry redirects in a circle")
    } else {
        attempt.follow()
    }
}

impl Registry {
    /// Starts with what Docker's command line would do.
    #[must_use]
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder {
            credentials: Credentials::docker(),
            certificates: Vec::new(),
            settings: Settings {
                plain_http: BTreeSet::new(),
                https: BTreeSet::new(),
                mount_from: Vec::new(),
                parallel: 4,
                tries: 4,
                delay: Duration::from_millis(250),
                timeout: Duration::from_secs(60),
            },
        }
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
