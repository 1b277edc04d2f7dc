//! The children that run now, each in a process group of its own, so that a signal that ends mlci ends them too.

use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
/// How long a group that was asked to end has for it.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) struct Guard(u32);

pub(crate) fn register(pid: u32) -> Guard {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
    Guard(pid)
}

impl Drop for Guard {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|pid| *pid != self.0);
    }
}

/// Ends all of them, and what they started.
pub(crate) fn end() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
    running.into_iter().for_each(end_group);
}

/// Ends a child and what it started: asked first, then by force. The child is not waited for.
pub(crate) fn end_group(pid: u32) {
    let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    // It may be over already.
    let _ = kill_process_group(group, Signal::TERM);
    let end = Instant::now() + GRACE;
    while Instant::now() < end && test_kill_process_group(group).is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
    let _ = kill_process_group(group, Signal::KILL);
}
