//! kubectl: the other side, and the eye on the cluster that both are timed by.

use std::{
    io::BufReader,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Deserializer, Value};

use crate::Result;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn context() -> Result<String> {
    std::env::var("MLCI_LAB_KUBE_CONTEXT").map_err(|_| "MLCI_LAB_KUBE_CONTEXT has to name a context".into())
}

pub(crate) fn kubectl(namespace: &str) -> Result<Command> {
    let mut command = Command::new("kubectl");
    command.args(["--context", &context()?, "--namespace", namespace]).stdin(Stdio::null());
    Ok(command)
}

pub(crate) fn succeed(command: &mut Command) -> Result<Output> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// A namespace that goes with it.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    pub(crate) fn make(case: &str, run: usize) -> Result<Self> {
        let name = format!("mlci-bench-{}-{case}-{run}", std::process::id());
        succeed(kubectl("default")?.args(["create", "namespace", &name]))?;
        Ok(Self(name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Ok(mut command) = kubectl("default") {
            let _ = command.args(["delete", "namespace", &self.0, "--wait=false"]).output();
        }
    }
}

/// The states of objects as the cluster tells them, with the moment when each was heard of.
pub(crate) struct Watch {
    process: Child,
    states: Receiver<(Instant, Value)>,
}

impl Watch {
    pub(crate) fn of(kind: &str, namespace: &str) -> Result<Self> {
        let mut command = kubectl(namespace)?;
        command.args(["get", kind, "--watch", "--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let output = process.stdout.take().ok_or("no output of kubectl")?;
        let (sender, states) = channel();
        thread::spawn(move || {
            for state in Deserializer::from_reader(BufReader::new(output)).into_iter::<Value>().flatten() {
                // Where a list is asked for, the objects of it come one by one.
                if sender.send((Instant::now(), state)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { process, states })
    }

    /// When a state was heard of that is as wanted.
    pub(crate) fn when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Instant> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.states.recv_timeout(left) {
                Ok((moment, state)) if wanted(&state) => return Ok(moment),
                Ok(_) => {}
                Err(error) => return Err(format!("{what} did not show: {error}").into()),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a command in a thread; when it was started and when it had ended.
pub(crate) fn timed(mut command: Command) -> thread::JoinHandle<Result<(Instant, Instant, Output)>> {
    thread::spawn(move || {
        let start = Instant::now();
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        Ok((start, Instant::now(), output))
    })
}

pub(crate) fn joined<T>(thread: thread::JoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| "a thread has panicked")?
}
