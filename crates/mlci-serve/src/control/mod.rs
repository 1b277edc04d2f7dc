//! The control socket of a running server: what it serves, its listener for a successor, a listener for it, the end.
//!
//! A swap without a lost request, on one stable port: start the successor with `--listen 127.0.0.1:0` and verify it
//! on its private address; then hand the old server's listener over, and stop the old one.
//!
//! ```no_run
//! # use std::path::Path;
//! use mlci_serve::control::Control;
//!
//! let old = Control::connect(Path::new("production/old"))?;
//! let new = Control::connect(Path::new("production/new"))?;
//! let address = new.serve(&old.share()?)?; // both accept from here on
//! old.stop()?; // what it has not accepted, the new one does
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The socket is a Unix one (`SOCK_STREAM`) with mode 0600. A command is one line, the answer one line of JSON:
//!
//! | command | answer |
//! |---|---|
//! | `status` | [`Status`] |
//! | `share` | `{"address": …}`, with a duplicate of the public listener attached (`SCM_RIGHTS`, unix(7)) |
//! | `serve`, with a listening TCP socket attached | `{"address": …}`, once connections to it are accepted |
//! | `stop` | `{"stopping": true}`; the server then ends as at SIGTERM |
//!
//! A command that fails answers `{"error": …}`. Unix only: other systems cannot pass sockets like this.

mod client;
mod socket;
mod task;

use std::net::SocketAddr;

use mlci_core::{Digest, ModelName};
use serde::{Deserialize, Serialize};

pub use self::client::{Control, ControlError};
pub(crate) use self::task::Socket;

/// The name of the socket in an instance's folder.
pub const SOCKET: &str = "control.sock";

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The server's process.
    pub pid: u32,
    /// Where it listens.
    pub addresses: Addresses,
    /// The model's name.
    pub model: ModelName,
    /// The version it is served under.
    pub version: String,
    /// The digest of the model's file.
    pub digest: Digest,
    /// Whether it takes requests; false once it is stopping.
    pub ready: bool,
}

/// The addresses that a server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Reaches this very process: the listener whose port the system chose.
    pub private: Option<SocketAddr>,
    /// The stable address, which a successor may hold too: that of a fixed port, or the one taken by `serve`.
    pub public: Option<SocketAddr>,
}
