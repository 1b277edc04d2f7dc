use mlci_track::{RunRecord, Timestamp};
use serde_json::json;

use super::{
    differences::{Facts, differences, shown},
    table,
};
use crate::{
    error::{Context as _, Error, Result},
    event::Finished,
    pipeline::Pipeline,
    words::count,
};

impl Pipeline {
    /// All runs, newest first.
    pub fn list_runs(&self) -> Finished {
        self.command("runs", |ending| {
            let runs = self.runs().list()?;
            let rows: Vec<Vec<String>> = runs
                .iter()
                .map(|run| {
                    let metric = |name: &str| {
                        run.metrics.get(name).map(|point| format!("{:.4}", point.value)).unwrap_or_default()
                    };
                    let tag = |name: &str| run.tags.get(name).cloned().unwrap_or_default();
                    vec![
                        run.id.to_string(),
                        run.status.map_or_else(|| "UNREADABLE".to_owned(), |status| status.to_string()),
                        tag("verdict"),
                        second(run.start),
                        tag("version"),
                        metric("test.rmse") + &metric("test.log_loss"),
                        metric("test.r2") + &metric("test.roc_auc"),
                        super::short_source(&tag("source")),
                    ]
                })
                .collect();
            let header = ["RUN", "STATUS", "VERDICT", "STARTED (UTC)", "VERSION", "RMSE/LOSS", "R2/AUC", "SOURCE"];
            ending.text = Some(if rows.is_empty() { "no runs yet".to_owned() } else { table(&header, &rows) });
            ending.result = Some(serde_json::to_value(&runs).context(|| "the runs cannot be shown".to_owned())?);
            Ok(())
        })
    }

    /// One run, whole. An id may be shortened.
    pub fn show_run(&self, id: &str) -> Finished {
        self.command("runs", |ending| {
            let run = self.runs().read(&self.runs().find(id)?)?;
            let rows: Vec<Vec<String>> = values(&run).into_iter().map(|(name, value)| vec![name, value]).collect();
            ending.text = Some(table(&["RUN", &run.id.to_string()], &rows));
            ending.result = Some(serde_json::to_value(&run).context(|| "the run cannot be shown".to_owned())?);
            Ok(())
        })
    }

    /// Brings everything to MLflow that it lacks, and looks again at what was brought before.
    pub fn sync_runs(&self) -> Finished {
        self.command("runs", |ending| {
            let _lock = self.begin()?;
            let Some(mirrored) = self.mirror(true)? else {
                return Err(Error::invalid("the configuration names no MLflow server")
                    .help("write one: [track] mlflow = \"http://HOST:PORT\""));
            };
            let page = mirrored.page.as_deref().map(|page| format!(": {page}")).unwrap_or_default();
            ending.text = Some(format!(
                "MLflow has {}; {} and {} were new there{page}",
                count(mirrored.runs as u64, "run"),
                count(mirrored.versions as u64, "version"),
                count(mirrored.aliases as u64, "alias move"),
            ));
            ending.result = Some(json!(mirrored));
            Ok(())
        })
    }

    /// What differs between two runs.
    pub fn compare_runs(&self, one: &str, other: &str) -> Finished {
        self.command("runs", |ending| {
            let read = |id: &str| -> Result<RunRecord> { Ok(self.runs().read(&self.runs().find(id)?)?) };
            let (one, other) = (read(one)?, read(other)?);
            let (a, b) = (values(&one), values(&other));
            let rows = differences(&a, &b);
            let names = [one.id.to_string(), other.id.to_string()];
            ending.text = Some(shown(&rows, names.each_ref().map(String::as_str), "the two runs have the same values"));
            ending.result = Some(json!(rows));
            Ok(())
        })
    }
}

fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Everything of a run as names and texts, kinds apart.
fn values(run: &RunRecord) -> Facts {
    let mut values = vec![
        ("name".to_owned(), run.name.clone()),
        ("status".to_owned(), run.status.to_string()),
        ("started".to_owned(), run.start.to_string()),
        ("ended".to_owned(), run.end.map(|end| end.to_string()).unwrap_or_default()),
    ];
    values.extend(run.reason.iter().map(|reason| ("reason".to_owned(), reason.clone())));
    values.extend(run.params.iter().map(|(name, value)| (format!("param {name}"), value.clone())));
    values.extend(run.metrics.iter().map(|(name, points)| {
        let all: Vec<String> = points.iter().map(|point| point.value.to_string()).collect();
        (format!("metric {name}"), all.join(", "))
    }));
    values.extend(run.tags.iter().map(|(name, value)| (format!("tag {name}"), value.clone())));
    values
        .extend(run.artifacts.iter().map(|(name, artifact)| (format!("artifact {name}"), artifact.digest.to_string())));
    values
}
