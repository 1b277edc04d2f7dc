//! Programs that stages run. What they print goes to a log file and to the observer, never to standard output.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use mlci_core::FileError;

use crate::{
    error::{Error, Result},
    event::Event,
    pipeline::Pipeline,
};

/// How many of its last lines an error shows.
const LAST_LINES: usize = 20;
/// How long the end of a program's output is waited for once it is over.
const LOOK: Duration = Duration::from_millis(200);

/// Runs a program to its end. Its lines go to `log` and, as events of the stage, to the observer.
///
/// # Errors
/// When it cannot be started (with what to check), or does not end with 0 (with its last lines).
pub(crate) fn run(mut command: Command, stage: &str, log: &Path, pipeline: &Pipeline) -> Result<()> {
    let shown = pipeline.redact(shown(&command));
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
    }
    let mut file = File::create(log).map_err(FileError::at("create", log))?;
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|source| {
        let help = match source.kind() {
            std::io::ErrorKind::NotFound => "is the program installed and on PATH? A command is a list of program and arguments, not a shell line",
            _ => "see whether the program can be started by hand",
        };
        Error::fail(format!("cannot start `{shown}`")).because(source).help(help)
    })?;
    let _guard = children::register(child.id());
    let (sender, receiver) = mpsc::channel();
    let readers = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for pipe in readers.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || forward(pipe, &sender));
    }
    drop(sender);
    let mut last = VecDeque::new();
    let mut take = |line: String| {
        let line = pipeline.redact(line);
        let _ = writeln!(file, "{line}");
        pipeline.event(&Event::Output { name: stage.to_owned(), line: line.clone() });
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    };
    let lost = |source| Error::fail(format!("`{shown}` was lost")).because(source);
    let status = loop {
        match receiver.recv_timeout(LOOK) {
            Ok(line) => take(line),
            Err(RecvTimeoutError::Disconnected) => break child.wait().map_err(lost)?,
            Err(RecvTimeoutError::Timeout) => {
                // It is over, but something that it started holds its output open, and may do so for ever.
                if let Some(status) = child.try_wait().map_err(lost)? {
                    while let Ok(line) = receiver.recv_timeout(LOOK) {
                        take(line);
                    }
                    break status;
                }
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    let tail: Vec<String> = last.into();
    let mut error =
        Error::fail(format!("`{shown}` failed: {status}")).help(format!("its whole output: {}", log.display()));
    if !tail.is_empty() {
        error = error.because(format!("its last lines:\n{}", tail.join("\n")));
    }
    Err(error)
}

fn forward(pipe: Box<dyn Read + Send>, sender: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                if sender.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                    return;
                }
            }
        }
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The children that run now, each in a process group of its own, so that a signal that ends mlci ends them too.
pub(crate) mod children {
    use std::sync::{Mutex, PoisonError};

    static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

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

    /// Ends all of them, and what they started: asked first, then by force.
    pub(crate) fn end() {
        use rustix::process::{Signal, kill_process_group, test_kill_process_group};

        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let groups = running.into_iter().filter_map(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
        for group in groups {
            // It may be over already.
            let _ = kill_process_group(group, Signal::TERM);
            let end = std::time::Instant::now() + std::time::Duration::from_secs(2);
            while std::time::Instant::now() < end && test_kill_process_group(group).is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
