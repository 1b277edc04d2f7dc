//! The server's log: a line of text or of JSON (Elastic Common Schema) for each start, stop, panic and request.
//!
//! Lines are formatted and written by a thread of their own. A request only leaves a note in a queue of bounded length;
//! where that is full, since the log's reader has stopped reading, the note is dropped and counted
//! (`mlci_log_lines_dropped_total`, and a line once lines get through again). No state of the log holds up a request.
//!
//! ```
//! use std::time::Duration;
//!
//! use mlci_serve::log::{Log, LogFormat, LogOptions};
//!
//! let options = LogOptions { format: LogFormat::Ecs, ..LogOptions::default() };
//! let log = Log::new(options, std::io::stderr())?;
//! log.failed("start", "cannot listen on 127.0.0.1:80");
//! log.close(Duration::from_secs(1)); // writes what is left
//! # Ok::<(), std::io::Error>(())
//! ```

mod ecs;
mod entry;
mod text;
mod writer;

use std::{
    io::{self, Write},
    net::SocketAddr,
    panic,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, SystemTime},
};

use axum::http::StatusCode;
use prometheus_client::metrics::counter::Counter;

pub use self::ecs::VERSION as ECS_VERSION;
pub(crate) use self::entry::{Asked, Request, Seen};
use self::{
    entry::{Entry, Event, Kind, Service},
    writer::{End, Writer},
};
use crate::ServedModel;

/// How many lines may wait to be written.
const QUEUE: usize = 1024;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object in the Elastic Common Schema, version [`ECS_VERSION`].
    Ecs,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "text" => Ok(Self::Text),
            "ecs" => Ok(Self::Ecs),
            _ => Err(()),
        }
    }
}

/// Which requests get a line. Probes (`/livez`, `/readyz`, `/v2/health/…`) and `/metrics` never do: they come every few
/// seconds and say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogRequests {
    /// None.
    None,
    /// Those with a status from 400 on.
    #[default]
    Errors,
    /// All.
    All,
}

impl FromStr for LogRequests {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "none" => Ok(Self::None),
            "errors" => Ok(Self::Errors),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// How a line looks.
    pub format: LogFormat,
    /// Which requests get a line.
    pub requests: LogRequests,
    /// Where the server runs, such as `staging`: `service.environment`.
    pub environment: Option<String>,
}

/// A log, to be shared. [`Log::close`] before the process ends, or the last lines may be missing.
#[derive(Debug, Clone)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: SyncSender<Entry>,
    requests: LogRequests,
    dropped: Counter,
    closing: Arc<AtomicBool>,
    end: Arc<End>,
    writer: std::thread::Thread,
}

impl Log {
    /// A log that is written to `out`, by a thread that this starts. `out` may block or fail.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn new(options: LogOptions, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, entries) = sync_channel(QUEUE);
        let (dropped, closing, end) = (Counter::default(), Arc::default(), Arc::default());
        let requests = options.requests;
        let writer = Writer::new(options, out, dropped.clone());
        let (is_closing, ended) = (Arc::clone(&closing), Arc::clone(&end));
        let thread = std::thread::Builder::new().name("log".to_owned());
        let thread = thread.spawn(move || writer.run(&entries, &is_closing, &ended))?;
        let writer = thread.thread().clone();
        Ok(Self(Arc::new(Inner { queue, requests, dropped, closing, end, writer })))
    }

    /// A server that takes requests.
    pub fn started(&self, address: SocketAddr, took: Duration) {
        self.event(Kind::Started { address, took });
    }

    /// A server that has come to its end.
    pub fn stopped(&self) {
        self.event(Kind::Stopped);
    }

    /// What went wrong, `action` such as `start`.
    pub fn failed(&self, action: &'static str, error: &str) {
        self.event(Kind::Failed { action, error: error.to_owned() });
    }

    /// From now on a panic of this process is a line of this log, and no longer several on standard error.
    pub fn take_panics(&self) {
        let log = self.clone();
        panic::set_hook(Box::new(move |info| {
            // Its Display is the place and the message.
            log.failed("panic", &info.to_string());
        }));
    }

    /// Writes what is left and ends the thread; waits no longer than `limit`. Says whether all was written.
    pub fn close(&self, limit: Duration) -> bool {
        self.0.closing.store(true, Ordering::SeqCst);
        // Wakes the thread; a full queue does so too.
        let _ = self.0.queue.try_send(Entry::Wake);
        self.0.writer.unpark();
        self.0.end.wait(limit)
    }

    /// What all following lines state.
    pub(crate) fn serves(&self, served: &ServedModel) {
        self.send(Entry::Serves(Service {
            name: served.model().name().to_string(),
            version: served.version().to_owned(),
            digest: served.digest().to_string(),
        }));
    }

    /// Lines that were not written.
    pub(crate) fn dropped(&self) -> Counter {
        self.0.dropped.clone()
    }

    /// Whether any request is logged.
    pub(crate) fn has_requests(&self) -> bool {
        self.0.requests != LogRequests::None
    }

    /// Whether a request that is answered with this is logged, wherever it went.
    pub(crate) fn wants(&self, status: StatusCode) -> bool {
        match self.0.requests {
            LogRequests::None => false,
            LogRequests::Errors => status.as_u16() >= 400,
            LogRequests::All => true,
        }
    }

    pub(crate) fn request(&self, request: Request) {
        self.send(Entry::Request(Box::new(request)));
    }

    fn event(&self, kind: Kind) {
        self.send(Entry::Event(Box::new(Event { time: SystemTime::now(), kind })));
    }

    fn send(&self, entry: Entry) {
        if self.0.queue.try_send(entry).is_err() {
            self.0.dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests;
