//! What the pipeline costs beside the work of its stages.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::case::Case;

const NAME: &str = "orchestration";
const RUNS: usize = 15;

pub(crate) fn run() -> Result<Vec<Case>, String> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let xtask = env::var_os("MLCI_BENCH_XTASK").map(PathBuf::from).ok_or("run this as `cargo xtask bench`")?;

    let help = times(RUNS, || succeed(command(&xtask, &repository, &["--help"])).map(|_| None))?;

    // The repository's own sample, which has to be up to date first.
    succeed(command(&xtask, &repository, &["ci"]))?;
    let no_op = times(RUNS, || {
        let last = last_line(&succeed(command(&xtask, &repository, &["ci", "--format", "json"]))?)?;
        let worked =
            stages(&last).any(|(name, status, _)| status == "done" || (status == "failed" && !name.is_empty()));
        if worked { Err("the run was not a no-op".to_owned()) } else { Ok(None) }
    })?;

    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    prepare(folder.path(), &repository, &server(&repository)?)?;
    let over = times(RUNS, || {
        let started = Instant::now();
        let output = succeed(command(&xtask, folder.path(), &["ci", "--force", "--format", "json"]))?;
        let whole = started.elapsed().as_secs_f64();
        let sum: f64 = stages(&last_line(&output)?).map(|(_, _, seconds)| seconds).sum();
        Ok(Some(whole - sum))
    });
    // Also when a run failed: nothing may go on running.
    let down = succeed(command(&xtask, folder.path(), &["down", "--all"]));
    let over = over?;
    down?;

    Ok(vec![
        Case::new(NAME, "over-its-stages", "goal", 0.050, &over),
        Case::new(NAME, "help", "goal", 0.010, &help),
        Case::new(NAME, "no-op-ci", "goal", 0.300, &no_op),
    ])
}

/// The time of each run, or what the run itself says it took.
fn times(count: usize, mut run: impl FnMut() -> Result<Option<f64>, String>) -> Result<Vec<f64>, String> {
    // One that does not count, to fill the caches.
    run()?;
    (0..count)
        .map(|_| {
            let started = Instant::now();
            let own = run()?;
            Ok(own.unwrap_or_else(|| started.elapsed().as_secs_f64()))
        })
        .collect()
}

fn command(program: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).env_remove("CI").stdin(Stdio::null());
    command
}

fn succeed(mut command: Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn last_line(output: &Output) -> Result<Value, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).map_err(|error| format!("{error}: {text}"))
}

fn stages(last: &Value) -> impl Iterator<Item = (&str, &str, f64)> {
    last["stages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|stage| Some((stage["name"].as_str()?, stage["status"].as_str()?, stage["seconds"].as_f64()?)))
}

/// The server that the repository's own `ci` has built.
fn server(repository: &Path) -> Result<PathBuf, String> {
    let cache = repository.join(".mlci/cache/server");
    let builds = fs::read_dir(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    let newest = builds.flatten().max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok());
    newest.map(|entry| entry.path().join("mlci-serve")).ok_or_else(|| format!("no server in {}", cache.display()))
}

fn prepare(folder: &Path, repository: &Path, server: &Path) -> Result<(), String> {
    let configuration = format!(
        "[project]\nname = \"bench\"\n\n[data]\npath = \"wine.csv\"\ntarget = \"quality\"\n\n[image]\nserver = {server:?}\n\n[environment.staging]\ndrain_seconds = 0.1\n"
    );
    fs::write(folder.join("mlci.toml"), configuration).map_err(|error| error.to_string())?;
    let data = repository.join("tests/data/winequality-red.csv");
    fs::copy(&data, folder.join("wine.csv")).map_err(|error| format!("{}: {error}", data.display()))?;
    Ok(())
}
