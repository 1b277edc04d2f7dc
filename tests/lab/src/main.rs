//! `cargo xtask lab`: start and stop real servers on this machine.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to a terminal")]

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use clap::{Parser, Subcommand};
use mlci_lab::{
    COMPONENTS, Cache, Component, Features, Interrupts, Kind, Matrix, ON_DEMAND, Result, Session, State, System, find,
};

/// Real servers on this machine: installed once, started on free loopback ports, stopped for sure.
#[derive(Parser)]
#[command(name = "lab", bin_name = "cargo xtask lab")]
struct Cli {
    /// Allow packages to be installed into this system, where a component needs that.
    #[arg(long, global = true)]
    allow_system: bool,
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start servers that stay until `down`. Default: all.
    Up {
        /// The components.
        names: Vec<String>,
    },
    /// Stop what `up` has started.
    Down,
    /// Show what runs, and what is installed.
    Status,
    /// Print the variables of what runs, for a shell: eval "$(cargo xtask lab env)"
    Env,
    /// Say what this machine lacks, what would be installed, and how long that takes.
    Doctor,
    /// Install without starting. Default: all.
    Install {
        /// The components.
        names: Vec<String>,
    },
    /// Start servers, run a command with their variables, and stop them.
    Exec {
        /// The components.
        #[arg(required = true)]
        names: Vec<String>,
        /// The command.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Run the tests that need servers, all or those of some components.
    Test {
        /// The components.
        names: Vec<String>,
        /// Compare docs/src/matrix.md with what was shown, and do not write it.
        #[arg(long)]
        check: bool,
        /// Only what takes long, which is run on demand.
        #[arg(long, conflicts_with = "names")]
        soak: bool,
    },
    /// A token server for a registry.
    #[command(hide = true)]
    StandInTokens {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        folder: PathBuf,
    },
    /// The stand-in itself.
    #[command(hide = true)]
    StandInGcs {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        bucket: String,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.allow_system {
        mlci_lab::allow_system();
    }
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            let mut mark = "error";
            while let Some(error) = cause {
                eprintln!("{mark}: {error}");
                (mark, cause) = ("  because", error.source());
            }
            ExitCode::FAILURE
        }
    }
}

/// Prints a line; whoever stops reading is no reason to stop.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

fn tell(line: &str) {
    eprintln!("lab: {line}");
}

fn named(names: &[String]) -> Result<Vec<&'static Component>> {
    if names.is_empty() {
        return Ok(COMPONENTS.to_vec());
    }
    names.iter().map(|name| find(name)).collect()
}

/// The checkout: what `up` has started belongs to it.
fn checkout() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

fn run(action: Action) -> Result<ExitCode> {
    let cache = Cache::from_env()?;
    match action {
        Action::Up { names } => {
            let _interrupts = Interrupts::watch()?;
            let mut session = Session::lasting(&cache, &checkout())?;
            for component in named(&names)? {
                session.start(component, &tell)?;
            }
            print_running(session.state());
            say!("\nvariables: eval \"$(cargo xtask lab env)\"; stop with: cargo xtask lab down");
        }
        Action::Down => {
            let mut session = Session::lasting(&cache, &checkout())?;
            let names: Vec<String> = session.state().ready.iter().map(|ready| ready.name.clone()).collect();
            session.stop()?;
            say!(
                "{}",
                if names.is_empty() { "nothing ran".to_owned() } else { format!("stopped {}", names.join(", ")) }
            );
        }
        Action::Status => {
            print_running(&Session::look(&cache, &checkout()));
            say!("\ninstalled in {}:", cache.place("").display());
            for component in COMPONENTS.iter().chain(ON_DEMAND) {
                say!("  {:<13} {}", component.name, installed(&cache, component));
            }
        }
        Action::Env => {
            let state = Session::look(&cache, &checkout());
            if state.ready.is_empty() {
                // Else a shell would go on with what another lab has left in it.
                tell("nothing runs, so there are no variables; start something: cargo xtask lab up NAME…");
                return Ok(ExitCode::FAILURE);
            }
            for (name, value) in state.settings() {
                say!("export {name}='{}'", value.replace('\'', "'\\''"));
            }
        }
        Action::Doctor => return Ok(doctor(&cache)),
        Action::Install { names } => {
            for component in named(&names)? {
                mlci_lab::install(&cache, component, &tell)?;
            }
        }
        Action::Exec { names, command } => {
            return with_servers(&cache, &named(&names)?, |settings, _| exec(&command, settings));
        }
        Action::Test { soak: true, .. } => return soak(&cache),
        Action::Test { names, check, .. } => return test(&cache, &names, check),
        Action::StandInTokens { port, folder } => mlci_lab::stand_in_tokens(port, &folder)?,
        Action::StandInGcs { port, bucket } => mlci_lab::stand_in_gcs(port, &bucket)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts servers, works with their variables, and stops them, also when this process is told to end.
fn with_servers(
    cache: &Cache,
    components: &[&'static Component],
    work: impl FnOnce(&BTreeMap<String, String>, bool) -> Result<ExitCode>,
) -> Result<ExitCode> {
    // Signals end the command that runs in front, or the start of a server; then everything is stopped in order.
    let _interrupts = Interrupts::watch()?;
    let mut session = Session::temporary(cache)?;
    let (started, mut all_ours) = (Instant::now(), true);
    for component in components {
        let theirs = component.hands_out.first().and_then(|name| env::var(name).ok()).filter(|value| !value.is_empty());
        match theirs {
            Some(value) => {
                all_ours = false;
                let variable = component.hands_out.first().unwrap_or(&"");
                tell(&format!("{}: yours is used, {variable}={value}", component.name));
            }
            None => session.start(component, &tell)?,
        }
    }
    tell(&format!("{} ready after {:.1} s", components.len(), started.elapsed().as_secs_f64()));
    let settings = session.settings();
    let result = work(&settings, all_ours);
    session.stop()?;
    result
}

fn exec(command: &[String], settings: &BTreeMap<String, String>) -> Result<ExitCode> {
    let Some((program, arguments)) = command.split_first() else { return Ok(ExitCode::SUCCESS) };
    let status = mlci_lab::run(Command::new(program).args(arguments).envs(settings))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

fn test(cache: &Cache, names: &[String], check: bool) -> Result<ExitCode> {
    let matrix = Matrix::load()?;
    let systems = matrix.of(names)?;
    let features = if names.is_empty() { Features::OfWorkspace } else { Features::OfPackages };
    with_servers(cache, &needed(&systems)?, |settings, all_ours| {
        let shown = mlci_lab::run_tests(&checkout(), &systems, features, settings, &tell)?;
        // Only all of it makes the page, and only what the page says it was run against.
        if names.is_empty() && shown && all_ours {
            mlci_lab::page(&checkout(), &matrix, check)?;
        }
        Ok(if shown { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// One system after the other, since their servers may go by the same variables.
fn soak(cache: &Cache) -> Result<ExitCode> {
    for system in Matrix::load()?.system.iter().filter(|system| system.soak) {
        let code = with_servers(cache, &needed(&[system])?, |settings, _| {
            let shown = mlci_lab::run_tests(&checkout(), &[system], Features::OfPackages, settings, &tell)?;
            Ok(if shown { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        })?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn needed(systems: &[&System]) -> Result<Vec<&'static Component>> {
    let mut components: Vec<&'static Component> = Vec::new();
    for component in systems.iter().flat_map(|system| &system.components) {
        let component = find(component)?;
        if !components.iter().any(|known| known.name == component.name) {
            components.push(component);
        }
    }
    Ok(components)
}

fn print_running(state: &State) {
    let ready = &state.ready;
    if ready.is_empty() {
        say!("nothing runs");
    }
    for ready in ready {
        say!("{:<13} ready (started in {:.1} s)", ready.name, ready.seconds);
        for (name, value) in &ready.settings {
            say!("  {name}={value}");
        }
    }
}

fn installed(cache: &Cache, component: &Component) -> String {
    let missing: Vec<String> =
        component.installs.iter().filter(|install| !install.is_there(cache)).map(mlci_lab::Install::shown).collect();
    let kind = match component.kind {
        Kind::Real => "",
        Kind::StandIn => " [stand-in]",
    };
    if missing.is_empty() {
        format!("installed: {}{kind}", component.about)
    } else {
        format!("not yet: {}{kind}; about {} min: {}", component.about, component.minutes, missing.join("; "))
    }
}

fn doctor(cache: &Cache) -> ExitCode {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = |program: &str| env::split_paths(&path).any(|folder| folder.join(program).is_file());
    say!("cache: {} (MLCI_LAB_CACHE names another)", cache.place("").display());
    let (mut whole, mut minutes) = (true, 0);
    for component in COMPONENTS {
        let text = installed(cache, component);
        if text.starts_with("not yet") {
            minutes += component.minutes;
        }
        say!("{:<13} {text}", component.name);
        let needed =
            component.installs.iter().filter_map(mlci_lab::Install::program).chain(component.programs.iter().copied());
        for program in needed.filter(|program| !found(program)) {
            whole = false;
            say!("{:<13} lacks `{program}`", "");
        }
    }
    let root: Vec<&str> =
        COMPONENTS.iter().filter(|component| component.root).map(|component| component.name).collect();
    say!(
        "root: needed to run {}; into the system only what is said to go there, and only with --allow-system",
        root.join(", ")
    );
    say!("first start: about {minutes} min on two cores");
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
