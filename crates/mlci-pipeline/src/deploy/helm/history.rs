//! The revisions of a Helm release: which of mlci's releases each has, and which one to go back to.

use std::time::Duration;

use jiff::Timestamp;
use mlci_core::Digest;
use serde::Deserialize;

use crate::records::Release;

/// Between the words of a description.
const IMAGE: &str = ", image ";
const CONFIGURATION: &str = ", configuration ";
const OURS: &str = "mlci: ";
/// How Helm describes what `helm rollback` has made.
const BACK: &str = "Rollback to ";

/// A revision, as `helm history` tells of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Revision {
    pub(super) revision: u32,
    pub(super) updated: Timestamp,
    pub(super) status: String,
    #[serde(default)]
    pub(super) description: String,
}

/// What a revision was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) image: Digest,
    /// The first digits of the digest of the environment's configuration.
    pub(super) configuration: String,
}

/// The description of a revision: for people, who see it in `helm history`, and for [`made`].
pub(super) fn description(release: &Release, configuration: &Digest) -> String {
    let Release { name, version, image, .. } = release;
    format!("{OURS}{name}@{version}{IMAGE}{image}{CONFIGURATION}{}", configuration.short())
}

impl Revision {
    /// Whether an operation on it has not ended. Helm refuses every other one until then, and, where the operation was
    /// killed, for ever.
    pub(super) fn is_pending(&self) -> bool {
        self.status.starts_with("pending-") || self.goes()
    }

    /// Whether it is on its way out: Helm neither upgrades nor installs over it, and uninstalls it once more.
    pub(super) fn goes(&self) -> bool {
        self.status == "uninstalling"
    }

    /// Whether it has served, or serves.
    fn was_deployed(&self) -> bool {
        self.status == "deployed" || self.status == "superseded"
    }

    /// For how long it has been as it is. A clock that is ahead of ours says nothing.
    pub(super) fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.updated)).unwrap_or_default()
    }

    fn described(&self) -> Option<Made> {
        let words = self.description.strip_prefix(OURS)?;
        let (_, words) = words.split_once(IMAGE)?;
        let (image, configuration) = words.split_once(CONFIGURATION).unwrap_or((words, ""));
        Some(Made { image: image.parse().ok()?, configuration: configuration.to_owned() })
    }

    fn is_back_to(&self) -> Option<u32> {
        self.description.strip_prefix(BACK)?.parse().ok()
    }
}

/// What a revision was made of. One that Helm has gone back to is made of what that one was.
pub(super) fn made(history: &[Revision], number: u32) -> Option<Made> {
    let mut wanted = number;
    // Each step leads to an earlier one.
    for _ in 0..history.len() {
        let revision = history.iter().find(|it| it.revision == wanted)?;
        match revision.is_back_to().filter(|earlier| *earlier < wanted) {
            Some(earlier) => wanted = earlier,
            None => return revision.described(),
        }
    }
    None
}

/// The newest revision before `before` that served an image: of this configuration, where there is one. What failed with
/// the same image under another configuration is not what was verified.
pub(super) fn of_release(history: &[Revision], image: &Digest, configuration: &Digest, before: u32) -> Option<u32> {
    let served = || {
        let earlier = history.iter().rev().filter(|it| it.revision < before && it.was_deployed());
        earlier
            .filter_map(|it| Some((it.revision, made(history, it.revision)?)))
            .filter(|(_, made)| made.image == *image)
    };
    let exact = served().find(|(_, made)| made.configuration == configuration.short());
    exact.or_else(|| served().next()).map(|(revision, _)| revision)
}

/// The newest revision before `before` that served, whoever made it.
pub(super) fn served_before(history: &[Revision], before: u32) -> Option<u32> {
    let earlier = || history.iter().rev().filter(|it| it.revision < before);
    let deployed = earlier().find(|it| it.status == "deployed");
    deployed.or_else(|| earlier().find(|it| it.was_deployed())).map(|it| it.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    /// A history by words: `STATUS:IMAGE/CONFIGURATION`, `STATUS:back/NUMBER`, or `STATUS` of somebody else's.
    fn history(words: &str) -> Vec<Revision> {
        let revision = |(index, word): (usize, &str)| {
            let (status, made) = word.split_once(':').unwrap_or((word, ""));
            let description = match made.split_once('/') {
                Some(("back", number)) => format!("{BACK}{number}"),
                Some((image, configuration)) => {
                    let configuration = digest(configuration);
                    format!("mlci: wine@1, image {}, configuration {}", digest(image), configuration.short())
                }
                None => "Upgrade complete".to_owned(),
            };
            let revision = u32::try_from(index).unwrap() + 1;
            Revision { revision, updated: Timestamp::UNIX_EPOCH, status: status.to_owned(), description }
        };
        words.split_whitespace().enumerate().map(revision).collect()
    }

    #[track_caller]
    fn back(words: &str, image: &str, configuration: &str, number: Option<u32>) {
        let history = history(words);
        let before = history.last().unwrap().revision;
        assert_eq!(of_release(&history, &digest(image), &digest(configuration), before), number, "{words}");
    }

    #[test]
    fn back_to_the_verified_release_and_not_merely_to_the_one_before() {
        back("superseded:a/1 deployed:b/1", "a", "1", Some(1));
        // In between, somebody's own upgrade, one that failed, and one that was not verified.
        back("superseded:a/1 superseded failed:b/1 superseded:c/1 deployed:d/1", "a", "1", Some(1));
        back("superseded:a/1 superseded:b/1 superseded:back/1 deployed:c/1", "a", "1", Some(3));
        back("superseded:a/1 superseded:b/1 superseded:back/1 superseded:back/3 deployed:c/1", "a", "1", Some(4));
        // The same image under a configuration that the cluster did not take.
        back("superseded:a/1 superseded:a/2 deployed:b/2", "a", "1", Some(1));
        back("superseded:a/2 deployed:b/2", "a", "1", Some(1));
        back("superseded:b/1 deployed:c/1", "a", "1", None);
        // Never to itself.
        back("deployed:a/1", "a", "1", None);
    }

    #[test]
    fn what_served_before_whoever_made_it() {
        assert_eq!(served_before(&history("deployed pending-upgrade"), 2), Some(1));
        assert_eq!(served_before(&history("superseded deployed failed pending-rollback"), 4), Some(2));
        assert_eq!(served_before(&history("superseded failed pending-upgrade"), 3), Some(1));
        assert_eq!(served_before(&history("pending-install"), 1), None);
        assert_eq!(served_before(&history("failed pending-upgrade"), 2), None);
    }

    #[test]
    fn a_description_is_read_back_and_fits() {
        let release = Release {
            image: digest("image"),
            name: "wine".parse().unwrap(),
            version: 3,
            model: digest("model"),
            server: digest("server"),
            source: crate::source::Source::None,
            run: None,
        };
        let text = description(&release, &digest("configuration"));
        // `helm upgrade` takes 256 characters (Helm 4.3).
        assert!(text.len() <= 256, "{} {text}", text.len());
        let revision = Revision { description: text, ..history("deployed").remove(0) };
        let made = made(&[revision], 1).unwrap();
        assert_eq!(made, Made { image: digest("image"), configuration: digest("configuration").short() });
    }

    #[test]
    fn what_has_not_ended() {
        let pending = |words: &str| history(words).iter().map(Revision::is_pending).collect::<Vec<_>>();
        assert_eq!(pending("pending-install pending-upgrade pending-rollback uninstalling"), [true; 4]);
        assert_eq!(pending("deployed superseded failed uninstalled unknown"), [false; 5]);
    }

    #[test]
    fn ages_are_never_negative() {
        let revision = &history("pending-upgrade")[0];
        assert_eq!(revision.age(Timestamp::from_second(7).unwrap()), Duration::from_secs(7));
        assert_eq!(revision.age(Timestamp::from_second(-7).unwrap()), Duration::ZERO);
    }

    #[test]
    fn helms_own_words() {
        let text = r#"[{"revision":1,"updated":"2026-11-28T14:20:10.123456789+01:00","status":"pending-install",
            "chart":"wine-0.1.0","app_version":"","description":"Initial install underway"}]"#;
        let history: Vec<Revision> = serde_json::from_str(text).unwrap();
        assert!(history[0].is_pending() && made(&history, 1).is_none());
    }
}
