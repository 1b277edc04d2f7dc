use std::{collections::BTreeSet, sync::Arc, time::Duration};

use reqwest::{Certificate, Client, redirect};

use crate::{
    Credentials,
    reference::hub_or,
    registry::{Inner, Registry, RegistryError, Result, auth::Tokens},
};

const CONNECT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) plain_http: BTreeSet<String>,
    pub(super) https: BTreeSet<String>,
    pub(super) mount_from: Vec<String>,
    pub(super) parallel: usize,
    pub(super) tries: u32,
    pub(super) delay: Duration,
    pub(super) timeout: Duration,
}

/// How to talk to registries. Made by [`Registry::builder`].
#[derive(Debug)]
pub struct RegistryBuilder {
    credentials: Credentials,
    certificates: Vec<Vec<u8>>,
    settings: Settings,
}

impl RegistryBuilder {
    pub(super) fn new() -> Self {
        Self {
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
