//! The server's side of the control socket.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, ErrorKind},
    net::TcpListener,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{
            fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process,
    sync::Arc,
};

use serde_json::json;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    Addresses, Status,
    socket::{receive, send, set_timeouts, with_short},
};
use crate::server::Shared;

/// A control socket that nobody is served on yet. Its file goes with the value, where it is still its own.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: tokio::net::UnixListener,
    file: SocketFile,
}

impl Socket {
    /// Makes the socket, with mode 0600 from the first moment on, in place of one that a dead server left behind.
    ///
    /// # Errors
    /// [`ErrorKind::AddrInUse`] where a server answers on it, else what the system says.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        if with_short(path, |path| UnixStream::connect(path)).is_ok() {
            return Err(io::Error::new(ErrorKind::AddrInUse, "another server answers on it"));
        }
        // The mode of a new socket is the process's umask's; in a folder of its own nobody can connect before chmod.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = parent.join(format!(".control.{}", process::id()));
        let inner = folder.join("s");
        match DirBuilder::new().mode(0o700).create(&folder) {
            // Of a process that had this number and was killed in this moment.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let _ = fs::remove_file(&inner);
            }
            other => other?,
        }
        let made = with_short(&inner, |path| UnixListener::bind(path)).and_then(|listener| {
            fs::set_permissions(&inner, Permissions::from_mode(0o600))?;
            // A socket of a server that was killed gives way; a file that somebody needs does not.
            if fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_socket()) {
                return Err(std::io::Error::new(ErrorKind::AlreadyExists, "something is there that is no socket"));
            }
            fs::rename(&inner, path)?;
            let metadata = fs::symlink_metadata(path)?;
            let file = SocketFile { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) };
            listener.set_nonblocking(true)?;
            Ok(Self { listener: tokio::net::UnixListener::from_std(listener)?, file })
        });
        let _ = fs::remove_file(&inner);
        let _ = fs::remove_dir(&folder);
        made
    }

    /// Answers commands until the value that this gives is dropped.
    pub(crate) fn serve(self, shared: Arc<Shared>) -> Running {
        let Self { listener, file } = self;
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                };
                let Ok(stream) = stream.into_std() else { continue };
                let shared = shared.clone();
                // Passing sockets is a blocking affair, of a few microseconds as a rule.
                drop(spawn_blocking(move || drop(answer(&stream, &shared))));
            }
        });
        Running { task, _file: file }
    }
}

/// A control socket in service. Dropped, the service ends and the file goes.
#[derive(Debug)]
pub(crate) struct Running {
    task: JoinHandle<()>,
    _file: SocketFile,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A successor in the same folder has put its own socket there.
        if fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn answer(stream: &UnixStream, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    set_timeouts(stream)?;
    let (command, attached) = receive(stream)?;
    let fail = |error: &str| send(stream, &json!({"error": error}).to_string(), None);
    match command.as_str() {
        "status" => send(stream, &serde_json::to_string(&status(shared))?, None),
        "share" => match shared.share()? {
            Some(listener) => {
                let address = json!({"address": listener.local_addr()?}).to_string();
                send(stream, &address, Some(listener.as_fd()))
            }
            None => fail("the server has no public listener to share; give it one with `serve`"),
        },
        "serve" => match take(shared, attached) {
            Ok(address) => send(stream, &json!({"address": address}).to_string(), None),
            Err(error) => fail(&error),
        },
        "stop" => {
            let sent = send(stream, &json!({"stopping": true}).to_string(), None);
            shared.stop.notify_one();
            sent
        }
        _ => fail("unknown command: it is `status`, `share`, `serve` or `stop`"),
    }
}

fn take(shared: &Arc<Shared>, mut attached: Vec<OwnedFd>) -> Result<std::net::SocketAddr, String> {
    let (Some(socket), true) = (attached.pop(), attached.is_empty()) else {
        return Err("`serve` needs one listening socket attached".to_owned());
    };
    // macOS does not know the option; there an unfit socket fails at the first accept.
    #[cfg(not(target_vendor = "apple"))]
    if !rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false) {
        return Err("what is attached to `serve` is no listening socket".to_owned());
    }
    shared.clone().take(TcpListener::from(socket))
}

fn status(shared: &Shared) -> Status {
    let served = &shared.app.served;
    Status {
        pid: process::id(),
        addresses: Addresses { private: shared.private, public: shared.public() },
        model: served.model().name().clone(),
        version: served.version().to_owned(),
        digest: served.digest(),
        ready: shared.app.is_ready(),
    }
}
