//! What the pipeline records in the artifact store: builds, and what happened to each environment.

use jiff::Timestamp;
use mlci_artifact::{Entry, Log, Store};
use mlci_core::{Digest, Label, ModelName};
use serde::{Deserialize, Serialize};

use crate::{error::Result, source::Source};

/// An image and what it was made of. The last one is what a first environment deploys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The digest of the image's manifest.
    pub image: Digest,
    /// The name of the model in it.
    pub name: ModelName,
    /// The version of the model in the store.
    pub version: u64,
    /// The digest of the model's file.
    pub model: Digest,
    /// The digest of the server's executable.
    pub server: Digest,
    /// The state of the source when it was built.
    pub source: Source,
    /// The run that trained the model.
    pub run: Option<String>,
}

/// Something that happened to an environment.
///
/// One log an environment holds all of it, so that the order of an approval and a rejection does not depend on clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Happened {
    /// Somebody approved a release for it.
    Approved {
        /// What was approved.
        release: Release,
        /// The digest of the environment's configuration that the approval covers.
        configuration: Digest,
        /// Who.
        by: String,
        /// When the approval ends, if it does.
        until: Option<Timestamp>,
    },
    /// A release was deployed and verified.
    Deployed {
        /// What.
        release: Release,
        /// The digest of the environment's configuration it was deployed with.
        configuration: Digest,
        /// Who.
        by: String,
        /// Whether it was stopped at the end of the job that deployed it.
        ephemeral: bool,
    },
    /// An earlier release was deployed again and verified.
    RolledBack {
        /// What serves now.
        release: Release,
        /// The digest of the environment's configuration it was deployed with.
        configuration: Digest,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A release failed its verification here, or was rolled back.
    Rejected {
        /// The digest of the image.
        image: Digest,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Whether it failed here, and was not sent back by a person.
        failed: bool,
    },
}

/// Why a release does not go to an environment by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection<'h> {
    /// The reason on record.
    pub reason: &'h str,
    /// Whether it failed there, and was not sent back by a person.
    pub failed: bool,
}

impl Happened {
    /// The release that serves after this, if this changed what serves.
    #[must_use]
    pub fn serving(&self) -> Option<&Release> {
        self.deployed().map(|(release, _)| release)
    }

    /// The release that serves after this, with the digest of the environment's configuration.
    #[must_use]
    pub fn deployed(&self) -> Option<(&Release, &Digest)> {
        match self {
            Self::Deployed { release, configuration, .. } | Self::RolledBack { release, configuration, .. } => {
                Some((release, configuration))
            }
            Self::Approved { .. } | Self::Rejected { .. } => None,
        }
    }

    /// The image that this is about.
    #[must_use]
    pub fn image(&self) -> &Digest {
        match self {
            Self::Deployed { release, .. } | Self::RolledBack { release, .. } | Self::Approved { release, .. } => {
                &release.image
            }
            Self::Rejected { image, .. } => image,
        }
    }

    /// The blobs that must stay because of this.
    #[must_use]
    pub fn references(&self) -> Vec<Digest> {
        match self {
            Self::Deployed { release, .. } | Self::RolledBack { release, .. } | Self::Approved { release, .. } => {
                vec![release.model]
            }
            Self::Rejected { .. } => Vec::new(),
        }
    }
}

/// All that happened to one environment, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History(pub Vec<Entry<Happened>>);

/// An approval that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval<'h> {
    /// Who gave it.
    pub by: &'h str,
    /// When.
    pub at: Timestamp,
}

impl History {
    /// The last entry's number, for [`Log::append_after`].
    #[must_use]
    pub fn last_number(&self) -> Option<u64> {
        self.0.last().map(|entry| entry.number)
    }

    /// The entry that says what serves now.
    #[must_use]
    pub fn current(&self) -> Option<&Entry<Happened>> {
        self.0.iter().rev().find(|entry| entry.body.serving().is_some())
    }

    /// The release that serves now.
    #[must_use]
    pub fn serving(&self) -> Option<&Release> {
        self.current().and_then(|entry| entry.body.serving())
    }

    /// Why an image was rejected, unless it was approved or deployed again since.
    #[must_use]
    pub fn rejection(&self, image: &Digest) -> Option<Rejection<'_>> {
        match &self.0.iter().rev().find(|entry| entry.body.image() == image)?.body {
            Happened::Rejected { reason, failed, .. } => Some(Rejection { reason, failed: *failed }),
            _ => None,
        }
    }

    /// Whether an image was rejected and has not served since, even if it was approved again.
    fn sent_back(&self, image: &Digest) -> bool {
        let about = self.0.iter().rev().filter(|entry| entry.body.image() == image);
        let last = about.map(|entry| &entry.body).find(|body| !matches!(body, Happened::Approved { .. }));
        matches!(last, Some(Happened::Rejected { .. }))
    }

    /// The approval of an image under a configuration that holds at `now`: not before its last rejection, not ended.
    #[must_use]
    pub fn approval(&self, image: &Digest, wanted: &Digest, now: Timestamp) -> Option<Approval<'_>> {
        let about = self.0.iter().rev().filter(|entry| entry.body.image() == image);
        about.take_while(|entry| !matches!(entry.body, Happened::Rejected { .. })).find_map(|entry| match &entry.body {
            Happened::Approved { configuration, by, until, .. }
                if configuration == wanted && until.is_none_or(|until| now < until) =>
            {
                Some(Approval { by, at: entry.at })
            }
            _ => None,
        })
    }

    /// When the last approval of an image ended, if that is over.
    #[must_use]
    pub fn expired(&self, image: &Digest, now: Timestamp) -> Option<Timestamp> {
        let about = self.0.iter().rev().filter(|entry| entry.body.image() == image);
        about.map(|entry| &entry.body).find_map(|body| match body {
            Happened::Approved { until, .. } => Some(until.filter(|until| *until <= now)),
            _ => None,
        })?
    }

    /// The releases that served before the present one, newest first, each once, without those rejected since.
    #[must_use]
    pub fn earlier(&self) -> Vec<&Release> {
        let mut releases: Vec<&Release> = Vec::new();
        let present = self.serving().map(|release| release.image);
        for release in self.0.iter().rev().filter_map(|entry| entry.body.serving()) {
            let known = releases.iter().any(|other| other.image == release.image);
            if !known && Some(release.image) != present && !self.sent_back(&release.image) {
                releases.push(release);
            }
        }
        releases
    }
}

/// The logs of one project.
#[derive(Debug, Clone)]
pub struct Records {
    store: Store,
    project: ModelName,
}

impl Records {
    /// The logs of `project` in `store`.
    #[must_use]
    pub fn new(store: Store, project: ModelName) -> Self {
        Self { store, project }
    }

    /// What was built.
    ///
    /// # Errors
    /// When the project's name is no legal path, which a [`ModelName`] cannot be.
    pub fn builds(&self) -> Result<Log<Release>> {
        Ok(self.store.log(&["projects", self.project.as_str(), "builds"])?)
    }

    /// What happened to an environment.
    ///
    /// # Errors
    /// When the name is no legal path, which a [`Label`] cannot be.
    pub fn environment(&self, name: &Label) -> Result<Log<Happened>> {
        Ok(self.store.log(&["projects", self.project.as_str(), "environments", name.as_str()])?)
    }

    /// All that happened to an environment.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn history(&self, name: &Label) -> Result<History> {
        Ok(History(self.environment(name)?.entries().await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(number: u8) -> Release {
        Release {
            image: Digest::of(&[number]),
            name: "wine".parse().unwrap(),
            version: u64::from(number),
            model: Digest::of(&[number, 0]),
            server: Digest::of(b"server"),
            source: Source::None,
            run: None,
        }
    }

    /// `d1` deployed, `b1` rolled back to, `x1` rejected, `a1` approved; the number names the release.
    fn history(script: &str) -> History {
        let (by, configuration) = (String::new(), Digest::of(b"configuration"));
        let entries = script.split_whitespace().enumerate().map(|(index, word)| {
            let (kind, number) = word.split_at(1);
            let release = release(number.parse().unwrap());
            let (by, reason) = (by.clone(), "reason".to_owned());
            let body = match kind {
                "d" => Happened::Deployed { release, configuration, by, ephemeral: false },
                "b" => Happened::RolledBack { release, configuration, by, reason },
                "x" => Happened::Rejected { image: release.image, by, reason, failed: false },
                _ => Happened::Approved { release, configuration, by, until: None },
            };
            Entry { number: index as u64 + 1, at: Timestamp::UNIX_EPOCH, references: Vec::new(), body }
        });
        History(entries.collect())
    }

    #[track_caller]
    fn check(script: &str, serving: Option<u64>, earlier: &[u64]) {
        let history = history(script);
        assert_eq!(history.serving().map(|release| release.version), serving, "{script}");
        let versions: Vec<u64> = history.earlier().iter().map(|release| release.version).collect();
        assert_eq!(versions, earlier, "{script}");
    }

    #[test]
    fn what_serves_and_what_served() {
        check("", None, &[]);
        check("a1", None, &[]);
        check("d1 d2 d3", Some(3), &[2, 1]);
        check("d1 d2 d1 d1", Some(1), &[2]);
        // Two rollbacks in a row go two steps back.
        check("d1 d2 d3 x3 b2", Some(2), &[1]);
        check("d1 d2 d3 x3 b2 x2 b1", Some(1), &[]);
        // Deployed again after a rejection, it counts again.
        check("d1 d2 x2 b1 d2 d3", Some(3), &[2, 1]);
        // An approval alone does not: going back never goes forward to what was sent back.
        check("d1 d2 x2 b1 a2", Some(1), &[]);
    }

    #[test]
    fn an_approval_holds_for_its_release_until_that_is_rejected() {
        let (configuration, now) = (Digest::of(b"configuration"), Timestamp::now());
        let approved =
            |script: &str, number: u8| history(script).approval(&release(number).image, &configuration, now).is_some();
        assert!(approved("a1", 1));
        assert!(approved("a1 d1 a2", 1));
        assert!(!approved("a1", 2));
        assert!(!approved("a1 d1 x1", 1));
        assert!(approved("a1 d1 x1 a1", 1));
        assert!(history("a1").approval(&release(1).image, &Digest::of(b"other"), now).is_none());
    }

    #[test]
    fn an_approval_ends() {
        let mut history = history("a1");
        let now = Timestamp::now();
        if let Happened::Approved { until, .. } = &mut history.0[0].body {
            *until = Some(now);
        }
        assert!(history.approval(&release(1).image, &Digest::of(b"configuration"), now).is_none());
        assert_eq!(history.expired(&release(1).image, now), Some(now));
        assert_eq!(history.expired(&release(2).image, now), None);
    }
}
