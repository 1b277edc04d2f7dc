use std::collections::BTreeSet;

use serde::de::IgnoredAny;
use serde_json::json;

use crate::{
    RunId, RunLog, RunRecord, Status,
    mlflow::{
        Client, Count, Error, Result, SyncOptions, SyncReport,
        batch::{Point, Points, pieces},
        tags,
        wire::{Batch, Metric, Pair, Run},
    },
};

const PARAMS: usize = 100;
const TAGS: usize = 100;
/// One less than MLflow takes of all kinds in a batch: the position goes along.
const POINTS: usize = 999;

impl Client {
    /// Brings a run from the log to MLflow: what is there is left alone, what is missing is sent. Any number of times,
    /// while the run is written or after it.
    ///
    /// The experiment is found by its name or made. The run is found there by its tag `mlci.run_id` or made; one that was
    /// deleted in MLflow is made anew. The tag `mlci.points` says how many points have arrived and goes with each batch
    /// of them, the tags `mlci.digest/NAME` which artifacts, so that a sync goes on where another was cut off. Tags of the
    /// log win over MLflow's, but for those; `mlflow.note.content` is the run's description. The end of the run comes
    /// last, with its reason in `mlci.reason`.
    ///
    /// Two syncs of one run at once send some things twice, which MLflow stores once; only if both find no run may they
    /// make two, of which all later syncs take the same. MLflow counts steps to 2⁶³ - 1; later ones count as that.
    ///
    /// The log and the artifacts are read by blocking calls.
    ///
    /// # Errors
    /// [`Error::Log`], [`Error::ParamChanged`] before anything of the run is sent, [`Error::ExperimentDeleted`],
    /// [`Error::ArtifactContent`], [`Error::ArtifactChanged`], [`Error::ArtifactStore`], and those of any call:
    /// [`Error::Unreachable`], [`Error::Server`], [`Error::Denied`], [`Error::Refused`], [`Error::NotMlflow`],
    /// [`Error::Answer`]. Where an artifact could not be uploaded although the server answers, the end is sent
    /// nevertheless. What arrived before an error stays.
    pub async fn sync(&self, log: &RunLog, id: &RunId, options: &SyncOptions<'_>) -> Result<SyncReport> {
        // First the record: where it has an end, the points that are read after it are all there will be.
        let record = log.read(id)?;
        let points = Points::read(log, id)?;
        let named = if record.name.is_empty() { "mlci" } else { &record.name };
        let experiment_id = self.experiment(options.experiment.as_deref().unwrap_or(named)).await?;
        let (run, made) = self.find_or_make_run(&experiment_id, &record).await?;
        let run_id = run.info.run_id.clone();

        let params = self.sync_params(&run, &record).await?;
        let sent = self.sync_points(&run, &points).await?;
        let tags = self.sync_tags(&run, &record).await?;
        let uploaded = match self.sync_artifacts(&run, &record, options).await {
            Err(error) if error.is_transient() => return Err(error),
            uploaded => uploaded,
        };
        // A run that is over is not left RUNNING because of an artifact that can never be uploaded.
        let ended = self.sync_end(&run, &record).await?;
        let uploaded = uploaded?;

        Ok(SyncReport {
            page: self.page(&format!("/experiments/{experiment_id}/runs/{run_id}")),
            run_id,
            experiment_id,
            made,
            params,
            points: sent,
            tags,
            artifacts: uploaded.count,
            ended,
            missing: uploaded.missing,
            infinite: points.infinite(),
        })
    }

    async fn sync_params(&self, run: &Run, record: &RunRecord) -> Result<Count> {
        let missing = missing_params(run, record)?;
        for piece in pieces(&missing, PARAMS) {
            let batch = Batch { run_id: &run.info.run_id, params: piece, ..Batch::default() };
            if let Err(error) = self.batch(&batch).await {
                // Somebody else may have logged the param since the run was read: then that is what to say.
                if error.code() == Some("INVALID_PARAMETER_VALUE") {
                    missing_params(&self.run(&run.info.run_id).await?, record)?;
                }
                return Err(error);
            }
        }
        Ok(Count { sent: missing.len(), present: record.params.len() - missing.len() })
    }

    async fn sync_points(&self, run: &Run, points: &Points) -> Result<Count> {
        let all = points.points.len();
        let present = run.tag(tags::POINTS).and_then(|count| count.parse().ok()).unwrap_or(0).min(all);
        let metrics: Vec<_> = points.points.iter().skip(present).map(|point| points.metric(point)).collect();
        let mut position = present;
        for piece in pieces(&metrics, POINTS) {
            position += piece.len();
            // MLflow stores the metrics of a batch before its tags, and a point that comes twice once.
            let tag = [Pair::new(tags::POINTS, position.to_string())];
            let batch = Batch { run_id: &run.info.run_id, metrics: piece, tags: &tag, ..Batch::default() };
            self.batch(&batch).await?;
        }
        Ok(Count { sent: metrics.len(), present })
    }

    async fn sync_tags(&self, run: &Run, record: &RunRecord) -> Result<Count> {
        let own = record.tags.iter().filter(|(key, _)| !tags::is_ours(key));
        let mut all: Vec<_> = own.map(|(key, value)| Pair::new(key, value)).collect();
        all.extend(record.reason.as_ref().map(|reason| Pair::new(tags::REASON, reason)));
        let total = all.len();
        all.retain(|tag| run.tag(&tag.key) != Some(&tag.value));
        for piece in pieces(&all, TAGS) {
            self.batch(&Batch { run_id: &run.info.run_id, tags: piece, ..Batch::default() }).await?;
        }
        Ok(Count { sent: all.len(), present: total - all.len() })
    }

    async fn sync_end(&self, run: &Run, record: &RunRecord) -> Result<bool> {
        let Some(end) = record.end.filter(|_| record.status != Status::Running) else { return Ok(false) };
        let (status, end) = (record.status.to_string(), end.as_millisecond().max(0));
        if run.info.status == status && run.info.end_time == Some(end) {
            return Ok(false);
        }
        let update = json!({ "run_id": run.info.run_id, "status": status, "end_time": end });
        self.post("runs/update", &update).await?;
        Ok(true)
    }

    /// A batch may arrive twice: the same params, points and tags again change nothing.
    async fn batch(&self, batch: &Batch<'_>) -> Result<()> {
        let IgnoredAny = self.http.call(&self.http.post("runs/log-batch", batch)?).await?;
        Ok(())
    }
}

impl Points {
    fn metric(&self, point: &Point) -> Metric<'_> {
        Metric {
            key: self.keys.get(point.key).map_or("", String::as_str),
            value: point.value,
            timestamp: point.millisecond.max(0),
            step: i64::try_from(point.step).unwrap_or(i64::MAX),
        }
    }

    fn infinite(&self) -> Vec<String> {
        let infinite = self.points.iter().filter(|point| point.value.is_infinite());
        let keys: BTreeSet<_> = infinite.filter_map(|point| self.keys.get(point.key)).collect();
        keys.into_iter().cloned().collect()
    }
}

fn missing_params(run: &Run, record: &RunRecord) -> Result<Vec<Pair>> {
    let mut missing = Vec::new();
    for (key, new) in &record.params {
        match run.param(key) {
            Some(old) if old == new => {}
            Some(old) => {
                return Err(Error::ParamChanged {
                    run_id: run.info.run_id.clone(),
                    key: key.clone(),
                    old: old.to_owned(),
                    new: new.clone(),
                });
            }
            None => missing.push(Pair::new(key, new)),
        }
    }
    Ok(missing)
}
