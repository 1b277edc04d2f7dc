//! Sending lines with sockets attached, and paths that are longer than a socket's name may be.

use std::{
    env, fs,
    io::{self, ErrorKind, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::symlink, net::UnixStream},
    },
    path::{self, Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// No side waits longer for the other.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// No command and no answer comes near.
const LONGEST: usize = 64 << 10;

pub(super) fn set_timeouts(stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// Sends a line, with a socket attached to its first byte.
pub(super) fn send(stream: &UnixStream, line: &str, attached: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let line = format!("{line}\n");
    let mut rest = line.as_bytes();
    let fds: Vec<_> = attached.into_iter().collect();
    let mut first = !fds.is_empty();
    while !rest.is_empty() {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if first && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("no room for a socket in the message"));
        }
        let sent = sendmsg(stream.as_fd(), &[IoSlice::new(rest)], &mut control, no_signal()).map_err(late)?;
        first = false;
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// A peer that is gone is an error, not a signal.
#[cfg(not(target_vendor = "apple"))]
fn no_signal() -> SendFlags {
    SendFlags::NOSIGNAL
}

/// The standard library has set this on the socket.
#[cfg(target_vendor = "apple")]
fn no_signal() -> SendFlags {
    SendFlags::empty()
}

/// Receives a line, without its end, and the sockets attached to it.
pub(super) fn receive(stream: &UnixStream) -> io::Result<(String, Vec<OwnedFd>)> {
    let (mut line, mut attached) = (Vec::new(), Vec::new());
    while line.last() != Some(&b'\n') {
        let mut block = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut block)], &mut control, close_on_exec());
        let count = received.map_err(late)?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                attached.extend(fds);
            }
        }
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(block.get(..count).unwrap_or_default());
        if line.len() > LONGEST {
            return Err(io::Error::other("the line does not end"));
        }
    }
    line.pop();
    let line = String::from_utf8(line).map_err(|_| io::Error::other("the line is not UTF-8"))?;
    Ok((line, attached))
}

/// Children that this process starts do not get the sockets that it receives.
#[cfg(not(target_vendor = "apple"))]
fn close_on_exec() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

#[cfg(target_vendor = "apple")]
fn close_on_exec() -> RecvFlags {
    RecvFlags::empty()
}

/// A read or write that ran into its timeout fails with "would block", which says nothing to who reads it.
fn late(error: rustix::io::Errno) -> io::Error {
    if error == rustix::io::Errno::AGAIN {
        let text = format!("no answer within {} s", PATIENCE.as_secs());
        return io::Error::new(ErrorKind::TimedOut, text);
    }
    error.into()
}

/// Calls `work` with a path to the same file that is short enough for the name of a socket (108 bytes on Linux, 104 on
/// macOS, with the end): the path itself, or one through a symbolic link that lasts as long as the call.
pub(super) fn with_short<T>(path: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    const LIMIT: usize = 100;
    if path.as_os_str().len() <= LIMIT {
        return work(path);
    }
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let folder = path::absolute(path.parent().ok_or(ErrorKind::InvalidInput)?)?;
    let link = Link::to(&folder, LIMIT.saturating_sub(name.as_bytes().len() + 1))?;
    work(&link.0.join(name))
}

/// A symbolic link that is removed with this value.
struct Link(PathBuf);

impl Link {
    fn to(folder: &Path, limit: usize) -> io::Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("mlci-{}-{number}", process::id());
            let mut link = env::temp_dir().join(&name);
            if link.as_os_str().len() > limit {
                link = Path::new("/tmp").join(&name);
            }
            match symlink(folder, &link) {
                Ok(()) => return Ok(Self(link)),
                // Of a process that had this number and was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It is a link, to a folder that stays; nothing is lost where it stays too.
        let _ = fs::remove_file(&self.0);
    }
}
