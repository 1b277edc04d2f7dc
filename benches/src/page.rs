use std::{fmt::Write as _, fs, path::Path, thread};

use crate::case::Case;

/// Writes `docs/src/benchmarks.md`, with the machine that the figures are from.
pub(crate) fn write(cases: &[Case]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/benchmarks.md");
    let mut text = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench --write`. Times are medians of whole processes; a ratio above 1 means \
         that ours is better. Where the peer is `goal`, the other number was set and not measured.\n\n\
         The cases of `train` go from a CSV file of random numbers with six decimals to a fitted, evaluated, saved model, in the \
         release profile; programs run in turn, and have to find the same coefficients. `duckdb` only reads and sums up the \
         products of columns; `parse-limit` is a program of ours that reads the bytes and parses the numbers by two threads, \
         without rules for anything else; `numpy (matrix only)` starts with the matrix. Of `csv-ols-10m` the other figure is \
         ten times that of `csv-ols-1m`, with its memory; of `csv-ols-50m` (with `--large`), a file of 10 GB, fifty times. \
         `csv-ols-wide` has 100,000 rows of 1,000 columns, `csv-ols-onehot` \
         200,000 of eight columns of 50 levels and four of numbers.\n\n\
         Times of `predict` are nanoseconds a row, in a loop, on one thread of ours and as many as ONNX Runtime takes. The \
         call through Python is part of its figures, and most of those of one row.\n\n",
    );
    let cores = thread::available_parallelism().map_or(0, usize::from);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "Machine: {cores} cores, {}. The command line is built in the development profile.\n",
        processor()
    );
    text.push_str("| benchmark | case | ours | lowest to highest | runs | beside | theirs | ratio | peak memory |\n|---|---|---|---|---|---|---|---|---|\n");
    // What was not measured this time stays.
    let present = fs::read_to_string(&path).unwrap_or_default();
    let is_measured = |line: &str| {
        let of = |index| line.split('|').nth(index).map(str::trim);
        cases.iter().any(|case| (Some(case.bench), Some(case.case)) == (of(1), of(2)))
    };
    let rows = present.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    for row in rows.filter(|row| row.starts_with('|') && !is_measured(row)) {
        text.push_str(row);
        text.push('\n');
    }
    for case in cases {
        let (unit, by) = case.shown_in();
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} {unit} | {:.1} to {:.1} {unit} | {} | {} | {:.0} {unit} | {:.1} | {} |",
            case.bench,
            case.case,
            case.ours * by,
            case.spread.0 * by,
            case.spread.1 * by,
            case.runs,
            case.peer,
            case.theirs * by,
            case.ratio,
            case.memory()
        );
    }
    fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
