//! Which release a command is about: what would be deployed, and what can be gone back to.

use mlci_core::{Digest, Label};

use super::shown;
use crate::{
    error::{Error, Outcome, Result},
    pipeline::Pipeline,
    records::{History, Release},
};

impl Pipeline {
    /// What would be deployed: what the environment before has verified, or the last build for the first one.
    ///
    /// The same image may have been built again since, from a tree that is committed by now: that is where it is from.
    pub(super) fn candidate(&self, name: &Label, image: Option<&str>) -> Result<Release> {
        let mut release = self.find_candidate(name, image)?;
        if !release.source.is_clean() {
            let builds = self.block_on(self.records().builds()?.entries())?;
            let mut same = builds.into_iter().rev().filter(|build| build.body.image == release.image);
            if let Some(build) = same.find(|build| build.body.source.is_clean()) {
                release.source = build.body.source;
            }
        }
        Ok(release)
    }

    fn find_candidate(&self, name: &Label, image: Option<&str>) -> Result<Release> {
        let environments = &self.config().environment;
        let index = environments.get_index_of(name).unwrap_or(0);
        let before = index.checked_sub(1).and_then(|index| environments.get_index(index)).map(|(name, _)| name);
        let ci = self.command_line("ci");
        let Some(before) = before else {
            let builds = self.block_on(self.records().builds()?.entries())?;
            let mut builds = builds.into_iter().rev().map(|entry| entry.body);
            let found = match image {
                None => builds.next(),
                Some(text) => builds.find(|release| names(release, text)),
            };
            return found.ok_or_else(|| {
                let what = image.map_or_else(
                    || "nothing was built yet".to_owned(),
                    |text| format!("nothing that was built is called `{text}`"),
                );
                let outcome = if image.is_some() { Outcome::Invalid } else { Outcome::Fail };
                Error::new(outcome, what).help(format!("build it: {ci}"))
            });
        };
        let history = self.history(before)?;
        let found = match image {
            None => history.serving().cloned(),
            Some(text) => history
                .0
                .iter()
                .rev()
                .filter_map(|entry| entry.body.serving())
                .find(|release| names(release, text))
                .cloned(),
        };
        if let Some(release) = &found
            && let Some(rejection) = history.rejection(&release.image)
        {
            return Err(Error::new(
                Outcome::Refused,
                format!("{} was rejected in `{before}`: {}", shown(release), rejection.reason),
            )
            .help(format!("`{name}` takes only what `{before}` has verified and not rejected")));
        }
        found.ok_or_else(|| {
            let what = match image {
                None => format!("`{name}` takes what `{before}` has verified, and nothing was verified there yet"),
                Some(text) => format!("`{before}` has verified nothing that is called `{text}`"),
            };
            let outcome = if image.is_some() { Outcome::Invalid } else { Outcome::Fail };
            Error::new(outcome, what).help(format!("bring it there first: {ci}"))
        })
    }

    /// The release to go back to.
    pub(super) fn earlier(&self, name: &Label, history: &History, to: Option<&str>) -> Result<Release> {
        let known: Vec<String> = history.earlier().iter().map(|release| shown(release)).collect();
        let Some(text) = to else {
            return history.earlier().first().map(|release| (*release).clone()).ok_or_else(|| {
                Error::fail(format!("there is no earlier release in `{name}` to go back to")).help(format!(
                    "to stop it: {}; to move forward: mend the model and run {}",
                    self.command_line(&format!("down {name}")),
                    self.command_line("ci")
                ))
            });
        };
        let mut served = history.0.iter().rev().filter_map(|entry| entry.body.serving());
        served.find(|release| names(release, text)).cloned().ok_or_else(|| {
            Error::invalid(format!("no release that was verified in `{name}` is called `{text}`"))
                .help(if known.is_empty() { "there is no earlier release".to_owned() } else { known.join(", ") })
        })
    }
}

/// Whether a release is called so: by image digest (whole, or 6 digits and more), or by the model's version.
fn names(release: &Release, text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let version = text.strip_prefix(&format!("{}@", release.name)).unwrap_or(text).parse::<u64>();
    version == Ok(release.version) || begins(&release.image, hex)
}

fn begins(digest: &Digest, hex: &str) -> bool {
    hex.len() >= 6 && digest.hex().starts_with(hex)
}
