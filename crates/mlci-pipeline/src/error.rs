use std::fmt;

use serde::{Deserialize, Serialize};

/// How a command ended. Each has its own exit code; both are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 0: done.
    Pass,
    /// 1: something failed.
    Fail,
    /// 2: wrong usage or configuration.
    Invalid,
    /// 3: refused by a gate.
    Refused,
    /// 4: a deployment failed and was rolled back.
    RolledBack,
    /// 5: waiting for an approval.
    Waiting,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Pass, Self::Fail, Self::Invalid, Self::Refused, Self::RolledBack, Self::Waiting];

    /// The exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Invalid => 2,
            Self::Refused => 3,
            Self::RolledBack => 4,
            Self::Waiting => 5,
        }
    }

    /// The word in events and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::RolledBack => "rolled_back",
            Self::Waiting => "waiting",
        }
    }
}

/// Why a command did not do what it was asked, for a person: what, why, and what to do.
#[derive(Debug)]
pub struct Error {
    /// How the command ends because of it.
    pub outcome: Outcome,
    /// What could not be done.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of what the pipeline does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that ends a command with `outcome`.
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, message: message.into(), help: None, source: None }
    }

    /// An error that ends a command with [`Outcome::Fail`].
    pub fn fail(message: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, message)
    }

    /// An error that ends a command with [`Outcome::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Outcome::Invalid, message)
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says why.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says why, where that has several parts.
    #[must_use]
    pub fn because_of(mut self, reasons: impl IntoIterator<Item = String, IntoIter: DoubleEndedIterator>) -> Self {
        let chain = reasons.into_iter().rev().fold(None, |source, text| Some(Box::new(Frozen { text, source })));
        self.source = chain.map(|chain| chain as _);
        self
    }

    /// The reasons below the message, outermost first.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        std::error::Error::source(self).map(chain).unwrap_or_default()
    }
}

/// What an error says, and what each of its causes says, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let mut said = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        said.push(error.to_string());
        next = error.source();
    }
    // A transparent error and the one it passes on say the same, and some quote their cause at their end.
    said.dedup_by(|next, before| before.ends_with(next.as_str()));
    said
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Error {
    fn told_by(outcome: Outcome, error: &dyn std::error::Error) -> Self {
        let source = error.source().map(Frozen::of);
        Self { outcome, message: error.to_string(), help: None, source: source.map(|source| Box::new(source) as _) }
    }
}

impl From<mlci_artifact::Error> for Error {
    fn from(error: mlci_artifact::Error) -> Self {
        // A version that does not exist was named by somebody.
        let outcome =
            if matches!(error, mlci_artifact::Error::NotFound { .. }) { Outcome::Invalid } else { Outcome::Fail };
        Self::told_by(outcome, &error)
    }
}

#[cfg(feature = "kubernetes")]
impl From<mlci_k8s::Error> for Error {
    fn from(error: mlci_k8s::Error) -> Self {
        use mlci_k8s::Error::{Kubeconfig, NoContext};
        let outcome =
            if matches!(error, Kubeconfig { .. } | NoContext { .. }) { Outcome::Invalid } else { Outcome::Fail };
        Self::told_by(outcome, &error)
    }
}

impl From<mlci_track::Error> for Error {
    fn from(error: mlci_track::Error) -> Self {
        use mlci_track::Error::{Ambiguous, NotFound};
        let outcome =
            if matches!(error, NotFound { .. } | Ambiguous { .. }) { Outcome::Invalid } else { Outcome::Fail };
        Self::told_by(outcome, &error)
    }
}

/// For errors that speak for themselves: the error is the message, its sources are the causes.
macro_rules! speaks_for_itself {
    ($($error:ty => $outcome:ident),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::told_by(Outcome::$outcome, &error)
            }
        })*
    };
}

speaks_for_itself! {
    mlci_core::FileError => Fail,
    mlci_core::NameError => Invalid,
    mlci_image::Error => Fail,
    mlci_model::ModelFileError => Fail,
    mlci_model::OnnxError => Fail,
    mlci_serve::verify::VerifyError => Fail,
    crate::config::LoadError => Invalid,
}

/// The texts of an error and its sources, kept when the error itself is not.
#[derive(Debug)]
struct Frozen {
    text: String,
    source: Option<Box<Frozen>>,
}

impl Frozen {
    fn of(error: &dyn std::error::Error) -> Self {
        Self { text: error.to_string(), source: error.source().map(|source| Box::new(Self::of(source))) }
    }
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Frozen {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Adds what was being done to an error of another crate.
pub trait Context<T> {
    /// `Err` becomes an [`Error`] with this message, and what came as its cause.
    ///
    /// # Errors
    /// When there was one.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::fail(message()).because(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_documented() {
        let codes =
            [Outcome::Pass, Outcome::Fail, Outcome::Invalid, Outcome::Refused, Outcome::RolledBack, Outcome::Waiting]
                .map(|outcome| (outcome.as_str(), outcome.exit_code()));
        assert_eq!(
            codes,
            [("pass", 0), ("fail", 1), ("invalid", 2), ("refused", 3), ("rolled_back", 4), ("waiting", 5)]
        );
    }

    #[test]
    fn causes_are_listed_once_each() {
        let inner = mlci_core::FileError {
            action: "read",
            path: "x".into(),
            source: std::io::Error::new(std::io::ErrorKind::NotFound, "gone"),
        };
        let error = Error::fail("no model").because(inner);
        assert_eq!(
            (error.to_string().as_str(), error.causes()),
            ("no model", vec!["cannot read `x`".into(), "gone".into()])
        );
    }
}
