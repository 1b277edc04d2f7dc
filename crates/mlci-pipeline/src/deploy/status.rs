//! How environments stand, as they say themselves.

use mlci_core::Label;

use super::{
    process, shown,
    target::{Running, Target},
};
use crate::{
    error::Result,
    event::{EnvironmentEnd, EnvironmentStatus},
    pipeline::Pipeline,
    records::{Happened, History, Release},
};

impl Pipeline {
    /// How an environment stands, with what it says itself.
    pub(crate) fn environment_status(&self, name: &Label) -> Result<EnvironmentEnd> {
        let history = self.history(name)?;
        let target = self.target(name)?;
        self.status_of(name, &*target, &history)
    }

    pub(super) fn status_of(&self, name: &Label, target: &dyn Target, history: &History) -> Result<EnvironmentEnd> {
        let Some(current) = history.current() else {
            return Ok(EnvironmentEnd::named(name, EnvironmentStatus::Empty, "nothing was released here yet"));
        };
        let Some(release) = current.body.serving() else {
            return Ok(EnvironmentEnd::named(name, EnvironmentStatus::Empty, "nothing was released here yet"));
        };
        let Some(running) = target.observe()? else {
            let (status, note) = match (&current.body, target.hangs()?) {
                (_, Some(pid)) => {
                    let note = format!("process {pid} lives and does not answer; restart, ci or deploy replaces it");
                    (EnvironmentStatus::Drifted, note)
                }
                (Happened::Deployed { ephemeral: true, .. }, None) => {
                    (EnvironmentStatus::Ephemeral, "stopped at the end of its CI job".to_owned())
                }
                _ => (EnvironmentStatus::Down, "nothing runs; ci or deploy starts it again".to_owned()),
            };
            let mut end = EnvironmentEnd::named(name, status, note);
            end.model_version = Some(release.version);
            end.model_digest = Some(release.model);
            end.image_digest = Some(release.image);
            return Ok(end);
        };
        let mut end = verified(name, release, &running);
        end.model_digest = Some(running.model);
        end.image_digest = Some(running.image);
        if running.image != release.image {
            end.status = EnvironmentStatus::Drifted;
            end.note = format!("{} was released, but image {} runs", shown(release), running.image.short());
        } else if let Err(error) = target.verify(release, &running) {
            end.status = EnvironmentStatus::Drifted;
            end.note = error.to_string();
        }
        if let Some(aside) = target.aside()? {
            end.note = if end.note.is_empty() { aside } else { format!("{}; {aside}", end.note) };
        }
        Ok(end)
    }

    /// What other projects in this folder run here, such as this one under an earlier name.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let own = self.workdir().environments(self.config().project.name.as_str());
        let Some(all) = own.parent() else { return Vec::new() };
        let folders = |folder: &std::path::Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        let others = folders(all).into_iter().filter(|folder| *folder != own);
        let mut running: Vec<String> = others
            .flat_map(|project| folders(&project))
            .filter_map(|folder| {
                let pid = process::running(&folder)?;
                let named = folder.strip_prefix(all).unwrap_or(&folder).display().to_string();
                Some(format!("process {pid} of `{named}`"))
            })
            .collect();
        running.sort();
        running
    }
}

pub(super) fn verified(name: &Label, release: &Release, running: &Running) -> EnvironmentEnd {
    let mut end = EnvironmentEnd::named(name, EnvironmentStatus::Verified, "");
    end.address = Some(running.address.clone());
    end.model_digest = Some(running.model);
    end.model_version = Some(release.version);
    end.image_digest = Some(release.image);
    end.pid = running.pid;
    end
}
