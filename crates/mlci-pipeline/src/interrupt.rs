//! A signal ends a command in order: its children end, its run is closed as killed, and the exit code says which signal.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use mlci_track::{Run, Status};

use crate::{
    command::children,
    error::{Context as _, Result},
    event::StageEnd,
};

static ENDING: AtomicBool = AtomicBool::new(false);
static STAGES: Mutex<Vec<StageEnd>> = Mutex::new(Vec::new());
static RUN: Mutex<Option<Arc<Run>>> = Mutex::new(None);

/// The run that a signal has to close.
pub(crate) fn watch(run: Option<Arc<Run>>) {
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = run;
}

/// A stage that is over, for the last line of a command that a signal ends.
pub(crate) fn note(stage: &StageEnd) {
    STAGES.lock().unwrap_or_else(PoisonError::into_inner).push(stage.clone());
}

/// Once a signal has come, only its handler speaks: a command whose children were ended would report their end as a
/// failure.
pub(crate) fn stand_still_if_ending() {
    while ENDING.load(Ordering::Acquire) {
        thread::park();
    }
}

/// A signal has come; what is to be undone first may still be.
static ASKED: AtomicBool = AtomicBool::new(false);
static UNDOING: Mutex<usize> = Mutex::new(0);
static UNDONE: Condvar = Condvar::new();
/// Longer than a cluster is waited for that answers at all; who does not wait ends the command by SIGKILL.
const UNDO_WITHIN: Duration = Duration::from_secs(30);

/// Something that this command has made elsewhere, and takes back before a signal ends it. The signal waits until this
/// is dropped, or for 30 s.
#[derive(Debug)]
pub(crate) struct Undo(());

#[cfg_attr(not(feature = "kubernetes"), expect(dead_code, reason = "what is in a cluster has to be undone"))]
impl Undo {
    pub(crate) fn begin() -> Self {
        *UNDOING.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }

    /// Ends when a signal has come.
    pub(crate) async fn wanted(&self) {
        while !ASKED.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// It is undone for the signal, which ends the process now.
    pub(crate) fn end(self) -> ! {
        drop(self);
        loop {
            thread::park();
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let mut count = UNDOING.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.saturating_sub(1);
        UNDONE.notify_all();
    }
}

/// What a signal ended.
#[derive(Debug)]
pub struct Interrupted {
    /// 128 + the signal's number.
    pub exit_code: u8,
    /// The signal's name.
    pub signal: &'static str,
    /// The run that was open.
    pub run: Option<String>,
    /// The stages that were over.
    pub stages: Vec<StageEnd>,
}

/// The signals that end a command, by number. SIGHUP comes when a terminal closes, SIGQUIT from Ctrl-\.
const SIGNALS: [(i32, &str); 4] = [(1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (15, "SIGTERM")];

/// From now on SIGHUP, SIGINT, SIGQUIT and SIGTERM end this process: `last` is called after children and run are seen
/// to, and the exit code is 128 + the signal's number. What the command was writing is whole or absent, as after a
/// crash.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn install(last: impl FnOnce(Interrupted) + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context(|| "cannot watch for signals".to_owned())?;
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = runtime.enter();
        let watched = SIGNALS.map(|(number, name)| Ok((signal(SignalKind::from_raw(number))?, number, name)));
        let watched: std::io::Result<Vec<_>> = watched.into_iter().collect();
        watched.context(|| "cannot watch for signals".to_owned())?
    };
    thread::spawn(move || {
        let mut signals = signals;
        let (number, name) = runtime.block_on(std::future::poll_fn(|context| {
            for (signal, number, name) in &mut signals {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready((*number, *name));
                }
            }
            Poll::Pending
        }));
        ASKED.store(true, Ordering::Release);
        let undoing = UNDOING.lock().unwrap_or_else(PoisonError::into_inner);
        drop(UNDONE.wait_timeout_while(undoing, UNDO_WITHIN, |count| *count > 0));
        ENDING.store(true, Ordering::Release);
        children::end();
        let run = RUN.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(run) = &run {
            // There is nobody left to tell; the next start closes the run then.
            let _ = run.finish(Status::Killed, Some(name));
        }
        let code = 128 + u8::try_from(number).unwrap_or_default();
        let stages = STAGES.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last(Interrupted { exit_code: code, signal: name, run: run.map(|run| run.id().to_string()), stages });
        std::process::exit(i32::from(code));
    });
    Ok(())
}
