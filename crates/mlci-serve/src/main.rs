//! The server that goes into a model's image: `mlci-serve --model model.mlci`.
#![allow(clippy::print_stdout, reason = "a program speaks to its terminal")]

mod arguments;

use std::{
    error::Error,
    fmt::Write as _,
    io::{Write as _, stderr},
    process::ExitCode,
    time::{Duration, Instant},
};

use mlci_serve::{
    ServedModel, Server,
    log::{Log, LogFormat},
    verify,
};

use crate::arguments::{Arguments, Task, VERSION};

/// How long a server that is verified may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let started = Instant::now();
    let task = arguments::parse(std::env::args_os().skip(1), |name| std::env::var_os(name));
    let result = match task {
        Ok(Task::Help) => {
            println!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Task::Version) => {
            println!("mlci-serve {VERSION}");
            return ExitCode::SUCCESS;
        }
        Ok(Task::Check(arguments)) => check(arguments),
        Ok(Task::Verify(arguments, url)) => verify(arguments, &url),
        Ok(Task::Serve(arguments)) => return logged(arguments, started),
        Err(error) => {
            complain(&format!("error: {error}\nhelp: `mlci-serve --help` lists the flags"));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {}", chain(error.as_ref())));
            let usage = matches!(
                error.downcast_ref(),
                Some(verify::VerifyError::Address { .. } | verify::VerifyError::Credentials { .. })
            );
            if usage { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Says why nothing is done. Where nobody hears it, the exit code still tells.
fn complain(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Serves, with a log of it.
fn logged(arguments: Arguments, started: Instant) -> ExitCode {
    /// How long the last lines may take: nobody may be reading.
    const LIMIT: Duration = Duration::from_secs(1);

    let log = match Log::new(arguments.log.clone(), stderr()) {
        Ok(log) => log,
        Err(error) => {
            complain(&format!("error: no thread for the log: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if arguments.log.format == LogFormat::Ecs {
        log.take_panics();
    }
    let result = serve(arguments, started, &log);
    if let Err(error) = &result {
        log.failed("serve", &chain(error.as_ref()));
    }
    log.close(LIMIT);
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let served = ServedModel::load(&arguments.model, arguments.version)?;
    let golden = served.model().parts().golden.len();
    println!("{} {} {} golden={golden}", served.model().name(), served.version(), served.digest());
    Ok(())
}

fn verify(arguments: Arguments, url: &str) -> Result<(), Box<dyn Error>> {
    let version = arguments.version.clone();
    let served = ServedModel::load(&arguments.model, arguments.version)?;
    let mut expected = verify::Expected::new(served.model(), served.digest());
    expected.version = version;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verified = runtime.block_on(verify::verify(url, &expected, ANSWER))?;
    let (name, digest, golden) = (served.model().name(), served.digest(), verified.predictions);
    let took = verified.elapsed.as_millis();
    println!("{url} serves {name} {} {digest} golden={golden} ms={took}", verified.version);
    Ok(())
}

fn serve(mut arguments: Arguments, started: Instant, log: &Log) -> Result<(), Box<dyn Error>> {
    #[cfg(unix)]
    if arguments.new_session {
        // It fails only for the leader of a group, which has left its parent's session or does not need to.
        let _ = rustix::process::setsid();
    }
    let served = ServedModel::load(&arguments.model, arguments.version)?;
    arguments.options.log = Some(log.clone());
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = arguments.workers {
        runtime.worker_threads(workers);
    }
    runtime.enable_all().build()?.block_on(async {
        // Before the address is known to anybody, so that no signal comes too early.
        let shutdown = signals()?;
        let server = Server::bind(served, arguments.options).await?;
        log.started(server.address(), started.elapsed());
        server.run(shutdown).await?;
        log.stopped();
        Ok(())
    })
}

/// Completes at SIGTERM or SIGINT.
#[cfg(unix)]
fn signals() -> std::io::Result<impl Future> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes at Ctrl-C.
#[cfg(not(unix))]
fn signals() -> std::io::Result<impl Future> {
    Ok(tokio::signal::ctrl_c())
}

/// An error with all its causes, in one line of a log.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
