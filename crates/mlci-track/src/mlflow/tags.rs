//! What this crate writes into MLflow's tags for itself, so that a sync can go on where the last one stopped.

use mlci_core::Digest;

/// Our id of a run.
pub(crate) const RUN_ID: &str = "mlci.run_id";
/// How many points of the run, in the order of the log, MLflow has.
pub(crate) const POINTS: &str = "mlci.points";
/// Why the run ended as it did.
pub(crate) const REASON: &str = "mlci.reason";
/// The digest of a model version's content, `sha256:…`.
pub(crate) const DIGEST: &str = "mlci.digest";

/// The digest of an uploaded artifact stands under this key.
pub(crate) fn artifact(name: &str) -> String {
    const LIMIT: usize = 250;
    let key = format!("{DIGEST}/{name}");
    // MLflow takes 250 characters; a longer name stands for itself by its digest.
    if key.chars().nth(LIMIT).is_some() { format!("{DIGEST}/{}", Digest::of(name.as_bytes())) } else { key }
}

/// Whether a key is one of these, which a run's own tags do not change.
pub(crate) fn is_ours(key: &str) -> bool {
    [RUN_ID, POINTS, REASON, DIGEST].contains(&key)
        || key.strip_prefix(DIGEST).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_artifacts_fit_and_differ() {
        assert_eq!(artifact("model/data.bin"), "mlci.digest/model/data.bin");
        // The prefix takes 12 of the 250 characters.
        let (fits, longer) = ("ä".repeat(238), "ä".repeat(239));
        assert_eq!(artifact(&fits).chars().count(), 250);
        assert!(artifact(&longer).chars().count() <= 250);
        assert_ne!(artifact(&longer), artifact(&format!("{longer}ä")));
        assert!(is_ours(&artifact(&longer)) && is_ours(RUN_ID) && !is_ours("mlci.digests") && !is_ours("mlflow.user"));
    }
}
