//! The thread that formats and writes.

use std::{
    io::Write,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    thread,
    time::{Duration, SystemTime},
};

use prometheus_client::metrics::counter::Counter;

use super::{
    LogFormat, LogOptions, ecs,
    entry::{Entry, Event, Kind, Service},
    text,
};

/// What is written at once, in bytes, as far as there is so much.
const BATCH: usize = 64 << 10;

/// After it has written, the thread lets lines gather: under load they wake it once, and not once each.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Writer<W> {
    options: LogOptions,
    out: W,
    service: Option<Service>,
    dropped: Counter,
    /// How many of the dropped ones were told of.
    told: u64,
    batch: String,
    lines: u64,
    /// Whether the last write failed, perhaps in the middle of a line.
    broken: bool,
}

/// Tells that the thread has ended.
#[derive(Debug, Default)]
pub(super) struct End {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl End {
    fn set(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub(super) fn wait(&self, limit: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(ended, limit, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<W: Write> Writer<W> {
    pub(super) fn new(options: LogOptions, out: W, dropped: Counter) -> Self {
        Self { options, out, service: None, dropped, told: 0, batch: String::new(), lines: 0, broken: false }
    }

    pub(super) fn run(mut self, entries: &Receiver<Entry>, closing: &AtomicBool, end: &End) {
        // Whoever sets `closing` puts something into the queue, or found it full: `recv` does not wait for ever.
        let next = || if closing.load(Ordering::SeqCst) { entries.try_recv().ok() } else { entries.recv().ok() };
        while let Some(entry) = next() {
            self.take(entry);
            while self.batch.len() < BATCH {
                match entries.try_recv() {
                    Ok(entry) => self.take(entry),
                    Err(_) => break,
                }
            }
            let full = self.batch.len() >= BATCH;
            self.write();
            if !full && !closing.load(Ordering::SeqCst) {
                thread::park_timeout(PAUSE);
            }
        }
        end.set();
    }

    fn take(&mut self, entry: Entry) {
        let context = ecs::Context { service: self.service.as_ref(), environment: self.options.environment.as_deref() };
        let line = match (entry, self.options.format) {
            (Entry::Serves(service), _) => {
                self.service = Some(service);
                return;
            }
            (Entry::Wake, _) => return,
            (Entry::Event(event), LogFormat::Text) => text::event(&event, self.service.as_ref()),
            (Entry::Event(event), LogFormat::Ecs) => ecs::event(&event, &context),
            (Entry::Request(request), LogFormat::Text) => text::request(&request),
            (Entry::Request(request), LogFormat::Ecs) => ecs::request(&request, &context),
        };
        self.batch.push_str(&line);
        self.batch.push('\n');
        self.lines += 1;
    }

    fn write(&mut self) {
        let dropped = self.dropped.get();
        if dropped > self.told {
            let kind = Kind::Dropped { lines: dropped - self.told };
            self.take(Entry::Event(Box::new(Event { time: SystemTime::now(), kind })));
            self.lines -= 1;
        }
        if self.broken && !self.batch.is_empty() {
            self.batch.insert(0, '\n');
        }
        let written = self.out.write_all(self.batch.as_bytes()).and_then(|()| self.out.flush());
        self.broken = written.is_err() || (self.broken && self.batch.is_empty());
        match written {
            Ok(()) => self.told = dropped,
            // A log that cannot be written is no reason to stop serving; it counts.
            Err(_) => drop(self.dropped.inc_by(self.lines)),
        }
        self.batch.clear();
        self.lines = 0;
    }
}
