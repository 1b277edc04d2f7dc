//! Processes that outlive whoever started them, told apart for sure, and ended with all that they have started.

use std::{
    fs,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};

/// How long a server may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// A process that leads a group of its own.
///
/// Its start time tells it from a later process with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The process, and its group.
    pub pid: i32,
    /// When it began, in ticks since the machine did.
    pub began: u64,
}

impl Process {
    /// The process with this number, if there is one.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid: i32::try_from(pid).ok()?, began: began(pid)? })
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        u32::try_from(self.pid).ok().and_then(began) == Some(self.began)
    }

    /// Ends the group: asks, waits, and kills what is left.
    pub(crate) fn stop(&self) {
        let Some(group) = Pid::from_raw(self.pid) else { return };
        // Members may live on when the leader is gone; its number is not given again while they do.
        if !self.is_alive() && (u32::try_from(self.pid).ok().and_then(began).is_some() || !lives(group)) {
            return;
        }
        let _ = kill_process_group(group, Signal::TERM);
        let end = Instant::now() + PATIENCE;
        while lives(group) && Instant::now() < end {
            sleep(LOOK);
        }
        if lives(group) {
            let _ = kill_process_group(group, Signal::KILL);
            let end = Instant::now() + PATIENCE;
            while lives(group) && Instant::now() < end {
                sleep(LOOK);
            }
        }
    }
}

/// A command that ends what a component has started and what is no process of the lab's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    program: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Stop {
    pub(crate) fn of(command: &Command) -> Self {
        let text = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
        let variables = command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
        Self {
            program: text(command.get_program()),
            arguments: command.get_args().map(text).collect(),
            variables: variables.collect(),
        }
    }

    /// Runs it. What it could not end, the next one tries again.
    pub(crate) fn run(&self) {
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let mut command = Command::new(&self.program);
        let _ = command.args(&self.arguments).envs(variables).stdin(Stdio::null()).stdout(Stdio::null()).status();
    }
}

/// Whether any process of the group runs. Those that have ended and are not waited for do not count.
fn lives(group: Pid) -> bool {
    test_kill_process_group(group).is_ok() && members(group.as_raw_nonzero().get())
}

fn members(group: i32) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).any(|pid| {
        stat(pid).is_some_and(|fields| {
            let state = fields.first().map(String::as_str);
            fields.get(2).and_then(|field| field.parse::<i32>().ok()) == Some(group)
                && !matches!(state, Some("Z" | "X"))
        })
    })
}

/// When a process began: field 22 of `/proc/PID/stat` (proc(5)). One that has ended and is not waited for is none.
fn began(pid: u32) -> Option<u64> {
    let fields = stat(pid)?;
    if matches!(fields.first().map(String::as_str), Some("Z" | "X")) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// The fields behind the name, which may hold blanks and brackets itself.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt as _, process::Command};

    use super::*;

    #[test]
    fn a_group_ends_with_all_that_it_has_started() {
        // The shell starts a child that ignores SIGTERM's way of asking only by dying late.
        let mut child = Command::new("sh").args(["-c", "sleep 300 & sleep 300"]).process_group(0).spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(process.is_alive());
        process.stop();
        child.wait().unwrap();
        assert!(!process.is_alive() && !members(process.pid));
    }

    #[test]
    fn another_process_with_the_same_number_is_left_alone() {
        let mut child = Command::new("sleep").arg("300").process_group(0).spawn().unwrap();
        let real = Process::of(child.id()).unwrap();
        let earlier = Process { pid: real.pid, began: real.began - 1 };
        earlier.stop();
        assert!(real.is_alive() && !earlier.is_alive());
        real.stop();
        child.wait().unwrap();
    }
}
