//! What a component is handed to start itself with.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use mlci_core::FileError;

use crate::{
    error::{Error, Result, tail},
    interrupt,
    process::{Process, Stop},
    session::Started,
};

/// A start of a component: its own state folder, free ports, its processes, and the settings that it hands out.
pub struct Place<'s> {
    /// Where its installation is, in the order of [`Component::installs`](crate::Component::installs).
    pub installed: &'s [PathBuf],
    /// Its own folder, empty at first.
    pub state: PathBuf,
    /// What those it needs have handed out.
    pub others: &'s BTreeMap<String, String>,
    pub(crate) settings: BTreeMap<String, String>,
    /// Told of each process at once, so that whatever happens next it can be found.
    pub(crate) note: &'s mut dyn FnMut(Started) -> Result<()>,
    children: Vec<(String, Child)>,
}

impl<'s> Place<'s> {
    pub(crate) fn new(
        installed: &'s [PathBuf],
        state: PathBuf,
        others: &'s BTreeMap<String, String>,
        note: &'s mut dyn FnMut(Started) -> Result<()>,
    ) -> Self {
        Self { installed, state, others, settings: BTreeMap::new(), note, children: Vec::new() }
    }

    /// A file of the installation.
    ///
    /// # Errors
    /// When there is none.
    pub fn program(&self, path: &str) -> Result<PathBuf> {
        let found = self.installed.iter().map(|place| place.join(path)).find(|path| path.exists());
        found.ok_or_else(|| Error::Other(format!("the installation has no `{path}`: remove it, and it is made anew")))
    }

    /// A folder in the state folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.state.join(name);
        fs::create_dir_all(&path).map_err(FileError::at("create", &path))?;
        Ok(path)
    }

    /// A port that is free on loopback now.
    ///
    /// # Errors
    /// When none is.
    pub fn port(&self) -> Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let port = listener.and_then(|listener| listener.local_addr()).map(|address| address.port());
        port.map_err(|error| Error::Other(format!("no loopback port is free: {error}")))
    }

    /// Hands out a setting: a variable that the product reads.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.insert(name.to_owned(), value.into());
    }

    /// Starts a server in a process group of its own; what it prints goes to `NAME.log` in the state folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&mut self, name: &str, mut command: Command) -> Result<()> {
        let log = self.log(name);
        let output = File::create(&log).map_err(FileError::at("create", &log))?;
        let errors = output.try_clone().map_err(FileError::at("open", &log))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).spawn();
        let child = child.map_err(|source| Error::Run { program, source })?;
        if let Some(process) = Process::of(child.id()) {
            (self.note)(Started::Process(process))?;
        }
        self.children.push((name.to_owned(), child));
        Ok(())
    }

    /// Names a command that is run at the stop, before the processes are ended; also where the start is cut short.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn on_stop(&mut self, command: &Command) -> Result<()> {
        (self.note)(Started::Stop(Stop::of(command)))
    }

    /// Runs a command of the start to its end; what it prints goes to `NAME.log`.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it fails, or takes longer than `limit`.
    pub fn run(&mut self, name: &str, command: Command, limit: Duration) -> Result<()> {
        self.spawn(name, command)?;
        let log = self.log(name);
        let not_ready =
            |why: String| Error::NotReady { name: name.to_owned(), why, tail: tail(&log), log: log.clone() };
        let end = Instant::now() + limit;
        loop {
            interrupt::check()?;
            let child = self.children.iter_mut().find(|(known, _)| known == name);
            match child.map(|(_, child)| child.try_wait()) {
                Some(Ok(Some(status))) if status.success() => return Ok(()),
                Some(Ok(Some(status))) => return Err(not_ready(format!("it failed ({status})"))),
                _ if Instant::now() > end => return Err(not_ready(format!("it took more than {} s", limit.as_secs()))),
                _ => sleep(Duration::from_millis(50)),
            }
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.log"))
    }

    /// Waits until a server answers `GET PATH` with one of these statuses.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it ends before, or takes longer than `limit`.
    pub fn wait_http(&mut self, name: &str, port: u16, path: &str, wanted: &[u16], limit: Duration) -> Result<()> {
        let what = format!("`http://127.0.0.1:{port}{path}` to answer {wanted:?}");
        self.wait(name, &what, limit, || status(port, path).is_some_and(|status| wanted.contains(&status)))
    }

    /// Waits until something holds, as long as the server runs.
    ///
    /// # Errors
    /// As [`Place::wait_http`].
    pub fn wait(&mut self, name: &str, what: &str, limit: Duration, holds: impl Fn() -> bool) -> Result<()> {
        let log = self.log(name);
        let not_ready =
            |why: String| Error::NotReady { name: name.to_owned(), why, tail: tail(&log), log: log.clone() };
        let end = Instant::now() + limit;
        loop {
            if holds() {
                return Ok(());
            }
            interrupt::check()?;
            let child = self.children.iter_mut().find(|(known, _)| known == name);
            if let Some(Ok(Some(status))) = child.map(|(_, child)| child.try_wait()) {
                return Err(not_ready(format!("it ended ({status})")));
            }
            if Instant::now() > end {
                return Err(not_ready(format!("waited {} s for {what}", limit.as_secs())));
            }
            sleep(Duration::from_millis(50));
        }
    }
}

/// The status of a `GET`, if anything that is HTTP answers.
fn status(port: u16, path: &str) -> Option<u16> {
    use std::io::{Read as _, Write as _};
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head).ok()?.split(' ').nth(1)?.parse().ok()
}
