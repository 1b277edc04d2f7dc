//! What a repository has that trains with Python.

use std::{fs, path::Path};

/// The folder of the virtual environment that the proposed `[setup]` makes.
pub(super) const ENVIRONMENT: &str = ".venv/";
const TRAIN: &str = "train.py";
const REQUIREMENTS: &str = "requirements.txt";

pub(super) struct Python {
    pub(super) has_requirements: bool,
    has_tests: bool,
    /// Whether the program knows of mlci already.
    reads_variables: bool,
}

impl Python {
    /// `None` without a `train.py`.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let program = fs::read_to_string(folder.join(TRAIN)).ok()?;
        let has_tests = [folder.to_owned(), folder.join("tests")].iter().any(|place| {
            let names = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.file_name());
            names.into_iter().any(|name| {
                let name = name.to_string_lossy();
                name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"))
            })
        });
        Some(Self {
            has_requirements: folder.join(REQUIREMENTS).is_file(),
            has_tests,
            reads_variables: program.contains("MLCI_DATA") && program.contains("MLCI_OUTPUT"),
        })
    }

    fn interpreter(&self) -> &'static str {
        if self.has_requirements { ".venv/bin/python" } else { "python3" }
    }

    /// The tables `[setup]` and `[check]`, as far as there is something for them.
    pub(super) fn steps(&self) -> String {
        let mut text = String::new();
        if self.has_requirements {
            text.push_str(
                "\n[setup]  # when requirements.txt changes\ncommand = [\"sh\", \"-c\", \"test -x .venv/bin/python || python3 -m \
                 venv .venv && .venv/bin/python -m pip install --quiet --requirement requirements.txt\"]\n\
                 inputs = [\"requirements.txt\"]\n",
            );
        }
        if self.has_tests {
            let python = self.interpreter();
            text.push_str(&format!("\n[check]\ncommand = [\"{python}\", \"-m\", \"pytest\", \"--quiet\"]\n"));
        }
        text
    }

    /// The key of `[train]`.
    pub(super) fn train(&self) -> String {
        format!(
            "command = [\"{}\", \"{TRAIN}\"]  # reads MLCI_DATA, leaves model.onnx in MLCI_OUTPUT",
            self.interpreter()
        )
    }

    /// What the person has to know.
    pub(super) fn told(&self) -> Vec<String> {
        let mut lines = vec![format!("trains by running `{} {TRAIN}`", self.interpreter())];
        if !self.reads_variables {
            lines.push(format!(
                "{TRAIN} is to read the CSV file that the variable MLCI_DATA names, and to write model.onnx to the folder \
                 MLCI_OUTPUT: see \"Bring your own training\" in the documentation"
            ));
        }
        lines
    }
}
