//! What goes to standard output, and whether it got there.

use std::{
    io::{self, ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering},
};

static LOST: AtomicBool = AtomicBool::new(false);

/// Writes a line to standard output, at once.
pub(super) fn line(out: &mut dyn Write, line: &[u8]) {
    note(out.write_all(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()));
}

fn note(written: io::Result<()>) {
    match written {
        // Whoever stops reading does not stop the pipeline, and knows what is missing.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => LOST.store(true, Ordering::Relaxed),
        _ => {}
    }
}

/// The exit code of a command: one that succeeded, and could not say so, has failed.
pub(super) fn exit_code(code: u8) -> u8 {
    if code == 0 && LOST.load(Ordering::Relaxed) { 1 } else { code }
}
