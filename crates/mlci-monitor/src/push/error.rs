use crate::http::{from_fault, words};

/// Why a push did not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be one of a Pushgateway.
    #[error("the Pushgateway's address cannot be used: {rule}")]
    Address {
        /// What is wrong, or what to write.
        rule: String,
    },
    /// The credentials are not complete, or no header can hold them.
    #[error("the Pushgateway's credentials cannot be used: {rule}")]
    Credentials {
        /// What is wrong with them.
        rule: &'static str,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer came, or not in time.
    #[error("POST {url} got no answer: is a Pushgateway there?")]
    Unreachable {
        /// The address, with the group.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not take it.
    #[error("POST {url} was answered with {status}: {said}; {advice}")]
    Refused {
        /// The address, with the group.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's words.
        said: String,
        /// What to do.
        advice: &'static str,
    },
    /// Something answers there, but no Pushgateway, whose answers are empty.
    #[error("POST {url} was answered with {status} and a text that is no Pushgateway's: {said}; check the address")]
    Other {
        /// The address, with the group.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's words.
        said: String,
    },
}

from_fault!(Error);

/// What an answer means.
pub(super) fn judge(url: String, status: u16, body: &[u8]) -> Result<(), Error> {
    let said = words(body);
    let advice = match status {
        200..=299 if body.is_empty() => return Ok(()),
        200..=299 => return Err(Error::Other { url, status, said }),
        300..=399 => "the address has moved; write the one that it redirects to",
        400 => "it has other metrics of the same name; delete the group there, or use another",
        401 | 403 => {
            "set MLCI_PUSHGATEWAY_USERNAME and MLCI_PUSHGATEWAY_PASSWORD, or MLCI_PUSHGATEWAY_TOKEN, to what it lets in"
        }
        404 | 405 => "check the address: it is that of the Pushgateway, without /metrics",
        _ => "see the server's own log",
    };
    Err(Error::Refused { url, status, said, advice })
}
