use crate::http::from_fault;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be one of a Prometheus.
    #[error("the address of Prometheus cannot be used: {rule}")]
    Address {
        /// What is wrong, or what to write.
        rule: String,
    },
    /// The credentials are not complete, or no header can hold them.
    #[error("the credentials for Prometheus cannot be used: {rule}")]
    Credentials {
        /// What is wrong with them.
        rule: &'static str,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer came, or not in time.
    #[error("POST {url} got no answer within {seconds} s: is a Prometheus there?")]
    Unreachable {
        /// The address.
        url: String,
        /// How long was waited, in seconds.
        seconds: f64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not answer the question.
    #[error("POST {url} was answered with {status}: {said}; {advice}")]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's words.
        said: String,
        /// What to do.
        advice: &'static str,
    },
    /// Something answers there, but not as the API of Prometheus does, or only a part of what was asked for.
    #[error("POST {url} was answered with what is no whole answer of Prometheus: {said}")]
    Answer {
        /// The address.
        url: String,
        /// What is wrong, and the server's words.
        said: String,
    },
}

from_fault!(Error);
