use std::{error::Error as _, fmt};

use mlci_core::Digest;

use crate::{CredentialsError, Reference, ReferenceError};

/// A request to a registry, for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// What it was for, such as `upload the blob sha256:…`.
    pub action: String,
    /// The HTTP method.
    pub method: String,
    /// The registry's host and port.
    pub registry: String,
    /// The repository in it.
    pub repository: String,
    /// How often it was tried.
    pub tries: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, method, registry, repository, tries } = self;
        write!(f, "cannot {action}, repository `{repository}` at `{registry}` ({method}")?;
        if *tries > 1 {
            write!(f, ", tried {tries} times")?;
        }
        f.write_str(")")
    }
}

/// What a registry or its token server answered instead of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The registry's error code (OCI Distribution Specification 1.1, "Error Codes"), such as `DENIED`, if it sent one.
    pub code: Option<String>,
    /// Its message, or what was found in place of one.
    pub message: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, ", {}", self.message) }
    }
}

/// Why an image could not be pushed, pulled or looked up. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Something in the layout.
    #[error(transparent)]
    Layout(#[from] crate::Error),
    /// The credentials could not be looked up.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A tag that is none.
    #[error(transparent)]
    Tag(#[from] ReferenceError),
    /// No HTTP client could be made.
    #[error("cannot set up the HTTP client: {problem}")]
    Client {
        /// What to look at.
        problem: &'static str,
        /// Why.
        source: reqwest::Error,
    },
    /// No answer came, or it was cut short.
    #[error("{attempt}: {hint}")]
    Unreachable {
        /// The request.
        attempt: Box<Attempt>,
        /// What to do.
        hint: String,
        /// Whether another try may go better.
        transient: bool,
        /// Why, without the URL.
        source: reqwest::Error,
    },
    /// It took too long.
    #[error("{attempt}: nothing came for {seconds} s: try again, or allow more time")]
    Stalled {
        /// The request.
        attempt: Box<Attempt>,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The registry wants to know who is asking, or does not let them (401, 403).
    #[error("{attempt}: {answer}: {hint}")]
    Refused {
        /// The request.
        attempt: Box<Attempt>,
        /// What came back.
        answer: Answer,
        /// What to do.
        hint: String,
    },
    /// The repository, tag or digest is not there (404).
    #[error("{attempt}: {answer}: {hint}")]
    NotFound {
        /// The request.
        attempt: Box<Attempt>,
        /// What came back.
        answer: Answer,
        /// What to do.
        hint: String,
    },
    /// Another status that is no success.
    #[error("{attempt}: {answer}{hint}")]
    Failed {
        /// The request.
        attempt: Box<Attempt>,
        /// What came back.
        answer: Answer,
        /// What to do, or nothing.
        hint: String,
        /// How long the registry asks to wait, in seconds.
        retry_after: Option<u64>,
    },
    /// An answer that the protocol does not allow.
    #[error("{attempt}: {problem}")]
    Protocol {
        /// The request.
        attempt: Box<Attempt>,
        /// What is wrong with it.
        problem: String,
    },
    /// The registry sent, or says that it has, something else than its digest or size says. Nothing of it is kept.
    #[error("{attempt}: the registry is wrong about it, {problem}: do not use this registry before it is repaired")]
    Mismatch {
        /// The request.
        attempt: Box<Attempt>,
        /// What was expected and what came.
        problem: String,
    },
    /// Everything was sent, and the registry does not show it afterwards.
    #[error(
        "`{reference}` was pushed, and the registry {}: do not count on the image, push again",
        found.map_or_else(|| "does not have it".to_owned(), |found| format!("has {found} there and not {expected}"))
    )]
    Unconfirmed {
        /// What was pushed.
        reference: Box<Reference>,
        /// The digest that was sent.
        expected: Digest,
        /// The digest that the registry has there.
        found: Option<Digest>,
    },
    /// A reference with a digest is for one image alone.
    #[error("`{reference}` is not the image {digest}: leave out the digest, or name that image's")]
    OtherDigest {
        /// The reference.
        reference: Box<Reference>,
        /// The image that was to be pushed or tagged.
        digest: Digest,
    },
    /// A tag can only be given to an image that is named by its digest.
    #[error("`{reference}` has no digest: name the image to tag as `NAME@sha256:…`")]
    NoDigest {
        /// The reference.
        reference: Box<Reference>,
    },
    /// The image is there and is not one that mlci makes.
    #[error("`{reference}` {problem}: only images that `mlci` builds can be pulled into its layout")]
    Foreign {
        /// The image.
        reference: Box<Reference>,
        /// What it is.
        problem: String,
    },
}

impl RegistryError {
    /// Whether another try may go better: no connection, a server's own failure, or too many requests.
    pub(super) const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { transient, .. } => *transient,
            Self::Stalled { .. } => true,
            Self::Failed { answer, .. } => matches!(answer.status, 429 | 500 | 502..=504),
            _ => false,
        }
    }

    pub(super) const fn retry_after(&self) -> Option<u64> {
        if let Self::Failed { retry_after, .. } = self { *retry_after } else { None }
    }

    pub(super) fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::Unreachable { attempt, .. }
            | Self::Stalled { attempt, .. }
            | Self::Refused { attempt, .. }
            | Self::NotFound { attempt, .. }
            | Self::Failed { attempt, .. }
            | Self::Protocol { attempt, .. }
            | Self::Mismatch { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    pub(super) fn unreachable(attempt: Box<Attempt>, source: reqwest::Error) -> Self {
        let (hint, transient) = advice(&source, &attempt.registry);
        // The URL of an upload or of a token may hold what is not to be shown.
        Self::Unreachable { attempt, hint, transient, source: source.without_url() }
    }
}

/// What to do about a request that got no answer, and whether another try may go better.
fn advice(error: &reqwest::Error, registry: &str) -> (String, bool) {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some causes name themselves in Debug alone.
        text += &format!("{error:?} {error}\n");
        cause = error.source();
    }
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["InvalidContentType", "corrupt message"]) {
        let hint = format!("`{registry}` speaks plain HTTP and not TLS: use its TLS port, or allow plain HTTP for it");
        return (hint, false);
    }
    if has(&["invalid peer certificate", "InvalidCertificate"]) {
        let hint =
            format!("the certificate of `{registry}` is not trusted: add its CA's certificate, and check the name");
        return (hint, false);
    }
    let hint = if has(&["ConnectionRefused"]) {
        "nothing listens there: check host and port, and that the registry runs"
    } else if has(&["dns error", "failed to lookup"]) {
        "the host is not known: check its name, and the network"
    } else if error.is_timeout() {
        "it took too long: try again, or allow more time"
    } else if error.is_body() || error.is_decode() || has(&["IncompleteMessage", "ConnectionReset", "BrokenPipe"]) {
        "the connection broke off: try again"
    } else {
        "the registry could not be reached: check host, port and network"
    };
    (hint.to_owned(), !error.is_redirect() && !error.is_builder())
}
