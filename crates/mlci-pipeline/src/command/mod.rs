//! Programs that stages run, the team's own among them. What they print goes to a log file and to the observer, never to
//! standard output.

pub(crate) mod children;
pub(crate) mod environment;
pub(crate) mod inputs;
mod lines;

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use mlci_core::FileError;

use crate::{
    error::{Context as _, Error, Result},
    event::Event,
    pipeline::Pipeline,
};

/// How many of its last lines an error shows.
const LAST_LINES: usize = 20;
/// How often it is looked whether a program is over.
const LOOK: Duration = Duration::from_millis(200);
/// How long what a program has left behind may go on printing before nobody listens any more.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// How many lines may wait to be taken; then the program waits.
const AHEAD: usize = 1024;

/// What a program printed.
#[derive(Debug)]
pub(crate) struct Printed {
    last: VecDeque<String>,
    log: PathBuf,
}

/// How long a program may run, and the key of the configuration that says so.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    pub(crate) time: Duration,
    pub(crate) key: String,
}

impl Printed {
    /// Its last lines, as a reason in an error.
    pub(crate) fn reason(&self) -> Option<String> {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        (!lines.is_empty()).then(|| format!("its last lines:\n{}", lines.join("\n")))
    }

    /// Where all of it is.
    pub(crate) fn whereabouts(&self) -> String {
        format!("its whole output: {}", self.log.display())
    }
}

/// A command of the configuration, to be run in the folder of the configuration; `None` for one without a program.
pub(crate) fn of(words: &[String], pipeline: &Pipeline) -> Result<Option<Command>> {
    let Some((program, arguments)) = words.split_first() else { return Ok(None) };
    let root = std::path::absolute(pipeline.root()).map_err(FileError::at("locate", pipeline.root()))?;
    // Whether a relative path is looked for in the old or the new working folder differs from system to system.
    let mut command = if program.contains('/') { Command::new(root.join(program)) } else { Command::new(program) };
    command.args(arguments).current_dir(root);
    Ok(Some(command))
}

/// Runs a program to its end. Its lines go to `log` and, as events of the stage, to the observer.
///
/// # Errors
/// When it cannot be started (with what to check), does not end with 0 or within its limit (with its last lines).
pub(crate) fn run(
    mut command: Command,
    stage: &str,
    log: &Path,
    limit: Option<&Limit>,
    pipeline: &Pipeline,
) -> Result<Printed> {
    let shown = pipeline.redact(shown(&command, pipeline));
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
    }
    let mut file = File::create(log).map_err(FileError::at("create", log))?;
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let started = Instant::now();
    // One pipe for both, so that a traceback stands behind what was printed before it.
    let (reader, writer) = io::pipe().context(|| format!("cannot listen to `{shown}`"))?;
    let other = writer.try_clone().context(|| format!("cannot listen to `{shown}`"))?;
    let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(other).spawn().map_err(|source| {
        let help = match source.kind() {
            io::ErrorKind::NotFound => {
                "is the program installed and on PATH? A command is a list of program and arguments, not a shell line"
            }
            io::ErrorKind::PermissionDenied => {
                "make the file executable, or name the program that runs it first, such as \"python3\" or \"sh\""
            }
            _ => "see whether the program can be started by hand",
        };
        Error::fail(format!("cannot start `{shown}`")).because(source).help(help)
    })?;
    let _guard = children::register(child.id());
    // It holds our end for writing, and only once nobody does the pipe is at its end.
    drop(command);
    let receiver = listen(reader);
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
    let end = limit.and_then(|limit| started.checked_add(limit.time));
    let status = follow(&mut child, &receiver, end, &mut take)
        .map_err(|source| Error::fail(format!("`{shown}` was lost")).because(source))?;
    let printed = Printed { last, log: log.to_owned() };
    let (message, help) = match (status, limit) {
        (Some(status), _) if status.success() => return Ok(printed),
        (Some(status), _) => (format!("`{shown}` failed: {status}"), printed.whereabouts()),
        (None, limit) => {
            let (seconds, key) = limit.map(|limit| (limit.time.as_secs(), limit.key.as_str())).unwrap_or_default();
            (
                format!("`{shown}` ran for longer than {seconds} s and was ended, with all that it had started"),
                format!("if it needs that long, raise {key}; {}", printed.whereabouts()),
            )
        }
    };
    Err(Error::fail(message).because_of(printed.reason()).help(help))
}

/// The lines that come through a pipe.
fn listen(pipe: io::PipeReader) -> Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(AHEAD);
    thread::spawn(move || lines::forward(pipe, &|line| sender.send(line).is_ok()));
    receiver
}

/// Takes a program's lines until it is over. `None`: it was not over at `end`, and was ended with its whole group.
fn follow(
    child: &mut Child,
    lines: &Receiver<String>,
    end: Option<Instant>,
    take: &mut impl FnMut(String),
) -> io::Result<Option<ExitStatus>> {
    let mut looked = Instant::now();
    let status = loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => take(line),
            Err(RecvTimeoutError::Timeout) => {}
            // It prints nothing more, which does not mean that it is over.
            Err(RecvTimeoutError::Disconnected) => {
                if let Some(status) = child.try_wait()? {
                    return Ok(Some(status));
                }
                thread::sleep(LOOK / 10);
            }
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            children::end_group(child.id());
            child.wait()?;
            break None;
        }
    };
    // Something that it started may hold its output open, and print for ever.
    let silence = Instant::now() + AFTERWARDS;
    while Instant::now() < silence
        && let Ok(line) = lines.recv_timeout(LOOK)
    {
        take(line);
    }
    Ok(status)
}

/// The command as the configuration has it.
fn shown(command: &Command, pipeline: &Pipeline) -> String {
    let root = std::path::absolute(pipeline.root()).unwrap_or_default();
    let program = command.get_program().to_string_lossy();
    let within = program.strip_prefix(&*root.to_string_lossy()).and_then(|rest| rest.strip_prefix('/'));
    let arguments = command.get_args().map(|word| word.to_string_lossy());
    std::iter::once(within.unwrap_or(&program).into()).chain(arguments).collect::<Vec<_>>().join(" ")
}
