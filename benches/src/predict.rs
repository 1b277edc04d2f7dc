//! Predictions, one row and a batch at a time, beside ONNX Runtime's Python API on the same files.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::case::Case;

const NAME: &str = "predict";
const PEER: &str = "onnxruntime (Python)";
const ROUNDS: usize = 7;
/// Models, with the cases of one row and of a batch of 1,000. `own` is our linear model, exported for the peer.
const CASES: [(&str, [&str; 2]); 4] = [
    ("own", ["own-linear-1", "own-linear-1000"]),
    ("linear", ["onnx-linear-1", "onnx-linear-1000"]),
    ("forest", ["onnx-forest-100-1", "onnx-forest-100-1000"]),
    ("boosting", ["onnx-boosting-100-1", "onnx-boosting-100-1000"]),
];

/// Nanoseconds a row by model: one row alone, and in a batch.
type Times = BTreeMap<String, [f64; 2]>;

pub(crate) fn run() -> Result<Vec<Case>, String> {
    let python = python()?;
    let ours = build()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let peer = |what: &str| {
        let mut command = Command::new(&python);
        command.arg(own("predict/peer.py")).arg(folder.path()).arg(what);
        said(command)
    };
    let own = |what: &str| {
        let mut command = Command::new(&ours);
        command.arg(folder.path()).arg(what);
        said(command)
    };
    peer("make")?;
    own("export")?;
    same(&read(&own("check")?)?, &read(&peer("check")?)?)?;

    let (mut mine, mut theirs): (Vec<Times>, Vec<Times>) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        mine.push(read(&own("time")?)?);
        theirs.push(read(&peer("time")?)?);
    }
    let mut cases = Vec::new();
    for (model, names) in CASES {
        for (place, name) in names.into_iter().enumerate() {
            let of = |times: &[Times]| -> Vec<f64> {
                times.iter().filter_map(|times| times.get(model)?.get(place).copied()).collect()
            };
            let mut others = of(&theirs);
            others.sort_by(f64::total_cmp);
            let median = others.get(others.len() / 2).copied().unwrap_or(f64::NAN);
            cases.push(Case { unit: "ns", ..Case::new(NAME, name, PEER, median, &of(&mine)) });
        }
    }
    Ok(cases)
}

/// Both sides have to say the same before they are timed.
fn same(ours: &BTreeMap<String, Vec<f64>>, theirs: &BTreeMap<String, Vec<f64>>) -> Result<(), String> {
    for (model, _) in CASES {
        let (Some(ours), Some(theirs)) = (ours.get(model), theirs.get(model)) else {
            return Err(format!("no predictions of {model}"));
        };
        let off = |(our, their): (&f64, &f64)| (our - their).abs() > 1e-5 * their.abs().max(1.0);
        if ours.len() != theirs.len() || ours.is_empty() || ours.iter().zip(theirs).any(off) {
            return Err(format!("{model}: the two sides predict differently"));
        }
    }
    Ok(())
}

/// The peer's Python, in an environment of its own that is made again when what it needs has changed.
fn python() -> Result<PathBuf, String> {
    let cache = env::var_os("MLCI_CI_CACHE").map(PathBuf::from);
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cache/mlci-ci"));
    let place = cache.or_else(home).ok_or("there is no HOME to keep the peers in")?.join("bench/predict");
    let (python, note) = (place.join("venv/bin/python"), place.join("installed.txt"));
    let wanted = fs::read_to_string(own("predict/requirements.txt")).map_err(|error| error.to_string())?;
    if fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(place.join("venv"));
    said(venv)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "-r"]);
    pip.arg(own("predict/requirements.txt"));
    said(pip)?;
    fs::write(&note, wanted).map_err(|error| format!("{}: {error}", note.display()))?;
    Ok(python)
}

/// Our side in the release profile, as it is served.
fn build() -> Result<PathBuf, String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(own("..")).args(["build", "--release", "--quiet", "--message-format", "json"]);
    cargo.args(["--package", "mlci-benches", "--features", NAME, "--bin", "mlci-bench-predict"]);
    let messages = said(cargo)?;
    let programs = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut program = programs.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.next().ok_or_else(|| "cargo has built no program".to_owned())
}

fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))
}

fn said(mut command: Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
