//! A release that is locked: its newest revision is pending. Helm refuses every operation on it until that has ended, and
//! one that was killed, as with a job that was cancelled, never ends.
//!
//! Nothing in the cluster says whether it still runs. So the lock is waited for, and one that is older than
//! `lock_seconds` counts as left behind.

use std::{
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Helm,
    history::{Revision, served_before},
};
use crate::error::Result;

/// How often it is looked whether a lock is gone.
const LOOK: Duration = Duration::from_secs(1);

impl Helm {
    /// Waits until no other operation is under way, or the one that seems to be was left behind; then that is taken back.
    /// Returns the release's history.
    pub(super) fn unlocked(&self, progress: &dyn Fn(String)) -> Result<Vec<Revision>> {
        let limit = self.lock_limit();
        let mut seen: Option<(u32, Instant)> = None;
        loop {
            let history = self.program.history()?;
            let Some(last) = history.last().filter(|last| last.is_pending()) else { return Ok(history) };
            let since = match seen {
                Some((revision, since)) if revision == last.revision => since,
                _ => {
                    progress(self.locked(last));
                    let now = Instant::now();
                    seen = Some((last.revision, now));
                    now
                }
            };
            // By our own clock too, where the one of whoever began it is ahead.
            let age = last.age(Timestamp::now()).max(since.elapsed());
            if age >= limit {
                self.take_back(&history, last, progress)?;
            } else {
                thread::sleep(LOOK.min(limit - age));
            }
        }
    }

    /// What holds a release, in words.
    pub(super) fn locked(&self, last: &Revision) -> String {
        let Revision { revision, updated, status, description } = last;
        format!(
            "the release `{}` is locked: its revision {revision} is {status} since {updated:.0} ({description}). It is \
             waited for, and counts as left behind once it is {} s old (`lock_seconds`)",
            self.release(),
            self.lock_limit().as_secs()
        )
    }

    fn take_back(&self, history: &[Revision], last: &Revision, progress: &dyn Fn(String)) -> Result<()> {
        let number = last.revision;
        match served_before(history, number) {
            _ if last.goes() => {
                progress(format!("its end at revision {number} was left behind, and is brought to its end"));
                self.uninstall()
            }
            Some(earlier) => {
                progress(format!("revision {number} was left behind: the release goes back to revision {earlier}"));
                self.roll_back(earlier)
            }
            None => {
                progress(format!("revision {number} was left behind, and none served before: it is uninstalled"));
                self.uninstall()
            }
        }
    }
}
