use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    SOCKET, Status,
    socket::{receive, send, set_timeouts, with_short},
};

/// Speaks to a running server over its control socket, one connection a command. Every read and write ends within 5 s.
#[derive(Debug, Clone)]
pub struct Control {
    path: PathBuf,
}

/// A command that a server did not carry out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// No server answers there: it is not running, or was started without a control socket.
    #[error("no server answers on `{}`", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server was reached, but the command or its answer did not come through.
    #[error("the server on `{}` did not answer `{command}`", path.display())]
    Exchange {
        /// The socket.
        path: PathBuf,
        /// The command.
        command: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The server refused.
    #[error("the server on `{}` refused `{command}`: {reason}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// The command.
        command: &'static str,
        /// The server's words.
        reason: String,
    },
    /// The answer is not what the command asks for: another program, or another version of this one.
    #[error("the server on `{}` answered `{command}` with `{answer}`", path.display())]
    Answer {
        /// The socket.
        path: PathBuf,
        /// The command.
        command: &'static str,
        /// The answer.
        answer: String,
    },
}

#[derive(Deserialize)]
struct Failure {
    error: String,
}

#[derive(Deserialize)]
struct Listening {
    address: SocketAddr,
}

impl Control {
    /// The server whose socket [`SOCKET`] is in `folder`, which may be a path of any length.
    ///
    /// # Errors
    /// [`ControlError::Connect`] where none answers.
    pub fn connect(folder: &Path) -> Result<Self, ControlError> {
        Self::connect_to(&folder.join(SOCKET))
    }

    /// The server that has this socket.
    ///
    /// # Errors
    /// [`ControlError::Connect`] where none answers.
    pub fn connect_to(socket: &Path) -> Result<Self, ControlError> {
        let control = Self { path: socket.to_owned() };
        control.open().map(|_| control)
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn status(&self) -> Result<Status, ControlError> {
        let (answer, _) = self.ask("status", None)?;
        self.parse("status", &answer)
    }

    /// A duplicate of the server's public listener. The server goes on accepting; so does whoever gets this.
    ///
    /// # Errors
    /// [`ControlError::Refused`] where the server has no public listener, else as [`ControlError`] says.
    pub fn share(&self) -> Result<TcpListener, ControlError> {
        let (answer, mut attached) = self.ask("share", None)?;
        let _: Listening = self.parse("share", &answer)?;
        attached.pop().map(TcpListener::from).ok_or_else(|| self.unexpected("share", &answer))
    }

    /// Makes the server accept on a duplicate of `listener`, as its public one, and gives the address.
    ///
    /// The socket becomes non-blocking, on this side too: it is one socket.
    ///
    /// # Errors
    /// [`ControlError::Refused`] where the server has a public listener already or is stopping, else as
    /// [`ControlError`] says.
    pub fn serve(&self, listener: &TcpListener) -> Result<SocketAddr, ControlError> {
        let (answer, _) = self.ask("serve", Some(listener.as_fd()))?;
        self.parse("serve", &answer).map(|Listening { address }| address)
    }

    /// Tells the server to stop, as SIGTERM does. Comes back at once; the socket is gone when the server is done.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn stop(&self) -> Result<(), ControlError> {
        self.ask("stop", None).map(|_| ())
    }

    fn open(&self) -> Result<UnixStream, ControlError> {
        with_short(&self.path, |path| {
            let stream = UnixStream::connect(path)?;
            set_timeouts(&stream)?;
            Ok(stream)
        })
        .map_err(|source| ControlError::Connect { path: self.path.clone(), source })
    }

    fn ask(
        &self,
        command: &'static str,
        attached: Option<BorrowedFd<'_>>,
    ) -> Result<(String, Vec<OwnedFd>), ControlError> {
        let stream = self.open()?;
        let (answer, attached) = send(&stream, command, attached)
            .and_then(|()| receive(&stream))
            .map_err(|source| ControlError::Exchange { path: self.path.clone(), command, source })?;
        if let Ok(Failure { error: reason }) = serde_json::from_str(&answer) {
            return Err(ControlError::Refused { path: self.path.clone(), command, reason });
        }
        Ok((answer, attached))
    }

    fn parse<'a, T: Deserialize<'a>>(&self, command: &'static str, answer: &'a str) -> Result<T, ControlError> {
        serde_json::from_str(answer).map_err(|_| self.unexpected(command, answer))
    }

    fn unexpected(&self, command: &'static str, answer: &str) -> ControlError {
        ControlError::Answer { path: self.path.clone(), command, answer: answer.to_owned() }
    }
}
