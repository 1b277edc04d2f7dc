//! The record of what was done to an environment, and what becomes of a deployment that ends after another one was
//! recorded.

use mlci_core::Label;

use super::{
    shown,
    target::{DeployError, Target},
};
use crate::{
    error::{Error, Result},
    event::Event,
    pipeline::Pipeline,
    records::{Happened, History, Release},
};

impl Pipeline {
    /// Appends to an environment's log. An approval that came in since it was read is no reason to stop; another
    /// deployment is.
    pub(super) fn record(&self, name: &Label, mut last: Option<u64>, happened: &Happened) -> Result<()> {
        let log = self.records().environment(name)?;
        loop {
            match self.block_on(log.append_after(last, happened, &happened.references())) {
                Ok(_) => return Ok(()),
                Err(mlci_artifact::Error::Conflict { .. }) => {
                    let history = self.history(name)?;
                    let since = history.0.iter().filter(|entry| last.is_none_or(|last| entry.number > last));
                    if let Some(other) = since.clone().find(|entry| !matches!(entry.body, Happened::Approved { .. })) {
                        return Err(Error::fail(format!(
                            "somebody else changed `{name}` at the same time (entry {} of its log)",
                            other.number
                        ))
                        .help(format!("see what serves there: {}", self.command_line(&format!("status {name}")))));
                    }
                    last = history.last_number();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The log has refused the record of a deployment. Where that is so because another one was recorded since it was
    /// read, and this one has replaced its pods, what the log says serves is brought back: the log decides who was first,
    /// and what runs follows it.
    pub(super) fn give_way(
        &self,
        name: &Label,
        target: &dyn Target,
        release: &Release,
        read: &History,
        refused: Error,
    ) -> Error {
        let Ok(history) = self.history(name) else { return refused };
        let Some((serving, number)) = history.current().and_then(|it| Some((it.body.serving()?, it.number))) else {
            return refused;
        };
        // It was moved for a release that is not on record.
        if let Err(error) = self.move_alias(name, serving) {
            self.warn(format!("the alias `{name}` stays at {}: {error}", shown(release)));
        }
        let is_newer = read.last_number().is_none_or(|last| number > last) && serving.image != release.image;
        if !is_newer || target.is_local() || !target.wanted().is_ok_and(|image| image == Some(release.image)) {
            return refused;
        }
        let progress = |message: String| {
            self.event(&Event::Progress { name: "deploy".to_owned(), message: format!("{name}: {message}") });
        };
        progress(format!("{} was recorded there in the meantime, and is brought back", shown(serving)));
        let (help, message) = (refused.help.clone().unwrap_or_default(), refused.message);
        match target.give_up(Some(serving), &progress) {
            Ok(_) => Error::fail(format!("{message}: {}, which serves again", shown(serving))).help(help),
            Err(error) => {
                let error = DeployError::into_error(error);
                let mut causes = vec![error.message.clone()];
                causes.extend(error.causes());
                let what = format!("{message}: {}, which could not be brought back", shown(serving));
                Error::fail(what).because_of(causes).help(help)
            }
        }
    }
}
