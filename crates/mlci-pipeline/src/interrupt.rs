//! A signal ends a command in order: its children end, its run is closed as killed, and the exit code says which signal.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use mlci_track::{Run, Status};

use crate::{
    command::children,
    error::{Context as _, Result},
};

static RUN: Mutex<Option<Arc<Run>>> = Mutex::new(None);

/// The run that a signal has to close.
pub(crate) fn watch(run: Option<Arc<Run>>) {
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = run;
}

/// From now on SIGTERM and SIGINT end this process: `last` is called with the exit code, 128 + the signal's number,
/// after children and run are seen to. What the command was writing is whole or absent, as after a crash.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn install(last: impl FnOnce(u8) + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context(|| "cannot watch for signals".to_owned())?;
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = runtime.enter();
        let both = signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
        both.context(|| "cannot watch for signals".to_owned())?
    };
    thread::spawn(move || {
        let (mut term, mut interrupt) = signals;
        let (name, number) = runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => ("SIGTERM", 15),
                _ = interrupt.recv() => ("SIGINT", 2),
            }
        });
        children::end();
        if let Some(run) = RUN.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // There is nobody left to tell; the next start closes the run then.
            let _ = run.finish(Status::Killed, Some(name));
        }
        let code = 128 + number;
        last(code);
        std::process::exit(i32::from(code));
    });
    Ok(())
}
