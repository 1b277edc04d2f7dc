use std::sync::Arc;

use object_store::{ObjectStore, path::Path};

use crate::{
    error::{Error, Result},
    store::Store,
};

/// A kind of store that a URL can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `s3://BUCKET/PREFIX`: Amazon S3, or a server that speaks its protocol. Feature `s3`.
    S3,
    /// `gs://BUCKET/PREFIX`: Google Cloud Storage. Feature `gcs`.
    Gcs,
}

impl Scheme {
    /// The scheme of a URL; `None` where the text is none, such as a folder.
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        match url.split_once("://")?.0 {
            "s3" => Some(Self::S3),
            "gs" => Some(Self::Gcs),
            _ => None,
        }
    }

    /// The feature of this crate that its client comes with.
    #[must_use]
    pub const fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
        }
    }

    /// Whether its client is compiled in.
    #[must_use]
    pub const fn is_compiled_in(self) -> bool {
        match self {
            Self::S3 => cfg!(feature = "s3"),
            Self::Gcs => cfg!(feature = "gcs"),
        }
    }
}

impl Store {
    /// The store that a URL names: `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`. No request is made yet.
    ///
    /// Credentials, region and endpoint come from the environment, as the systems' own tools read them:
    ///
    /// | | variables |
    /// |---|---|
    /// | S3 | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, roles by web identity and container |
    /// | GCS | `GOOGLE_APPLICATION_CREDENTIALS`, `GOOGLE_SERVICE_ACCOUNT`, `GOOGLE_SERVICE_ACCOUNT_KEY`, `GOOGLE_BEARER_TOKEN`, `GOOGLE_BASE_URL` |
    ///
    /// An endpoint without TLS is taken on a loopback address, elsewhere with `AWS_ALLOW_HTTP=true` or
    /// `GOOGLE_ALLOW_HTTP=true`. A request that fails for the network or a busy server is made again, for at most a
    /// minute.
    ///
    /// # Errors
    /// [`Error::Url`] where the text names no bucket; [`Error::NotCompiledIn`] without the feature; [`Error::Store`]
    /// where the settings contradict each other.
    pub fn remote(url: &str) -> Result<Self> {
        let wrong = |rule| Error::Url { url: url.to_owned(), rule };
        let scheme = Scheme::of(url).ok_or_else(|| wrong("write s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"))?;
        let (_, rest) = url.split_once("://").unwrap_or_default();
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("it has no bucket"));
        }
        // Not `Path::from`: it would escape what a user's prefix holds, and other tools would see other keys.
        let prefix =
            Path::parse(prefix.trim_end_matches('/')).map_err(|_| wrong("the prefix has empty or dotted parts"))?;
        let open = |source| Error::Store { action: "open", object: url.to_owned(), source };
        let objects = match scheme {
            Scheme::S3 => s3(bucket),
            Scheme::Gcs => gcs(bucket),
        };
        let objects = objects.ok_or(Error::NotCompiledIn { url: url.to_owned(), feature: scheme.feature() })?;
        let mut store = Self::new(objects.map_err(open)?, prefix);
        store.address = Some(url.trim_end_matches('/').into());
        Ok(store)
    }
}

type Opened = Option<object_store::Result<Arc<dyn ObjectStore>>>;

#[cfg(any(feature = "s3", feature = "gcs"))]
mod settings {
    use std::time::Duration;

    use object_store::{ClientOptions, RetryConfig};

    pub(super) fn retry() -> RetryConfig {
        RetryConfig { max_retries: 6, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() }
    }

    /// Whether an endpoint from the environment may be spoken to without TLS.
    pub(super) fn client(endpoint: &[&str], allow: &str) -> ClientOptions {
        let variable = |name: &str| std::env::var(name).ok();
        let is_loopback = endpoint.iter().find_map(|name| variable(name)).is_some_and(|url| {
            let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        });
        let allowed = variable(allow).is_some_and(|value| value == "true" || value == "1");
        ClientOptions::new().with_allow_http(is_loopback || allowed).with_timeout(Duration::from_secs(60))
    }
}

#[cfg(feature = "s3")]
fn s3(bucket: &str) -> Opened {
    use object_store::aws::AmazonS3Builder;
    let options = settings::client(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"], "AWS_ALLOW_HTTP");
    let builder =
        AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(settings::retry()).with_client_options(options);
    Some(builder.build().map(|store| Arc::new(store) as _))
}

#[cfg(not(feature = "s3"))]
fn s3(_: &str) -> Opened {
    None
}

#[cfg(feature = "gcs")]
fn gcs(bucket: &str) -> Opened {
    use object_store::gcp::GoogleCloudStorageBuilder;
    let options = settings::client(&["GOOGLE_BASE_URL"], "GOOGLE_ALLOW_HTTP");
    let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
    Some(builder.with_retry(settings::retry()).with_client_options(options).build().map(|store| Arc::new(store) as _))
}

#[cfg(not(feature = "gcs"))]
fn gcs(_: &str) -> Opened {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(url: &str, says: &str) {
        let error = Store::remote(url).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn urls_that_name_no_store() {
        refused("folder", "s3://BUCKET/PREFIX");
        refused("ftp://x/y", "s3://BUCKET/PREFIX");
        refused("s3://", "it has no bucket");
        refused("gs:///x", "it has no bucket");
        refused("s3://b/a//c", "empty or dotted parts");
        refused("s3://b/../c", "empty or dotted parts");
    }

    #[test]
    fn a_client_that_is_not_compiled_in_is_named() {
        for (url, scheme) in [("s3://b", Scheme::S3), ("gs://b/p", Scheme::Gcs)] {
            assert_eq!(Scheme::of(url), Some(scheme));
            if !scheme.is_compiled_in() {
                refused(url, &format!("feature `{}`", scheme.feature()));
            }
        }
    }
}
