use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use reqwest::Url;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use crate::{
    RunRecord,
    mlflow::{
        ClientBuilder, Error, Result, artifacts,
        http::Http,
        tags,
        wire::{Experiment, Pair, Run},
    },
};

/// A connection to an MLflow server. Cheap to clone; clones share their connections.
///
/// Calls need a Tokio runtime with its time and I/O drivers. Dropping a call's future stops it between two requests or
/// within one; what it leaves behind is found again by the next call.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: Arc<Http>,
}

impl Client {
    pub(crate) fn new(http: Http) -> Self {
        Self { http: Arc::new(http) }
    }

    /// Settings for a client.
    pub const fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// A client by the process's environment, see [`ClientBuilder::variables`].
    ///
    /// # Errors
    /// As [`ClientBuilder::build`].
    pub fn from_env() -> Result<Self> {
        Self::builder().variables(|name| std::env::var(name).ok()).build()
    }

    /// The tracking URI, without credentials.
    #[must_use]
    pub fn tracking_uri(&self) -> &str {
        self.http.base.as_str()
    }

    /// The server's version, such as `3.17.2`: a cheap way to see that it is there, is MLflow, and lets this client in.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Server`], [`Error::Denied`], [`Error::NotMlflow`].
    pub async fn server_version(&self) -> Result<String> {
        let request = self.http.read(self.http.url(["version"]));
        let answer = self.http.bytes(&request).await?;
        let text = String::from_utf8_lossy(&answer);
        let text = text.trim();
        if text.starts_with(|char: char| char.is_ascii_digit()) && text.len() < 100 {
            Ok(text.to_owned())
        } else {
            Err(request.other(&answer))
        }
    }

    /// The content of an artifact of one of MLflow's runs.
    ///
    /// # Errors
    /// [`Error::ArtifactStore`] if it does not go through this server; [`Error::Refused`] or [`Error::NotMlflow`] if
    /// there is none; those of any call.
    pub async fn artifact(&self, run_id: &str, name: &str) -> Result<Bytes> {
        let run = self.run(run_id).await?;
        self.http.bytes(&self.http.read(artifacts::url(&self.http, &run, name)?)).await
    }

    /// An address of the server's pages.
    pub(crate) fn page(&self, fragment: &str) -> String {
        let mut url = self.http.url([""]);
        url.set_fragment(Some(fragment));
        Url::into(url)
    }

    pub(crate) async fn run(&self, run_id: &str) -> Result<Run> {
        #[derive(Deserialize)]
        struct Answer {
            run: Run,
        }
        let answer: Answer = self.http.call(&self.http.get("runs/get", &[("run_id", run_id)])).await?;
        Ok(answer.run)
    }

    /// The id of the experiment of this name, which is made if there is none.
    pub(crate) async fn experiment(&self, name: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Found {
            experiment: Experiment,
        }
        #[derive(Deserialize)]
        struct Made {
            experiment_id: String,
        }

        let find = self.http.get("experiments/get-by-name", &[("experiment_name", name)]);
        let make = self.http.post("experiments/create", &json!({ "name": name }))?;
        let find = async || match self.http.once::<Found>(&find).await {
            Ok(Found { experiment }) if experiment.lifecycle_stage == "deleted" => {
                Err(Error::ExperimentDeleted { name: name.to_owned() })
            }
            Ok(Found { experiment }) => Ok(Some(experiment.experiment_id)),
            Err(error) if error.code() == Some("RESOURCE_DOES_NOT_EXIST") => Ok(None),
            Err(error) => Err(error),
        };
        self.http
            .retrying(async || {
                if let Some(id) = find().await? {
                    return Ok(id);
                }
                match self.http.once::<Made>(&make).await {
                    Ok(made) => Ok(made.experiment_id),
                    // Another client was faster.
                    Err(error) if error.code() == Some("RESOURCE_ALREADY_EXISTS") => find().await?.ok_or(error),
                    Err(error) => Err(error),
                }
            })
            .await
    }

    /// MLflow's run for one of ours, and whether it is new. It is looked for before every try to make it, so that a lost
    /// answer makes no second one.
    pub(crate) async fn find_or_make_run(&self, experiment: &str, record: &RunRecord) -> Result<(Run, bool)> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            runs: Vec<Run>,
        }
        #[derive(Deserialize)]
        struct Made {
            run: Run,
        }

        let find = self.http.post(
            "runs/search",
            &json!({
                "experiment_ids": [experiment],
                "filter": format!("tags.`{}` = '{}'", tags::RUN_ID, record.id),
                "run_view_type": "ACTIVE_ONLY",
                "max_results": 100,
            }),
        )?;
        let make = self.http.post(
            "runs/create",
            &json!({
                "experiment_id": experiment,
                "run_name": record.name,
                "start_time": record.start.as_millisecond().max(0),
                "tags": [Pair::new(tags::RUN_ID, record.id.to_string())],
            }),
        )?;
        let tried = AtomicBool::new(false);
        self.http
            .retrying(async || {
                let found: Found = self.http.once(&find).await?;
                // Two syncs at once may both have made one: every later sync takes the same.
                if let Some(run) = found.runs.into_iter().min_by(|a, b| a.info.run_id.cmp(&b.info.run_id)) {
                    return Ok((run, tried.load(Ordering::Relaxed)));
                }
                tried.store(true, Ordering::Relaxed);
                let made: Made = self.http.once(&make).await?;
                Ok((made.run, true))
            })
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> Result<()> {
        let IgnoredAny = self.http.call(&self.http.post(path, body)?).await?;
        Ok(())
    }
}
