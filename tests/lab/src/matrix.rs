//! The tests that need servers: which there are, that they ran, and the page that says what they have shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use mlci_core::{FileError, write_atomic};
use serde::Deserialize;

use crate::{
    error::{Error, Result},
    interrupt,
    programs::{self, Built, Features, Program},
};

/// `tests/lab/matrix.toml`: every system, and the tests that must have run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// The systems, in the order of the page.
    pub system: Vec<System>,
}

/// A system that the product works with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Its name.
    pub name: String,
    /// The components of the lab that its tests need.
    pub components: Vec<String>,
    /// The name of these tests in commands, where it is none of a component.
    pub part: Option<String>,
    /// Whether it is run on demand only, with servers of its own.
    #[serde(default)]
    pub soak: bool,
    /// What was run, with its version, or what stood in.
    pub ran: String,
    /// What these tests cannot show.
    pub not_shown: String,
    /// The tests.
    pub test: Vec<Test>,
}

/// A test that must have run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The package that has it.
    pub package: String,
    /// Its test program.
    pub target: String,
    /// Its name there.
    pub name: String,
    /// What it shows, as a sentence.
    pub shows: String,
    /// Whether it takes apart servers that other programs use: its program comes after all others.
    #[serde(default)]
    pub disrupts: bool,
}

const FILE: &str = include_str!("../matrix.toml");

impl Matrix {
    /// The one that is checked in.
    ///
    /// # Errors
    /// When it is no legal file.
    pub fn load() -> Result<Self> {
        toml::from_str(FILE).map_err(|error| Error::Other(format!("tests/lab/matrix.toml: {error}")))
    }

    /// The systems that need one of these components, or have one of these names themselves. For none all but those
    /// that are run on demand.
    ///
    /// # Errors
    /// When a name is none of a component or a system, or no system needs it.
    pub fn of(&self, names: &[String]) -> Result<Vec<&System>> {
        let part = |name: &String| self.system.iter().any(|system| system.part.as_ref() == Some(name));
        for name in names.iter().filter(|name| !part(name)) {
            crate::component::find(name)?;
        }
        let wanted = |system: &&System| match &system.part {
            _ if names.is_empty() => !system.soak,
            Some(part) => names.contains(part),
            None => system.components.iter().any(|component| names.contains(component)),
        };
        let systems: Vec<&System> = self.system.iter().filter(wanted).collect();
        if systems.is_empty() {
            return Err(Error::Other(format!("no test needs {}", names.join(", "))));
        }
        Ok(systems)
    }
}

/// Runs the tests of these systems with the servers' variables, and checks that each listed one ran and passed.
///
/// # Errors
/// When cargo cannot be run. Failed tests are told, and give `false`.
pub fn run_tests(
    checkout: &Path,
    systems: &[&System],
    features: Features,
    settings: &BTreeMap<String, String>,
    tell: &dyn Fn(&str),
) -> Result<bool> {
    let mut programs: BTreeMap<Program<'_>, BTreeSet<&str>> = BTreeMap::new();
    for test in systems.iter().flat_map(|system| &system.test) {
        programs.entry((&test.package, &test.target)).or_default().insert(&test.name);
    }
    let built = programs::build(checkout, &programs.keys().copied().collect(), features)?;
    let disrupts = |program: &Program<'_>| {
        let mut tests = systems.iter().flat_map(|system| &system.test);
        tests.any(|test| test.disrupts && (test.package.as_str(), test.target.as_str()) == *program)
    };
    let mut programs: Vec<_> = programs.into_iter().collect();
    programs.sort_by_key(|(program, _)| disrupts(program));
    let mut good = true;
    for ((package, target), wanted) in programs {
        tell(&format!("{package}, {target}: tests that need servers: {}", wanted.len()));
        let Some(program) = built.get(&(package, target)) else { continue };
        let passed = passed(program, &wanted, settings)?;
        for missing in wanted.iter().filter(|name| !passed.contains(**name)) {
            tell(&format!("{package}, {target}: `{missing}` did not run and pass"));
            good = false;
        }
    }
    Ok(good)
}

/// The names of the tests that ran and passed. What they print is passed on.
fn passed(program: &Built, wanted: &BTreeSet<&str>, settings: &BTreeMap<String, String>) -> Result<BTreeSet<String>> {
    let mut command = program.command();
    // They wait for servers much of the time; one node has room for so many pods only.
    let threads = std::thread::available_parallelism().map_or(2, |processors| (2 * processors.get()).min(8));
    command.args(["--ignored", "--exact", "--test-threads", &threads.to_string()]).args(wanted).envs(settings);
    let mut child = interrupt::spawn(command.stdout(Stdio::piped()))?;
    let mut passed = BTreeSet::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            eprint_line(&line);
            let name = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... ok"));
            passed.extend(name.map(|name| name.split(" - ").next().unwrap_or(name).trim().to_owned()));
        }
    }
    interrupt::wait(child)?;
    Ok(passed)
}

#[expect(clippy::print_stderr, reason = "what the tests print belongs to whoever has started them")]
fn eprint_line(line: &str) {
    eprintln!("{line}");
}

/// Writes `docs/src/matrix.md`, or compares it. It holds no times, so that it changes only with what was shown.
///
/// # Errors
/// When it cannot be written, or differs.
pub fn page(checkout: &Path, matrix: &Matrix, check: bool) -> Result<()> {
    let path = checkout.join("docs/src/matrix.md");
    let text = text(matrix);
    let present = fs::read_to_string(&path).unwrap_or_default();
    if present == text {
        return Ok(());
    }
    if check {
        return Err(Error::Other(format!("{} is out of date; write it anew: cargo xtask test --lab", path.display())));
    }
    write_atomic(&path, text.as_bytes()).map_err(|error: FileError| error.into())
}

fn text(matrix: &Matrix) -> String {
    let mut out = String::from(
        "# What was shown against which system\n\n\
         Written by `cargo xtask test --lab` after its tests have passed. Each line under a system is one of them.\n\
         Systems that are not here are not claimed to work.\n",
    );
    for system in &matrix.system {
        let when = if system.soak { "Run on demand, not for this page, against" } else { "Run against" };
        // Writing to a String cannot fail.
        let _ = write!(out, "\n## {}\n\n{when}: {}.\n\n", system.name, system.ran);
        for test in &system.test {
            let _ = writeln!(out, "- {} (`{}::{}`)", test.shows, test.package, test.name);
        }
        let _ = write!(out, "\nNot shown: {}.\n", system.not_shown);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{COMPONENTS, ON_DEMAND};

    #[test]
    fn every_component_is_known_and_has_tests() {
        let matrix = Matrix::load().unwrap();
        let named: BTreeSet<&String> = matrix.system.iter().flat_map(|system| &system.components).collect();
        for component in COMPONENTS.iter().chain(ON_DEMAND) {
            assert!(named.iter().any(|name| *name == component.name), "no system needs {}", component.name);
        }
        for name in named {
            assert!(crate::component::find(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn no_test_is_listed_twice_for_a_system() {
        for system in &Matrix::load().unwrap().system {
            let names: BTreeSet<_> = system.test.iter().map(|test| (&test.package, &test.name)).collect();
            assert_eq!(names.len(), system.test.len(), "{}", system.name);
            assert!(!system.not_shown.is_empty() && !system.ran.is_empty(), "{}", system.name);
        }
    }
}
