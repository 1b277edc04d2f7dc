use mlci_core::Digest;

use crate::{error::Error, event::CanaryCheck, records::Release};

/// Where a release runs: what every kind of environment can do.
pub(crate) trait Target {
    /// Whether it runs on this machine, and so ends with a CI job.
    fn is_local(&self) -> bool {
        true
    }

    /// What runs there now, as it says itself.
    fn observe(&self) -> Result<Option<Running>, Error>;

    /// The process that lives there and does not answer, if one does: [`Target::observe`] takes it for none.
    fn hangs(&self) -> Result<Option<u32>, Error>;

    /// Tries the release out beside what serves, where the environment asks for that, and leaves what it has made for
    /// [`Target::deploy`], which has to follow. Where it fails, nothing of it is left. `checked` is told of each check.
    fn try_out(
        &self,
        _release: &Release,
        _progress: &dyn Fn(String),
        _checked: &dyn Fn(CanaryCheck),
    ) -> Result<(), DeployError> {
        Ok(())
    }

    /// What runs there besides what serves, in a few words.
    fn aside(&self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// The image that is tried out beside what serves.
    fn on_trial(&self) -> Result<Option<Digest>, Error> {
        Ok(None)
    }

    /// Brings the release there: starts it, verifies it, and only then lets it take the place of what ran before.
    /// Where that fails, what ran before still runs.
    /// `serving` is what was verified there last, to be brought back.
    fn deploy(
        &self,
        release: &Release,
        serving: Option<&Release>,
        progress: &dyn Fn(String),
    ) -> Result<Running, DeployError>;

    /// Clears away what a command that was cut short left behind. Returns whether there was anything.
    fn settle(&self) -> Result<bool, Error>;

    /// Checks that what runs there answers as the release should.
    fn verify(&self, release: &Release, running: &Running) -> Result<(), Error>;

    /// Stops what runs there. Returns whether anything did.
    fn stop(&self) -> Result<bool, Error>;

    /// Holds a deployment that is under way where it is. What serves goes on.
    fn pause(&self) -> Result<(), Error> {
        Err(one_step())
    }

    /// Lets go on what was held.
    fn resume(&self) -> Result<(), Error> {
        Err(one_step())
    }

    /// The image that is to run there, whether or not it is ready: a deployment that is under way shows here first.
    fn wanted(&self) -> Result<Option<Digest>, Error> {
        Err(one_step())
    }

    /// Gives up what is being deployed, by whomever, held or not: brings back what was verified last, or removes what
    /// there is where nothing ever was. To call it again is safe.
    fn give_up(&self, _back: Option<&Release>, _progress: &dyn Fn(String)) -> Result<Option<Running>, DeployError> {
        Err(one_step().into())
    }

    /// What runs there has logged, and where that is.
    fn log(&self) -> Result<Option<(String, Vec<u8>)>, Error>;

    /// What a deployment of the release would do, without doing it.
    fn look(&self, _release: &Release, _look: Look) -> Result<Shown, Error> {
        Err(Error::invalid("a process on this machine has no manifests, and nothing to compare")
            .help("what `ci` would do is shown by: plan"))
    }

    /// What a person wants to see of it besides: pods, services.
    fn tables(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}

/// Why a target without a rollout has none to hold.
fn one_step() -> Error {
    Error::invalid("a process on this machine takes over in one step: there is no rollout to hold or to give up")
        .help("a deployment that is under way is stopped by Ctrl-C; to go back to the release before: rollback")
}

/// What to show of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What would be applied.
    Manifests,
    /// What would change.
    Changes,
}

/// What a person, and a program, are shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) result: serde_json::Value,
}

/// What runs in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Running {
    /// Where it is reached: `http://HOST:PORT`.
    pub(crate) address: String,
    /// The image that it was started from.
    pub(crate) image: Digest,
    /// The digest of the model, as the server says.
    pub(crate) model: Digest,
    /// The version of the model, as the server says.
    pub(crate) version: String,
    /// The process, where it is one of this machine.
    pub(crate) pid: Option<u32>,
}

/// Why a release is not there.
#[derive(Debug)]
pub(crate) enum DeployError {
    /// The release itself is at fault: it does not start, or does not answer as it should.
    Release(Error),
    /// Somebody holds it where it is.
    #[cfg_attr(not(feature = "kubernetes"), expect(dead_code, reason = "only rollouts can be held"))]
    Paused(Error),
    /// Something else is: a port in use, a full disk.
    Other(Error),
}

impl DeployError {
    /// What is wrong, whoever's fault it is.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Release(error) | Self::Paused(error) | Self::Other(error) => error,
        }
    }
}

impl From<Error> for DeployError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
