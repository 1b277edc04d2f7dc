//! The log as its users meet it: through files, threads and processes.

// clippy.toml lifts these in test functions; here the helpers between them are tests too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod damage;
mod processes;
mod property;
mod semantics;

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
};

use mlci_track::{RunId, RunLog, Timestamp};

/// A log in a folder of its own, which goes with it.
struct Scratch {
    log: RunLog,
    _folder: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { log: RunLog::open(&folder.path().join("runs")).unwrap(), _folder: folder }
    }

    /// The names of the files in the folder, sorted.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.log.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Puts a file of a run there, as another program would have left it.
    fn put(&self, number: u64, id: &str, content: impl AsRef<[u8]>) -> (RunId, PathBuf) {
        let path = self.log.folder().join(format!("{number:08}-{id}.jsonl"));
        fs::write(&path, content).unwrap();
        (id.parse().unwrap(), path)
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A clock that is a second later every time.
fn ticking() -> impl Fn() -> Timestamp {
    let seconds = AtomicI64::new(0);
    move || Timestamp::from_second(seconds.fetch_add(1, Ordering::Relaxed)).unwrap()
}

/// The chain of an error and its causes, as a program would print it.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
