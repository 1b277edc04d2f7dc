use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The tool that a variable names; a missing one fails the test, since a test left out would look like one that passed.
pub(crate) fn named(variable: &str) -> PathBuf {
    match env::var_os(variable) {
        Some(path) if !path.is_empty() => {
            let path = PathBuf::from(path);
            assert!(path.exists(), "{variable} names {}, which is not there", path.display());
            path
        }
        _ => panic!("{variable} is not set: it names a tool that this test needs (docs/src/ci-systems.md)"),
    }
}

/// A file that stands beside the tests.
pub(crate) fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// What a tool said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) all: String,
}

pub(crate) fn run(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let out = String::from_utf8_lossy(&stdout).into_owned();
    let all = format!("{command:?}\n{out}{}", String::from_utf8_lossy(&stderr));
    Said { code: status.code(), out, all }
}

impl Said {
    #[track_caller]
    pub(crate) fn succeeded(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{}", self.all);
        self
    }

    #[track_caller]
    pub(crate) fn failed(&self) -> &Self {
        assert_ne!(self.code, Some(0), "{}", self.all);
        self
    }
}
