//! What becomes of a signal: the command in front ends, no further server starts, and what runs is stopped in order.

use std::{
    process::{Child, Command, ExitStatus},
    sync::atomic::{AtomicBool, AtomicI32, Ordering},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals},
};

use crate::error::{Error, Result};

static ASKED: AtomicBool = AtomicBool::new(false);
static FRONT: AtomicI32 = AtomicI32::new(0);

/// As long as this lives, SIGINT, SIGTERM and SIGHUP do not end the process at once.
pub struct Interrupts(Handle);

impl Interrupts {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn watch() -> Result<Self> {
        let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]);
        let mut signals = signals.map_err(|error| Error::Other(format!("cannot watch for signals: {error}")))?;
        let handle = signals.handle();
        thread::spawn(move || {
            for signal in &mut signals {
                ASKED.store(true, Ordering::Release);
                // A terminal's SIGINT has reached the command in front already.
                if signal != SIGINT
                    && let Some(front) = Pid::from_raw(FRONT.load(Ordering::Acquire))
                {
                    let _ = kill_process(front, Signal::TERM);
                }
            }
        });
        Ok(Self(handle))
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Stops what would go on, once a signal has come.
pub(crate) fn check() -> Result<()> {
    if ASKED.load(Ordering::Acquire) { Err(Error::Other("stopped by a signal".to_owned())) } else { Ok(()) }
}

/// Starts the command in front, which a signal ends.
pub(crate) fn spawn(command: &mut Command) -> Result<Child> {
    check()?;
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().map_err(|source| Error::Run { program, source })?;
    FRONT.store(i32::try_from(child.id()).unwrap_or_default(), Ordering::Release);
    Ok(child)
}

/// Waits for the command in front.
pub(crate) fn wait(mut child: Child) -> Result<ExitStatus> {
    let status = child.wait().map_err(|source| Error::Run { program: "the command".to_owned(), source });
    FRONT.store(0, Ordering::Release);
    status
}

/// Runs a command in front, which a signal ends.
///
/// # Errors
/// When it cannot be run.
pub fn run(command: &mut Command) -> Result<ExitStatus> {
    wait(spawn(command)?)
}
