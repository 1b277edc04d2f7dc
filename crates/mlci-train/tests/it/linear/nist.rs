//! The linear regression sets of NIST's Statistical Reference Datasets (<https://www.itl.nist.gov/div898/strd/>, in the
//! public domain), against the values that NIST has certified.

use std::{env, fmt::Write as _, fs, iter, path::Path};

use mlci_train::{Block, BlockQr, FitError, LinearFit, LinearOptions, Moments, NoInference, Statistic};

/// Correct digits, at least: of the coefficients, of their standard errors, of the residual standard deviation. `None`
/// where the fit says that there is nothing to tell.
type Digits = [Option<f64>; 3];

struct Set {
    name: &'static str,
    text: &'static str,
    /// `None` where sums of products do not have the digits.
    moments: Option<Digits>,
    qr: Digits,
}

macro_rules! set {
    ($name:literal, $moments:expr, $qr:expr) => {
        Set { name: $name, text: include_str!(concat!("../../nist/", $name, ".txt")), moments: $moments, qr: $qr }
    };
}

const fn digits(coefficients: f64, errors: f64, residual: f64) -> Digits {
    [Some(coefficients), Some(errors), Some(residual)]
}

const fn perfect(coefficients: f64) -> Digits {
    [Some(coefficients), None, None]
}

const SETS: [Set; 11] = [
    set!("Norris", Some(digits(11.5, 9.5, 9.5)), digits(11.0, 12.5, 12.5)),
    set!("Pontius", Some(digits(10.5, 8.0, 8.0)), digits(11.5, 12.5, 12.5)),
    set!("NoInt1", Some(digits(13.5, 12.0, 12.0)), digits(13.5, 13.5, 13.5)),
    set!("NoInt2", Some(digits(14.0, 12.5, 12.5)), digits(14.0, 13.5, 13.5)),
    set!("Longley", None, digits(12.5, 13.5, 13.5)),
    set!("Filip", None, digits(7.0, 6.5, 7.5)),
    set!("Wampler1", None, perfect(8.5)),
    set!("Wampler2", None, perfect(12.0)),
    set!("Wampler3", None, digits(8.0, 12.5, 13.0)),
    set!("Wampler4", None, digits(7.5, 12.5, 13.5)),
    set!("Wampler5", None, digits(5.5, 12.5, 13.5)),
];

const NAMES: [&str; 10] = ["x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10"];

struct Certified {
    options: LinearOptions,
    features: usize,
    /// Row by row, the target last.
    rows: Vec<f64>,
    /// The intercept first, if there is one; standard errors likewise.
    coefficients: Vec<f64>,
    errors: Vec<f64>,
    residual: f64,
    r_squared: f64,
}

fn numbers(words: &str) -> Vec<f64> {
    words.split(' ').map(|word| word.parse().unwrap()).collect()
}

fn parse(set: &Set) -> Certified {
    let mut lines = set.text.lines().skip(1);
    let mut line = |key: &str| lines.next().unwrap().strip_prefix(key).unwrap().trim_start();
    let (intercept, powers) = line("model").split_once(' ').unwrap();
    let powers: usize = powers.parse().unwrap();
    let options = LinearOptions { intercept: intercept == "intercept", ..LinearOptions::default() };
    let (coefficients, errors) = (numbers(line("estimate")), numbers(line("deviation")));
    let (residual, r_squared) = (numbers(line("residual"))[0], numbers(line("r-squared"))[0]);
    let mut rows = Vec::new();
    for line in lines {
        let row = numbers(line);
        let (target, features) = row.split_first().unwrap();
        rows.extend(
            features
                .iter()
                .flat_map(|value| iter::successors(Some(*value), move |power| Some(power * value)).take(powers)),
        );
        rows.push(*target);
    }
    let features = coefficients.len() - usize::from(options.intercept);
    Certified { options, features, rows, coefficients, errors, residual, r_squared }
}

/// How many digits are correct: the logarithm of the relative error, at most the 15 that are certified.
fn correct(found: f64, certified: f64) -> f64 {
    let error = ((found - certified) / certified).abs();
    (-error.log10()).clamp(0.0, 15.0)
}

fn fewest(found: impl IntoIterator<Item = f64>, certified: &[f64]) -> f64 {
    found.into_iter().zip(certified).map(|(found, certified)| correct(found, *certified)).fold(15.0, f64::min)
}

fn measure(fit: &LinearFit, certified: &Certified) -> Digits {
    let intercept = certified.options.intercept.then_some(fit.linear.intercept);
    let coefficients = intercept.into_iter().chain(fit.linear.coefficients.iter().copied());
    let coefficients = fewest(coefficients, &certified.coefficients);
    assert!(correct(fit.r_squared.unwrap(), certified.r_squared) > 10.0, "{fit:?}");
    match &fit.inference {
        Ok(found) => {
            assert_eq!(found.coefficients.len() + usize::from(found.intercept.is_some()), certified.errors.len());
            let tests = found.intercept.iter().chain(&found.coefficients);
            let errors = fewest(tests.map(|test| test.standard_error), &certified.errors);
            [Some(coefficients), Some(errors), Some(correct(found.residual_standard_deviation, certified.residual))]
        }
        Err(NoInference::PerfectFit) => {
            assert_eq!(certified.residual, 0.0);
            perfect(coefficients)
        }
        Err(other) => panic!("{other}"),
    }
}

/// The fit to all rows, and to three pieces of them.
fn fits<S: Statistic>(certified: &Certified) -> [Result<LinearFit, FitError>; 2] {
    let Certified { options, features, rows, .. } = certified;
    let of = |rows: &[f64]| S::of(Block::new(rows, *features).unwrap()).unwrap();
    let pieces = rows.chunks(rows.len() / (features + 1) / 3 * (features + 1));
    let merged = pieces.map(of).reduce(|mut merged, next| {
        merged.merge(&next).unwrap();
        merged
    });
    [of(rows), merged.unwrap()].map(|statistic| statistic.solve(&NAMES[..*features], options))
}

#[test]
fn digits_of_every_set() {
    for set in &SETS {
        let certified = parse(set);
        let check = |path: &str, fit: Result<LinearFit, FitError>, least: Digits| {
            let found = measure(&fit.unwrap(), &certified);
            println!("{} by {path}: {found:.1?}", set.name);
            for (found, least) in found.iter().zip(&least) {
                assert!(found.is_some() == least.is_some() && found >= least, "{}: {found:?}, {least:?}", set.name);
            }
        };
        for fit in fits::<BlockQr>(&certified) {
            check("qr", fit, set.qr);
        }
        for fit in fits::<Moments>(&certified) {
            match set.moments {
                Some(least) => check("moments", fit, least),
                None => assert!(matches!(fit, Err(FitError::IllConditioned { .. })), "{}: {fit:?}", set.name),
            }
        }
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Least squares beside NIST's reference values

Written by a test of `mlci-train` (`MLCI_WRITE_NIST=1 cargo test -p mlci-train --test it nist`). The linear regression \
sets of NIST's [Statistical Reference Datasets](https://www.itl.nist.gov/div898/strd/), which are in the public domain, \
come with certified values of 15 digits (the least-squares solution in exact rational arithmetic agrees with each to \
5e-15). The table has how many digits of these are reached at least, by the worst \
coefficient of a set: the logarithm of the relative error, rounded down far enough to hold on every CPU. The tests fail \
below it; they check the fit to all rows and to three pieces of them, merged.

`Moments` fits from sums of products, in one pass; where the columns are too nearly dependent for that (a condition \
number above 30), it refuses, and `BlockQr` takes over in a second pass. The polynomial sets are given to it as powers \
of `x`, rounded to doubles, as any program would: no shift of `x` is known beforehand. Filip's ten powers have a \
condition number of 4e9, so that 7 digits are what a double allows.

| set | rows | columns | `Moments`: coefficients | standard errors | residual SD | `BlockQr`: coefficients | standard errors | residual SD |
|---|---|---|---|---|---|---|---|---|
",
    );
    for set in &SETS {
        let certified = parse(set);
        let origin = if certified.options.intercept { "" } else { ", no intercept" };
        let rows = certified.rows.len() / (certified.features + 1);
        write!(page, "| {} | {rows} | {}{origin} |", set.name, certified.features).unwrap();
        let cell = |digits: Option<f64>| digits.map_or("perfect fit".to_owned(), |digits| format!("{digits}"));
        match set.moments {
            Some(digits) => digits.iter().for_each(|digits| write!(page, " {} |", cell(*digits)).unwrap()),
            None => page += " refuses | | |",
        }
        set.qr.iter().for_each(|digits| write!(page, " {} |", cell(*digits)).unwrap());
        page.push('\n');
    }
    page
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/nist.md");
    if env::var_os("MLCI_WRITE_NIST").is_some() {
        fs::write(&path, page()).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == page(),
        "run `MLCI_WRITE_NIST=1 cargo test -p mlci-train --test it nist`"
    );
}
