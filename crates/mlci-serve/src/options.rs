use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{body::Limits, log::Log};

/// How a server listens and stops. [`ServerOptions::default`] listens on 127.0.0.1:8080.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The address to listen on. With port 0 the system chooses one, and the listener is a private one, for
    /// verification: such a server gets its public listener over the control socket.
    pub listen: SocketAddr,
    /// How long connections without a request stay open once the server stops, so that a client that is about to send
    /// gets its answer, and learns from it that the connection closes. 2 s.
    pub drain: Duration,
    /// When the server ends after it was told to stop, answered or not. 10 s.
    pub limit: Duration,
    /// The largest body, in bytes. 16 MiB.
    pub body_limit: usize,
    /// How long a body may take to come. 30 s.
    pub body_timeout: Duration,
    /// How long the head of a request may take to come, and a connection may stay without a request. 75 s: longer than
    /// the 60 s for which proxies keep connections, so that it is they who close.
    pub idle_timeout: Duration,
    /// Where to make a control socket (see [`control`](crate::control)). Unix only.
    pub control: Option<PathBuf>,
    /// Where to write `{"pid": …, "address": "…"}` once the server answers. Written atomically.
    pub ready_file: Option<PathBuf>,
    /// Where requests are logged; nowhere by default. Starts and stops are the caller's to log.
    pub log: Option<Log>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            drain: Duration::from_secs(2),
            limit: Duration::from_secs(10),
            body_limit: limits.bytes,
            body_timeout: limits.time,
            idle_timeout: Duration::from_secs(75),
            control: None,
            ready_file: None,
            log: None,
        }
    }
}
