//! From a CSV file to a fitted, evaluated, saved model, beside what a user would take instead.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::{Options, case::Case};

const NAME: &str = "train";

/// As of the day this was written; the place of the environment changes with them.
const PACKAGES: [&str; 6] =
    ["duckdb==2.0.1", "numpy==2.4.6", "pandas==3.1.1", "polars==2.1.0", "pyarrow==26.0.1", "scikit-learn==1.9.1"];
const ENVIRONMENT: &str = "bench-train-1";

const PEERS: &str = include_str!("peers.py");

pub(crate) fn run(options: &Options) -> Result<Vec<Case>, String> {
    let cache = cache()?;
    let programs = Programs { ours: build()?, python: environment(&cache)?, peers: cache.join("peers.py") };
    fs::write(&programs.peers, PEERS).map_err(|error| format!("{}: {error}", programs.peers.display()))?;
    let folder = tempfile::tempdir_in(&cache).map_err(|error| error.to_string())?;
    let bench = Bench { programs, folder: folder.path().to_owned(), runs: options.runs };

    let mut cases = Vec::new();
    let wanted = |case: &str| options.cases.is_empty() || options.cases.iter().any(|wanted| wanted == case);
    let (times, larger, scaled_by) =
        if options.large { (50, "csv-ols-50m", "50 x 1m") } else { (10, "csv-ols-10m", "10 x 1m") };
    if wanted("csv-ols-1m") || wanted(larger) {
        let data = bench.make(1_000_000, 20)?;
        bench.check(&data)?;
        let peers = if wanted("csv-ols-1m") { &["pandas", "polars", "duckdb", "parse"][..] } else { &[] };
        let (ours, theirs) = bench.in_turn(&data, peers)?;
        cases.extend(theirs.iter().map(|(peer, theirs)| case("csv-ols-1m", &ours, named(peer), theirs)));
        remove(&data)?;
        if wanted(larger) {
            // Held against as many times the time of fewer rows, and their memory: time is linear, memory constant.
            let data = bench.make(1_000_000 * times, 20)?;
            let (more, _) = bench.in_turn(&data, &[])?;
            let scaled: Vec<Run> =
                ours.iter().map(|run| Run { seconds: run.seconds * times as f64, mib: run.mib }).collect();
            cases.push(case(larger, &more, scaled_by, &scaled));
            remove(&data)?;
        }
    }
    if wanted("csv-ols-wide") {
        let data = bench.make(100_000, 1000)?;
        bench.check(&data)?;
        let (ours, theirs) = bench.in_turn(&data, &["pandas", "numpy"])?;
        cases.extend(theirs.iter().map(|(peer, theirs)| case("csv-ols-wide", &ours, named(peer), theirs)));
        remove(&data)?;
    }
    if wanted("csv-ols-onehot") {
        let data = bench.folder.join("onehot.csv");
        // 396 columns of a model.
        bench.ours(&["make", "200000", "8", "4", &text(&data)])?;
        bench.check(&data)?;
        let (ours, theirs) = bench.in_turn(&data, &["onehot"])?;
        cases.extend(theirs.iter().map(|(peer, theirs)| case("csv-ols-onehot", &ours, named(peer), theirs)));
        remove(&data)?;
    }
    if cases.is_empty() {
        let asked = options.cases.join(", ");
        return Err(format!("no case {asked}; there are: csv-ols-1m, {larger}, csv-ols-wide, csv-ols-onehot"));
    }
    Ok(cases)
}

fn named(peer: &str) -> &'static str {
    match peer {
        "pandas" | "onehot" => "pandas+scikit-learn",
        "polars" => "polars+scikit-learn",
        // Reads, and sums up the products of all pairs of columns: no model.
        "duckdb" => "duckdb",
        // Of the parsed matrix: reads nothing.
        "numpy" => "numpy (matrix only)",
        // Reads the bytes and parses the numbers by two threads, without any rules: no model.
        _ => "parse-limit",
    }
}

fn case(name: &'static str, ours: &[Run], peer: &'static str, theirs: &[Run]) -> Case {
    let seconds = |runs: &[Run]| -> Vec<f64> { runs.iter().map(|run| run.seconds).collect() };
    let most = |runs: &[Run]| runs.iter().map(|run| run.mib).fold(0.0, f64::max);
    Case::new(NAME, name, peer, median(&seconds(theirs)), &seconds(ours)).with_memory(most(ours), most(theirs))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn remove(path: &Path) -> Result<(), String> {
    fs::remove_file(path).map_err(|error| format!("{}: {error}", path.display()))
}

struct Programs {
    ours: PathBuf,
    python: PathBuf,
    peers: PathBuf,
}

/// One process, from its start to its end.
#[derive(Debug, Clone, Copy)]
struct Run {
    seconds: f64,
    /// Its peak.
    mib: f64,
}

struct Bench {
    programs: Programs,
    folder: PathBuf,
    runs: usize,
}

impl Bench {
    fn make(&self, rows: u64, columns: u32) -> Result<PathBuf, String> {
        let path = self.folder.join(format!("{rows}x{columns}.csv"));
        self.ours(&["make", &rows.to_string(), "0", &columns.to_string(), &text(&path)])?;
        Ok(path)
    }

    /// Both sides have to find the same coefficients, fitted to the same rows.
    fn check(&self, data: &Path) -> Result<(), String> {
        let rows = self.folder.join("rows");
        let (ours, _) = self.ours(&["fit", &text(data), &text(&self.folder.join("model"))])?;
        self.ours(&["rows", &text(data), &text(&rows)])?;
        let (theirs, _) = self.peer(&["check", &text(data), &text(&rows)])?;
        let numbers = |value: &Value| -> Vec<f64> {
            value["coefficients"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
        };
        let (ours, theirs) = (numbers(&ours), numbers(&theirs));
        if ours.is_empty() || ours.len() != theirs.len() {
            return Err(format!("{} coefficients beside {}", ours.len(), theirs.len()));
        }
        for (column, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            if (ours - theirs).abs() > 1e-9 * theirs.abs() {
                return Err(format!("coefficient {column} is {ours} here, and {theirs} by scikit-learn"));
            }
        }
        Ok(())
    }

    /// Ours and the others, one after the other, several times.
    #[expect(clippy::type_complexity, reason = "our runs, and those of each peer")]
    fn in_turn(
        &self,
        data: &Path,
        peers: &[&'static str],
    ) -> Result<(Vec<Run>, Vec<(&'static str, Vec<Run>)>), String> {
        let (data, model) = (text(data), text(&self.folder.join("model")));
        let (mut ours, mut theirs) = (Vec::new(), peers.iter().map(|peer| (*peer, Vec::new())).collect::<Vec<_>>());
        for _ in 0..self.runs {
            ours.push(self.ours(&["fit", &data, &model])?.1);
            for (peer, runs) in &mut theirs {
                runs.push(match *peer {
                    "parse" => self.ours(&["parse", &data])?.1,
                    peer => self.peer(&[peer, &data, &model])?.1,
                });
            }
        }
        Ok((ours, theirs))
    }

    fn ours(&self, arguments: &[&str]) -> Result<(Value, Run), String> {
        time(Command::new(&self.programs.ours).args(arguments))
    }

    fn peer(&self, arguments: &[&str]) -> Result<(Value, Run), String> {
        time(Command::new(&self.programs.python).arg(&self.programs.peers).args(arguments))
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Runs a program whose last line of output is JSON with its peak memory, and, where only a part of it counts, seconds.
fn time(command: &mut Command) -> Result<(Value, Run), String> {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let seconds = started.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let last = printed.lines().last().unwrap_or_default();
    let value: Value = serde_json::from_str(last).map_err(|error| format!("{command:?}: {error}: {printed}"))?;
    let mib = value["mib"].as_f64().ok_or_else(|| format!("{command:?} does not state its memory"))?;
    let run = Run { seconds: value["seconds"].as_f64().unwrap_or(seconds), mib };
    Ok((value, run))
}

/// What is measured is a program as it would be shipped.
fn build() -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command.args(["build", "--quiet", "--release", "--locked", "-p", "mlci-benches", "--bin", "mlci-bench-train"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let messages = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    program.filter(|_| output.status.success()).ok_or_else(|| format!("{command:?}: {}", output.status))
}

/// The lab's folder outside the checkout, as `tests/lab` has it.
fn cache() -> Result<PathBuf, String> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = named("MLCI_LAB_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("mlci-lab")))
        .or_else(|| named("HOME").map(|home| home.join(".cache/mlci-lab")))
        .ok_or("there is no cache folder: set MLCI_LAB_CACHE")?;
    let folder = root.join("installed").join(ENVIRONMENT);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Python with the peers, installed once.
fn environment(cache: &Path) -> Result<PathBuf, String> {
    let (venv, mark) = (cache.join("venv"), cache.join("installed"));
    let python = venv.join("bin/python");
    // Written last: without it, an installation was cut short.
    if fs::read_to_string(&mark).is_ok_and(|packages| packages == PACKAGES.join("\n")) {
        return Ok(python);
    }
    let step = |command: &mut Command| match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    };
    step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]).args(PACKAGES);
    step(pip.stdout(Stdio::null()))?;
    fs::write(&mark, PACKAGES.join("\n")).map_err(|error| format!("{}: {error}", mark.display()))?;
    Ok(python)
}
