use std::time::Duration;

use mlci_model::InvalidModel;

/// Why a server is not the one that was meant, or cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The address is none.
    #[error("`{address}` is no address of a model server: {problem}; write http://HOST:PORT")]
    Address {
        /// The address as it was given.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The address has a `@`, as one with a user's name and password has. It is not quoted, since messages are logged.
    #[error(
        "an address with `@` is not taken, and not shown, for it may hold a password: {problem}; write http://HOST:PORT"
    )]
    Credentials {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No reply came, or it broke off.
    #[error("{request} got no answer")]
    NoAnswer {
        /// Method and address.
        request: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The reply was not there in time.
    #[error("{request} got no answer within {} s", limit.as_secs_f64())]
    Late {
        /// Method and address.
        request: String,
        /// How long it might take.
        limit: Duration,
    },
    /// The server answered, and not with 200.
    #[error("{request} answered {status}: {body}")]
    Status {
        /// Method and address.
        request: String,
        /// The status.
        status: u16,
        /// The beginning of the reply's body, in one line.
        body: String,
    },
    /// Another model, version or process answers.
    #[error("{address} is not what was expected: its {header} is `{got}`, not `{wanted}`")]
    Other {
        /// Who was asked.
        address: String,
        /// The header that says so.
        header: &'static str,
        /// Its value; empty where the reply has none.
        got: String,
        /// The value that was expected.
        wanted: String,
    },
    /// The predictions are no answer of the Open Inference Protocol.
    #[error(
        "the answer to {request} is no answer of the Open Inference Protocol: line {}, column {} is not as it should be",
        place.0, place.1
    )]
    Unreadable {
        /// Method and address.
        request: String,
        /// Line and column of its body, from 1: what stands there may be of any length.
        place: (usize, usize),
    },
    /// There are more or fewer predictions than rows.
    #[error("{request} gave {predictions} predictions for {rows} rows")]
    Count {
        /// Method and address.
        request: String,
        /// How many came back.
        predictions: usize,
        /// How many rows were sent.
        rows: usize,
    },
    /// A prediction is another than the model made.
    #[error("{address} does not predict what the model did when it was made")]
    Golden {
        /// Who was asked.
        address: String,
        /// Which.
        source: InvalidModel,
    },
}
