//! MLflow as a mirror: runs, versions and aliases are brought there from the run log and the store, which stay the
//! source of truth. A server that is away holds nothing up; what it missed is brought by a later command.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use mlci_artifact::{AliasMove, Version};
use mlci_core::{Digest, Label, write_atomic};
use mlci_track::{
    RunId, Status,
    mlflow::{Client, Registration, SyncOptions},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Context as _, Error, Result},
    pipeline::Pipeline,
};

/// The folder of a run's artifacts that holds the model, there as here.
const FOLDER: &str = "model";

/// What was brought to MLflow.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Mirrored {
    /// Runs that were brought up to date there.
    pub(crate) runs: usize,
    /// Versions that were made there.
    pub(crate) versions: usize,
    /// Aliases that were moved there.
    pub(crate) aliases: usize,
    /// Aliases of versions that MLflow lacks, since their run is in another checkout's log: they are moved from there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<String>,
    /// The page of the newest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<String>,
}

/// What was brought last, so that the next command has less to ask.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// The digest of all that was wanted.
    state: String,
    /// The runs by our id: the digest of what was brought, and MLflow's id.
    runs: BTreeMap<String, (Digest, String)>,
}

/// What MLflow should have: as long as it is the same as what was brought last, there is nothing to do.
#[derive(Serialize)]
struct Wanted {
    uri: String,
    runs: Vec<(RunId, Digest)>,
    versions: Vec<Version>,
    aliases: BTreeMap<Label, AliasMove>,
}

impl Pipeline {
    /// Brings everything to MLflow that it lacks, if the configuration names one. `again`: look at everything, also at
    /// what is known to have been brought.
    pub(crate) fn mirror(&self, again: bool) -> Result<Option<Mirrored>> {
        let Some(uri) = self.config().track.mlflow.clone() else { return Ok(None) };
        let wanted = self.wanted(&uri)?;
        let state = serde_json::to_vec(&wanted).map(|bytes| Digest::of(&bytes));
        let state = state.context(|| "the runs cannot be listed".to_owned())?.to_string();
        let note = self.note_for(&uri);
        let known = std::fs::read(&note).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut known: Known = known.filter(|_| !again).unwrap_or_default();
        if known.state == state {
            return Ok(None);
        }
        let variables = |name: &str| std::env::var(name).ok();
        // A server that is away is not waited for: the next command tries again.
        let builder =
            Client::builder().variables(variables).tracking_uri(&uri).retries(1).timeout(Duration::from_secs(10));
        let client = builder.build().context(|| "[track] mlflow cannot be used".to_owned())?;
        let brought = self.block_on(self.bring_all(&client, &wanted, &mut known));
        if let Ok(mirrored) = &brought {
            if mirrored.unknown.is_empty() {
                known.state = state;
            } else {
                self.warn(format!(
                    "MLflow's aliases may be behind: {} was published from another checkout, which has not brought it there; \
                     run there: {}",
                    mirrored.unknown.join(", "),
                    self.command_line("runs sync")
                ));
            }
        }
        // Only to save the next command the requests, so it is no loss where it cannot be written.
        let _ = serde_json::to_vec(&known).map(|bytes| write_atomic(&note, &bytes));
        brought.map(Some)
    }

    fn note_for(&self, uri: &str) -> PathBuf {
        self.workdir().cache().join("mlflow").join(format!("{}.json", Digest::of(uri.as_bytes()).hex()))
    }

    /// As [`Pipeline::mirror`], at the end of a command that did something else: what goes wrong is only told.
    pub(crate) fn mirror_along(&self) -> Option<Mirrored> {
        self.mirror(false).unwrap_or_else(|error| {
            let causes = error.causes();
            let why = if causes.is_empty() { String::new() } else { format!(": {}", causes.join(": ")) };
            self.warn(format!(
                "{error}{why}; nothing is lost, and what is missing there is sent by the next command or by: {}",
                self.command_line("runs sync")
            ));
            None
        })
    }

    fn wanted(&self, uri: &str) -> Result<Wanted> {
        let name = &self.config().project.name;
        let mut runs = Vec::new();
        for summary in self.runs().list()?.into_iter().filter(|run| run.name == name.as_str()) {
            // One that is being written is brought when it is over.
            if summary.status.is_none_or(|status| status == Status::Running) {
                continue;
            }
            let record = self.runs().read(&summary.id)?;
            let bytes = serde_json::to_vec(&record).context(|| format!("the run {} cannot be read", summary.id))?;
            runs.push((summary.id, Digest::of(&bytes)));
        }
        // Oldest first, so that MLflow's pages have them in their order.
        runs.reverse();
        Ok(Wanted {
            uri: uri.to_owned(),
            runs,
            versions: self.block_on(self.store().versions(name))?,
            aliases: self.block_on(self.store().aliases(name))?,
        })
    }

    async fn bring_all(&self, client: &Client, wanted: &Wanted, known: &mut Known) -> Result<Mirrored> {
        let config = self.config();
        let model = config.project.name.as_str();
        let experiment = config.track.experiment.as_deref().unwrap_or(model);
        let workdir = self.workdir().clone();
        let options = SyncOptions::default().experiment(experiment).artifacts_from(move |_, artifact| {
            let path = workdir.model(&artifact.digest);
            if path.exists() { std::fs::read(path).map(|bytes| Some(bytes.into())) } else { Ok(None) }
        });
        let away = |error: mlci_track::mlflow::Error| Error::fail("MLflow does not have everything yet").because(error);
        let mut mirrored = Mirrored::default();
        for (id, digest) in &wanted.runs {
            let id_text = id.to_string();
            if known.runs.get(&id_text).is_some_and(|(brought, _)| brought == digest) {
                continue;
            }
            let report = client.sync(self.runs(), id, &options).await.map_err(away)?;
            mirrored.runs += 1;
            mirrored.page = Some(report.page);
            known.runs.insert(id_text, (*digest, report.run_id));
        }
        let mut numbers = BTreeMap::new();
        for version in &wanted.versions {
            // A version whose run is in another checkout's log is registered from there.
            let run = version.annotations.get("run").and_then(|run| known.runs.get(run));
            let Some((_, run_id)) = run else { continue };
            let number = version.number.to_string();
            let registration = Registration {
                name: model,
                run_id,
                folder: FOLDER,
                digest: &version.model,
                tags: &[("mlci.version", &number)],
            };
            let made = client.register(&registration).await.map_err(away)?;
            mirrored.versions += usize::from(made.made);
            numbers.insert(version.number, made.number);
        }
        for (alias, at) in &wanted.aliases {
            let number = match numbers.get(&at.version) {
                Some(number) => Some(*number),
                // Registered from another checkout, such as that of another job.
                None => {
                    let version = wanted.versions.iter().find(|version| version.number == at.version);
                    match version {
                        Some(version) => client.version_of(model, &version.model).await.map_err(away)?,
                        None => None,
                    }
                }
            };
            let Some(number) = number else {
                mirrored.unknown.push(format!("{alias} (version {})", at.version));
                continue;
            };
            if client.alias(model, alias.as_str()).await.map_err(away)? != Some(number) {
                client.set_alias(model, alias.as_str(), number).await.map_err(away)?;
                mirrored.aliases += 1;
            }
        }
        Ok(mirrored)
    }
}
