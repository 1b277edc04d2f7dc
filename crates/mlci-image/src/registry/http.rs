use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable as _};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use crate::{
    Error, Reference,
    document::{INDEX, MANIFEST},
    registry::{Attempt, Registry, RegistryError, Result, answer},
};

/// Bytes of a file that are read at once.
const BLOCK: usize = 256 * 1024;
/// The slowest upload that is waited for, in bytes a second.
const SLOWEST: u64 = 64 * 1024;
/// The longest pause that a registry may ask for, in seconds.
const LONGEST_PAUSE: u64 = 30;

/// A repository in a registry, and how to reach it.
pub(super) struct Target {
    /// Scheme and host.
    pub(super) base: String,
    pub(super) registry: String,
    pub(super) repository: String,
    /// Whether it is spoken to without TLS.
    pub(super) plain: bool,
    pub(super) loopback: bool,
    pub(super) push: bool,
    /// Repositories to take blobs from.
    pub(super) mounts: Vec<String>,
}

impl Target {
    pub(super) fn attempt(&self, call: &Call<'_>) -> Box<Attempt> {
        Box::new(Attempt {
            action: call.action.clone(),
            method: call.method.to_string(),
            registry: self.registry.clone(),
            repository: self.repository.clone(),
            tries: 1,
        })
    }

    /// Whether a URL is the registry's own, to which credentials may go.
    fn owns(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| {
            (base.scheme(), base.host_str(), base.port_or_known_default())
                == (url.scheme(), url.host_str(), url.port_or_known_default())
        })
    }

    /// The URL that a Location header means, which may be relative to the URL that was asked.
    pub(super) fn location(&self, call: &Call<'_>, response: &Response) -> Result<Url> {
        let wrong =
            |problem: &str| RegistryError::Protocol { attempt: self.attempt(call), problem: problem.to_owned() };
        let location =
            response.headers().get("location").ok_or_else(|| wrong("it did not say where to upload to (Location)"))?;
        let location = location.to_str().ok().and_then(|location| response.url().join(location).ok());
        let mut url = location.ok_or_else(|| wrong("it said to upload to what is no URL (Location)"))?;
        if !self.plain && url.scheme() != "https" {
            // A proxy that ends TLS and does not tell the registry so is common, and harmless on the same host.
            let host = Url::parse(&self.base).ok().and_then(|base| base.host_str().map(str::to_owned));
            if host.as_deref() != url.host_str() || url.set_scheme("https").is_err() {
                return Err(wrong("it said to upload to another host without TLS (Location)"));
            }
        }
        Ok(url)
    }
}

/// What goes along with a request.
pub(super) enum Body<'a> {
    None,
    Bytes(&'a [u8], &'a str),
    File(&'a Path, u64),
}

/// A request for a repository.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// After `/v2/REPOSITORY/`, unless there is a URL.
    pub(super) path: String,
    pub(super) url: Option<Url>,
    /// What it is for, for messages.
    pub(super) action: String,
    pub(super) body: Body<'a>,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: String, action: String) -> Self {
        Self { method, path, url: None, action, body: Body::None }
    }

    /// Asks for a manifest, or for its digest.
    pub(super) fn manifest(method: Method, reference: &Reference) -> Self {
        let name = manifest_name(reference);
        Self::new(method, format!("manifests/{name}"), format!("look up `{name}`"))
    }

    pub(super) fn with_body(self, body: Body<'a>) -> Self {
        Self { body, ..self }
    }

    pub(super) fn to(self, url: Url) -> Self {
        Self { url: Some(url), ..self }
    }
}

pub(super) fn manifest_name(reference: &Reference) -> String {
    reference.digest().map_or_else(|| reference.tag().unwrap_or_default().to_owned(), |digest| digest.to_string())
}

impl Registry {
    /// Sends a request until it succeeds or cannot.
    pub(super) async fn call(&self, target: &Target, call: &Call<'_>) -> Result<Response> {
        self.retry(|| self.once(target, call)).await
    }

    /// Runs something until it succeeds or cannot.
    pub(super) async fn retry<T, F: Future<Output = Result<T>>>(&self, mut run: impl FnMut() -> F) -> Result<T> {
        let settings = &self.inner.settings;
        let count = AtomicU32::new(0);
        let pauses = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(settings.delay)
            .with_max_times(usize::try_from(settings.tries - 1).unwrap_or(usize::MAX));
        let counted = || {
            count.fetch_add(1, Ordering::Relaxed);
            run()
        };
        counted
            .retry(pauses)
            .when(RegistryError::is_transient)
            .adjust(|error, pause| {
                let asked = Duration::from_secs(error.retry_after().unwrap_or_default().min(LONGEST_PAUSE));
                pause.map(|pause| pause.max(asked))
            })
            .await
            .map_err(|mut error| {
                if let Some(attempt) = error.attempt_mut() {
                    attempt.tries = count.load(Ordering::Relaxed);
                }
                error
            })
    }

    /// Sends a request once, and again with credentials if the registry asks for them. Gives a success.
    pub(super) async fn once(&self, target: &Target, call: &Call<'_>) -> Result<Response> {
        let known = self.authorization(target);
        let response = self.send(target, call, known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !target.owns(response.url()) {
            return answer::success(target, call, response, known.as_ref()).await;
        }
        // A token that was good a moment ago may have run out.
        let fresh = self.authorize(target, call, response).await?;
        let response = self.send(target, call, Some(&fresh)).await?;
        answer::success(target, call, response, Some(&fresh)).await
    }

    async fn send(
        &self,
        target: &Target,
        call: &Call<'_>,
        authorization: Option<&super::auth::Authorization>,
    ) -> Result<Response> {
        let url = match &call.url {
            Some(url) => url.clone(),
            None => {
                Url::parse(&format!("{}/v2/{}/{}", target.base, target.repository, call.path)).map_err(|error| {
                    RegistryError::Protocol {
                        attempt: target.attempt(call),
                        problem: format!("this makes no URL ({error})"),
                    }
                })?
            }
        };
        let own = target.owns(&url);
        let mut request = self.client(target).request(call.method.clone(), url);
        if let Some(authorization) = authorization.filter(|_| own) {
            request = request.header(AUTHORIZATION, authorization.header.clone());
        }
        let mut limit = self.inner.settings.timeout;
        request = match &call.body {
            Body::None if call.method == Method::POST => request.header(CONTENT_LENGTH, 0),
            Body::None => request.header(ACCEPT, accept()),
            Body::Bytes(bytes, media_type) => request.header(CONTENT_TYPE, *media_type).body(bytes.to_vec()),
            Body::File(path, size) => {
                let file = tokio::fs::File::open(path).await.map_err(Error::storage("open", path))?;
                limit += Duration::from_secs(size / SLOWEST);
                request
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .header(CONTENT_LENGTH, *size)
                    .body(reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, BLOCK)))
            }
        };
        self.answered(request, limit, || target.attempt(call)).await
    }

    /// The head of the answer.
    pub(super) async fn answered(
        &self,
        request: RequestBuilder,
        limit: Duration,
        attempt: impl FnOnce() -> Box<Attempt>,
    ) -> Result<Response> {
        match timeout(limit, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(RegistryError::unreachable(attempt(), error)),
            Err(_) => Err(RegistryError::Stalled { attempt: attempt(), seconds: limit.as_secs() }),
        }
    }

    /// The next bytes of an answer.
    pub(super) async fn chunk(
        &self,
        target: &Target,
        call: &Call<'_>,
        response: &mut Response,
    ) -> Result<Option<bytes::Bytes>> {
        let limit = self.inner.settings.timeout;
        match timeout(limit, response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(RegistryError::unreachable(target.attempt(call), error)),
            Err(_) => Err(RegistryError::Stalled { attempt: target.attempt(call), seconds: limit.as_secs() }),
        }
    }

    pub(super) fn client(&self, target: &Target) -> &reqwest::Client {
        if target.loopback { &self.inner.direct } else { &self.inner.client }
    }
}

/// Every form in which an image may be there: a registry hides a manifest whose type is not asked for.
fn accept() -> String {
    format!(
        "{MANIFEST}, {INDEX}, application/vnd.docker.distribution.manifest.v2+json, \
         application/vnd.docker.distribution.manifest.list.v2+json, */*;q=0.1"
    )
}
