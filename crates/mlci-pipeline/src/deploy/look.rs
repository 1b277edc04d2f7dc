//! `deploy --diff` and `deploy --dry-run`: what a deployment would do.

use mlci_core::Label;

use super::{commands::note, target::Look};
use crate::{event::Finished, pipeline::Pipeline};

impl Pipeline {
    /// Shows what `deploy` would apply, or change, and does nothing. Approvals and rejections are not asked for.
    pub fn look(&self, name: &Label, image: Option<&str>, look: Look) -> Finished {
        self.command("deploy", |ending| {
            self.environment(name)?;
            let release = self.candidate(name, image)?;
            note(ending, &release, self);
            let shown = self.target(name)?.look(&release, look)?;
            ending.text = Some(shown.text);
            ending.result = Some(shown.result);
            Ok(())
        })
    }
}
