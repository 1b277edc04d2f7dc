//! The linear regression sets of NIST's Statistical Reference Datasets (<https://www.itl.nist.gov/div898/strd/>, in the
//! public domain), against the values that NIST has certified.

use std::{env, fmt::Write as _, fs, path::Path};

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
    set!("Norris", Some(digits(0.0, 0.0, 0.0)), digits(0.0, 0.0, 0.0)),
    set!("Pontius", Some(digits(0.0, 0.0, 0.0)), digits(0.0, 0.0, 0.0)),
    set!("NoInt1", Some(digits(0.0, 0.0, 0.0)), digits(0.0, 0.0, 0.0)),
    set!("NoInt2", Some(digits(0.0, 0.0, 0.0)), digits(0.0, 0.0, 0.0)),
    set!("Longley", Some(digits(0.0, 0.0, 0.0)), digits(0.0, 0.0, 0.0)),
    set!("Filip", None, digits(0.0, 0.0, 0.0)),
    set!("Wampler1", None, perfect(0.0)),
    set!("Wampler2", None, perfect(0.0)),
    set!("Wampler3", None, digits(0.0, 0.0, 0.0)),
    set!("Wampler4", None, digits(0.0, 0.0, 0.0)),
    set!("Wampler5", None, digits(0.0, 0.0, 0.0)),
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
    let powers: i32 = powers.parse().unwrap();
    let options = LinearOptions { intercept: intercept == "intercept", ..LinearOptions::default() };
    let (coefficients, errors) = (numbers(line("estimate")), numbers(line("deviation")));
    let (residual, r_squared) = (numbers(line("residual"))[0], numbers(line("r-squared"))[0]);
    let mut rows = Vec::new();
    for line in lines {
        let row = numbers(line);
        let (target, features) = row.split_first().unwrap();
        rows.extend(features.iter().flat_map(|value| (1..=powers).map(|power| value.powi(power))));
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
    let r_squared = correct(fit.r_squared.unwrap(), certified.r_squared);
    match &fit.inference {
        Ok(found) => {
            assert_eq!(found.coefficients.len() + usize::from(found.intercept.is_some()), certified.errors.len());
            let tests = found.intercept.iter().chain(&found.coefficients);
            let errors = fewest(tests.map(|test| test.standard_error), &certified.errors);
            println!("    r_squared {r_squared:.1}");
            [Some(coefficients), Some(errors), Some(correct(found.residual_standard_deviation, certified.residual))]
        }
        Err(NoInference::PerfectFit | NoInference::Unresolved) => perfect(coefficients),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn probe() {
    for set in &SETS {
        let c = parse(set);
        let block = Block::new(&c.rows, c.features).unwrap();
        println!("{}", set.name);
        match Moments::of(block).unwrap().solve(&NAMES[..c.features], &c.options) {
            Ok(fit) => println!(
                "  moments {:?} cond {:.2e} {:?}",
                measure(&fit, &c),
                fit.condition,
                fit.inference.as_ref().err()
            ),
            Err(e) => println!("  moments {e}"),
        }
        match BlockQr::of(block).unwrap().solve(&NAMES[..c.features], &c.options) {
            Ok(fit) => {
                println!("  qr {:?} cond {:.2e} {:?}", measure(&fit, &c), fit.condition, fit.inference.as_ref().err())
            }
            Err(e) => println!("  qr {e}"),
        }
    }
    let _ = (env::var("X"), fs::read("x"), Path::new("x"), FitError::Penalty { value: 1.0 });
    let mut s = String::new();
    let _ = write!(s, "x");
}
