use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// `cargo test` over the workspace. Needs only Rust: no root, no network beyond crates, nothing outside the checkout.
///
/// With `--lab` the tests that need real servers come after it, all of them or those of the components named.
pub(crate) fn test(arguments: &[OsString]) -> ExitCode {
    let at = arguments.iter().position(|argument| argument == "--lab");
    let (before, names) = match at {
        Some(at) => (arguments.get(..at).unwrap_or_default(), arguments.get(at + 1..)),
        None => (arguments, None),
    };
    // Whoever names components, or what takes long, wants that alone.
    let some = |name: &OsString| name == "--soak" || !name.to_string_lossy().starts_with("--");
    if !names.is_some_and(|names| names.iter().any(some)) {
        let mut command = cargo("test");
        command.arg("--workspace").args(before);
        if names.is_some() {
            // The back ends that need servers have tests that need none, too.
            command.arg("--all-features");
        }
        let code = run(command);
        if names.is_none() || code != ExitCode::SUCCESS {
            return code;
        }
    }
    lab(&[&[OsString::from("test")], names.unwrap_or_default()].concat())
}

/// Real servers on this machine. A program of its own, so that who needs none does not build it.
pub(crate) fn lab(arguments: &[OsString]) -> ExitCode {
    let mut command = cargo("run");
    command.args(["--quiet", "--package", "mlci-lab", "--"]).args(arguments);
    run(command)
}

/// The benchmarks, which print ratios and never fail for a slow machine.
pub(crate) fn bench(arguments: &[OsString]) -> ExitCode {
    let mut command = cargo("run");
    command.args(["--quiet", "--package", "mlci-benches", "--"]).args(arguments);
    // What is measured is this program, as it was built.
    if let Ok(own) = env::current_exe() {
        command.env("MLCI_BENCH_XTASK", own);
    }
    run(command)
}

/// Keeps the published JSON Schema equal to the one in the code.
pub(crate) fn schema(arguments: &[OsString]) -> ExitCode {
    let path = root().join("docs/mlci.schema.json");
    let wanted = mlci_pipeline::config::json_schema();
    if fs::read_to_string(&path).is_ok_and(|present| present == wanted) {
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--check") {
        return fail(&format!("{} is out of date; write it anew: cargo xtask schema", path.display()));
    }
    match mlci_core::write_atomic(&path, wanted.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args([subcommand, "--locked"]);
    command
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

fn run(mut command: Command) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => fail(&format!("cannot run cargo: {error}")),
    }
}

#[expect(clippy::print_stderr, reason = "a command line talks to a terminal")]
fn fail(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}
