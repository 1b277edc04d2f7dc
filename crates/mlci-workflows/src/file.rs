use std::{fmt, str::FromStr};

use mlci_core::RenderedFile;

use crate::{Pipeline, Result, circleci, github, gitlab, jenkins};

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum System {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI/CD.
    GitLab,
    /// Jenkins, as a declarative Jenkinsfile for a multibranch project.
    Jenkins,
    /// CircleCI, configuration 2.1.
    CircleCi,
}

/// A name that is no system's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no CI system is called `{name}`; there are github, gitlab, jenkins and circleci")]
pub struct UnknownSystem {
    name: String,
}

impl System {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::Jenkins, Self::CircleCi];

    /// The name in commands: `github`, `gitlab`, `jenkins`, `circleci`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Jenkins => "jenkins",
            Self::CircleCi => "circleci",
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for System {
    type Err = UnknownSystem;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownSystem> {
        let known = Self::ALL.into_iter().find(|system| system.name() == name);
        known.ok_or_else(|| UnknownSystem { name: name.to_owned() })
    }
}

impl Pipeline {
    /// Renders the files of a system. The same pipeline gives the same bytes.
    ///
    /// # Errors
    /// Those of [`Pipeline::check`].
    pub fn render(&self, system: System) -> Result<Vec<RenderedFile>> {
        self.check()?;
        let file = match system {
            System::GitHub => github::render(self),
            System::GitLab => gitlab::render(self),
            System::Jenkins => jenkins::render(self),
            System::CircleCi => circleci::render(self),
        };
        Ok(vec![file?])
    }

    /// The comment at the top of a file: by what it was made, and how to make it anew.
    pub(crate) fn header(&self, system: System, notes: &[String]) -> String {
        let sign = if system == System::Jenkins { "//" } else { "#" };
        let mark = RenderedFile::MARK;
        let program = crate::shell::command(&self.program);
        let mut header = format!(
            "{sign} {mark}; edits are lost. Make it anew with: {program} generate {system}\n{sign} What it does and how to set it up: docs/src/ci-systems.md of mlci.\n"
        );
        for note in notes {
            header.push_str(&format!("{sign} {note}\n"));
        }
        header
    }
}
