use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mlci_core::{Digest, FileError, write_atomic};
use mlci_serve::control::Control;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::{
    error::{Context as _, Error, Result},
    records::Release,
};

/// One start of a server, in a folder of its own.
///
/// Whether it lives is told by a lock on its log file: the server inherits the locked file as its standard error, so
/// the lock lasts exactly as long as it does, whatever happens to the process that started it, and no process id can
/// be mistaken for another's.
pub(super) struct Instance {
    folder: PathBuf,
}

/// What a server writes once it is ready.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) pid: u32,
    pub(super) address: String,
}

/// How a server is started, besides what it serves.
pub(super) struct Start<'a> {
    /// How long idle connections stay open when it is replaced, in seconds.
    pub(super) drain: f64,
    pub(super) variables: &'a [(&'static str, String)],
}

/// How long a server that was told to stop has beyond its drain, in seconds.
pub(super) const LIMIT: f64 = 10.0;

/// How often a condition is looked at again.
const LOOK: Duration = Duration::from_millis(5);

impl Instance {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn create(parent: &Path, number: u64) -> Result<Self> {
        let folder = parent.join(format!("{number:06}"));
        fs::create_dir_all(&folder).map_err(FileError::at("create", &folder))?;
        Ok(Self { folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.name().parse().ok()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub(super) fn model(&self) -> PathBuf {
        self.folder.join("image/model/model.mlci")
    }

    /// Notes the image that it was started from.
    pub(super) fn describe(&self, release: &Release) -> Result<()> {
        Ok(write_atomic(&self.folder.join("image-digest"), release.image.to_string().as_bytes())?)
    }

    pub(super) fn described(&self) -> Result<Option<Digest>> {
        let path = self.folder.join("image-digest");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.parse().ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::at("read", &path)(error).into()),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        File::open(self.log()).is_ok_and(|log| matches!(log.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    pub(super) fn control(&self) -> Result<Control> {
        Control::connect(&self.folder).context(|| format!("the server in `{}` does not answer", self.folder.display()))
    }

    pub(super) fn spawn(&self, server: &Path, model: &Path, release: &Release, start: &Start<'_>) -> Result<Child> {
        let drain = start.drain;
        let path = self.log();
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(FileError::at("create", &path))?;
        log.lock().map_err(FileError::at("lock", &path))?;
        let output = log.try_clone().map_err(FileError::at("open", &path))?;
        let mut command = Command::new(server);
        command
            .current_dir(&self.folder)
            .arg("--model")
            .arg(model)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--control",
                "control.sock",
                "--ready-file",
                "ready.json",
                "--new-session",
            ])
            .args(["--model-version", &release.version.to_string(), "--drain-seconds", &drain.to_string()])
            .args(["--limit-seconds", &(drain + LIMIT).to_string()])
            // Nothing of the caller's: not its settings, not its secrets.
            .env_clear()
            .envs(start.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(log);
        // Whoever waits for the end of a pipe that this process has inherited would wait for the server's.
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
        let mut tries = 0;
        let child = loop {
            match command.spawn() {
                Ok(child) => break child,
                // Another thread's child had the fresh file open for writing between its fork and its exec.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < 100 => {
                    tries += 1;
                    thread::sleep(LOOK);
                }
                Err(source) => {
                    return Err(Error::fail(format!("cannot start `{}`", server.display()))
                        .because(source)
                        .help("the image holds a Linux server; on another system name one that runs here"));
                }
            }
        };
        write_atomic(&self.folder.join("pid"), child.id().to_string().as_bytes())?;
        Ok(child)
    }

    pub(super) fn wait_ready(&self, child: &mut Child, limit: Duration) -> Result<Ready> {
        let path = self.folder.join("ready.json");
        let end = Instant::now() + limit;
        loop {
            if let Ok(bytes) = fs::read(&path) {
                let mut ready: Ready =
                    serde_json::from_slice(&bytes).context(|| format!("cannot read `{}`", path.display()))?;
                ready.address = format!("http://{}", ready.address);
                return Ok(ready);
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(Error::fail(format!("the server ended before it was ready: {status}")));
            }
            if Instant::now() > end {
                return Err(Error::fail(format!("the server was not ready within {} s", limit.as_secs()))
                    .help("give it longer: ready_seconds"));
            }
            thread::sleep(LOOK);
        }
    }

    /// Adds the last lines of the server's log to an error.
    pub(super) fn with_log(&self, error: Error) -> Error {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<String> = text.lines().rev().take(10).map(readable).collect();
        if lines.is_empty() {
            return error;
        }
        let last: Vec<String> = lines.into_iter().rev().collect();
        let (outcome, help) = (error.outcome, error.help.clone());
        let mut causes = vec![error.message.clone()];
        causes.extend(error.causes());
        let mut with =
            Error::new(outcome, causes.join(": ")).because(format!("its last log lines:\n{}", last.join("\n")));
        with.help = help;
        with
    }

    /// Stops it and waits for its end: by its control socket, and by force after `grace`. Returns whether it lived.
    pub(super) fn stop(&self, grace: Duration) -> Result<bool> {
        if !self.is_alive() {
            return Ok(false);
        }
        // A server that was just started may not have its socket yet.
        let asked = wait_for(Duration::from_secs(1), || self.control().is_ok_and(|control| control.stop().is_ok()));
        if !asked {
            self.signal(Signal::TERM);
        }
        if !wait_for(grace, || !self.is_alive()) {
            self.kill()?;
        }
        Ok(true)
    }

    /// Ends it at once, answered or not.
    pub(super) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL);
        if wait_for(Duration::from_secs(2), || !self.is_alive()) { Ok(()) } else { Err(self.stuck()) }
    }

    fn stuck(&self) -> Error {
        Error::fail(format!("the server in `{}` cannot be stopped", self.folder.display()))
            .help("see which process has its log open, and end it")
    }

    /// The process, as it was when it was started.
    pub(super) fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.folder.join("pid")).ok().and_then(|text| text.trim().parse().ok())
    }

    fn signal(&self, signal: Signal) {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok());
        // Only called while the log is locked, so the process that has the number is the server.
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    pub(super) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::at("remove", &self.folder)(error).into())
            }
            _ => Ok(()),
        }
    }
}

/// What a line of JSON says to a person; any other line as it is.
fn readable(line: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let said =
        parsed.as_ref().and_then(|line| Some((line.get("log.level")?.as_str()?, line.get("message")?.as_str()?)));
    said.map_or_else(|| line.to_owned(), |(level, message)| format!("{level}: {message}"))
}

/// Waits until a condition holds; false when it does not within `limit`.
fn wait_for(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_machines_are_read_to_people() {
        for (line, said) in [
            (r#"{"log.level": "error", "message": "cannot listen"}"#, "error: cannot listen"),
            ("mlci-serve 0.1.0: serving", "mlci-serve 0.1.0: serving"),
            (r#"{"message": 1}"#, r#"{"message": 1}"#),
        ] {
            assert_eq!(readable(line), said);
        }
    }
}
