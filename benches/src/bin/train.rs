//! The programs that `cargo xtask bench train` measures, each a process of its own.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a benchmark")]

use std::{
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Read, Write},
    path::Path,
    process::ExitCode,
    sync::{Mutex, mpsc},
    thread,
};

use mlci_train::{ColumnOptions, Digest, Kind, ReadOptions, TrainOptions, gather_file, read_csv_file, split};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["make", rows, texts, numbers, path] => make(rows, texts, numbers, Path::new(path)),
        ["fit", path, model] => fit(Path::new(path), Path::new(model)),
        ["rows", path, rows] => rows_of(Path::new(path), Path::new(rows)),
        ["parse", path] => parse(Path::new(path)),
        _ => Err("usage: make ROWS TEXTS NUMBERS PATH | fit PATH MODEL | rows PATH ROWS | parse PATH".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The same numbers every time.
struct Random(u64);

impl Random {
    const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// From splitmix64 (Steele, Lea & Flood, OOPSLA 2014).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Columns of texts, whose names begin with this, and how many levels each has.
const TEXT: char = 'c';
const LEVELS: u32 = 50;

/// Columns of levels, standard normal features to six decimals, and `y = Σ j·(level_j mod 7) + Σ (j + 1)·x_j + noise`;
/// the same bytes every time.
fn make(rows: &str, texts: &str, numbers: &str, path: &Path) -> Result<(), Failure> {
    let (rows, texts, numbers): (u64, u32, u32) = (rows.parse()?, texts.parse()?, numbers.parse()?);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut random = Random::new();
    let names =
        (0..texts).map(|column| format!("{TEXT}{column}")).chain((0..numbers).map(|column| format!("x{column}")));
    writeln!(out, "{},y", names.collect::<Vec<_>>().join(","))?;
    for _ in 0..rows {
        let mut sum = 0.0;
        for column in 0..texts {
            let level = (random.uniform() * f64::from(LEVELS)) as u32;
            sum += f64::from(level % 7 * column);
            write!(out, "level-{level:02},")?;
        }
        for column in 0..numbers {
            let value = (random.normal() * 1e6).round() / 1e6;
            sum += f64::from(column + 1) * value;
            write!(out, "{value:.6},")?;
        }
        writeln!(out, "{:.6}", sum + random.normal())?;
    }
    out.flush()?;
    finish(serde_json::json!({}))
}

/// How a file of [`make`] is read.
fn options(path: &Path) -> Result<ReadOptions, Failure> {
    let mut header = String::new();
    BufReader::new(File::open(path)?).read_line(&mut header)?;
    let mut options = ReadOptions::new("y");
    for name in header.trim_end().split(',').filter(|name| name.starts_with(TEXT)) {
        let column = ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() };
        options.columns.insert(name.to_owned(), column);
    }
    Ok(options)
}

/// Prints what was found, and the peak of the memory.
fn finish(mut found: serde_json::Value) -> Result<(), Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    let peak: f64 = peak.ok_or("no VmHWM in /proc/self/status")?;
    found["mib"] = (peak / 1024.0).into();
    println!("{found}");
    Ok(())
}

/// Which rows are trained on, for those who fit to the same.
fn rows_of(path: &Path, out: &Path) -> Result<(), Failure> {
    let (table, _) = read_csv_file(path, &options(path)?)?;
    let how = TrainOptions::default();
    let rows = split(&table, how.seed, how.test_fraction).train;
    let bytes: Vec<u8> = rows.iter().flat_map(|row| (*row as u64).to_le_bytes()).collect();
    std::fs::write(out, bytes)?;
    finish(serde_json::json!({ "rows": rows.len() }))
}

/// From a file to a model that is fitted, evaluated and saved.
fn fit(path: &Path, model: &Path) -> Result<(), Failure> {
    let (gathered, data) = gather_file(path, &options(path)?, &TrainOptions::default())?;
    let trained = gathered.train(&"bench".parse()?, data, Digest::of(b""))?;
    std::fs::write(model, trained.model.encode()?)?;
    let fit = trained.fit.ok_or("no least squares")?;
    finish(serde_json::json!({
        "coefficients": fit.linear.coefficients,
        "intercept": fit.linear.intercept,
        "rmse": trained.test.metrics.rmse,
        "rows": [trained.rows.train, trained.rows.test, trained.rows.left_out],
    }))
}

/// The limit: reads all bytes and parses all numbers by two threads, without rules for quotes, missing values, lines or
/// anything else, and without doing anything with the numbers but adding them up.
fn parse(path: &Path) -> Result<(), Failure> {
    const PIECE: usize = 1 << 20;
    let mut file = File::open(path)?;
    let (to_workers, pieces) = mpsc::sync_channel::<Vec<u8>>(4);
    let pieces = Mutex::new(pieces);
    let total = thread::scope(|scope| {
        let work = || {
            let mut sum = 0.0;
            loop {
                let piece = pieces.lock().ok().and_then(|pieces| pieces.recv().ok());
                let Some(piece) = piece else { return sum };
                sum += parse_piece(&piece);
            }
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        let mut rest = Vec::new();
        loop {
            let mut piece = std::mem::take(&mut rest);
            let held = piece.len();
            piece.resize(held + PIECE, 0);
            let read = file.read(&mut piece[held..])?;
            piece.truncate(held + read);
            if read == 0 {
                let _ = to_workers.send(piece);
                break;
            }
            let end = piece.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            rest.extend_from_slice(&piece[end..]);
            piece.truncate(end);
            let _ = to_workers.send(piece);
        }
        drop(to_workers);
        let sums = workers.map(|worker| worker.join().unwrap_or(f64::NAN));
        Ok::<f64, std::io::Error>(sums.iter().sum())
    })?;
    finish(serde_json::json!({ "sum": total }))
}

fn parse_piece(bytes: &[u8]) -> f64 {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (mut sum, mut digits, mut decimals, mut step, mut negative) = (0.0, 0_u64, 0_usize, 0, false);
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                digits = digits.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                decimals += step;
            }
            b'.' => step = 1,
            b'-' => negative = true,
            b',' | b'\n' => {
                let value = digits as f64 / POWERS[decimals & 15];
                sum += if negative { -value } else { value };
                (digits, decimals, step, negative) = (0, 0, 0, false);
            }
            _ => {}
        }
    }
    sum
}
