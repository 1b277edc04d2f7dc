use std::sync::atomic::{AtomicBool, Ordering};

use mlci_core::Digest;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::json;

use crate::mlflow::{
    Client, Result, tags,
    wire::{Pair, Version, version},
};

/// A model version to be made.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// The registered model, which is made if it is missing.
    pub name: &'a str,
    /// MLflow's id of the run that made the model, as in [`SyncReport::run_id`](crate::mlflow::SyncReport::run_id).
    pub run_id: &'a str,
    /// The folder among the run's artifacts that holds the model, such as `model` for `model/wine.mlci`: of a version
    /// that is a single file, MLflow's own client downloads nothing.
    pub folder: &'a str,
    /// The model's digest, by which the version is found again.
    pub digest: &'a Digest,
    /// Tags of the version: keys and values.
    pub tags: &'a [(&'a str, &'a str)],
}

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelVersion {
    /// Its number, which MLflow gives, from 1.
    pub number: u64,
    /// Whether this call made it.
    pub made: bool,
    /// The address of its page.
    pub page: String,
}

impl Client {
    /// Makes a version of a registered model, once for each run and digest: it is found again by its run and its tag
    /// `mlci.digest`, also after an answer that was lost. Tags are set in either case.
    ///
    /// That the folder is there is not looked at. Two calls at once may make two versions; later ones take the lower.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::mlflow::Error::Refused) for a run that MLflow does not know (`RESOURCE_DOES_NOT_EXIST`)
    /// or a name with `/` or `:` in it (`INVALID_PARAMETER_VALUE`), and those of any call.
    pub async fn register(&self, registration: &Registration<'_>) -> Result<ModelVersion> {
        #[derive(Deserialize)]
        struct Made {
            model_version: Version,
        }

        let Registration { name, run_id, folder, digest, tags } = *registration;
        // Looked up also where the version is there, so that a run that is gone is told.
        let run = self.run(run_id).await?;
        let digest = digest.to_string();
        let mut pairs: Vec<_> = tags.iter().map(|(key, value)| Pair::new(*key, *value)).collect();
        pairs.retain(|tag| tag.key != tags::DIGEST);
        pairs.push(Pair::new(tags::DIGEST, digest.as_str()));
        // As MLflow's own client writes it.
        let source = format!("{}/{folder}", run.info.artifact_uri.trim_end_matches('/'));
        let make = self.http.post(
            "model-versions/create",
            &json!({ "name": name, "source": source, "run_id": run_id, "tags": pairs }),
        )?;
        if self.http.retrying(|| self.find_version(name, run_id, &digest)).await?.is_none() {
            self.http.retrying(|| self.make_model(name)).await?;
        }
        let tried = AtomicBool::new(false);
        let (version, made) = self
            .http
            .retrying(async || {
                if let Some(version) = self.find_version(name, run_id, &digest).await? {
                    return Ok((version, tried.load(Ordering::Relaxed)));
                }
                tried.store(true, Ordering::Relaxed);
                let made: Made = self.http.once(&make).await?;
                Ok((made.model_version, true))
            })
            .await?;
        if !made {
            for tag in
                pairs.iter().filter(|tag| !version.tags.iter().any(|old| old.key == tag.key && old.value == tag.value))
            {
                let body =
                    json!({ "name": name, "version": version.version.to_string(), "key": tag.key, "value": tag.value });
                self.post("model-versions/set-tag", &body).await?;
            }
        }
        let page = self.page(&format!("/models/{name}/versions/{}", version.version));
        Ok(ModelVersion { number: version.version, made, page })
    }

    /// Lets an alias, such as `champion`, point to a version, wherever it pointed before.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::mlflow::Error::Refused) for a version that is not there, or an alias that MLflow keeps
    /// for itself (`latest`, `v1`); those of any call.
    pub async fn set_alias(&self, name: &str, alias: &str, version: u64) -> Result<()> {
        // MLflow takes a version only as text.
        self.post("registered-models/alias", &json!({ "name": name, "alias": alias, "version": version.to_string() }))
            .await
    }

    /// The version that an alias points to; `None` if there is no such alias or no such model.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn alias(&self, name: &str, alias: &str) -> Result<Option<u64>> {
        #[derive(Deserialize)]
        struct Alias {
            alias: String,
            #[serde(deserialize_with = "version")]
            version: u64,
        }
        #[derive(Deserialize)]
        struct Model {
            #[serde(default)]
            aliases: Vec<Alias>,
        }
        #[derive(Deserialize)]
        struct Found {
            registered_model: Model,
        }

        // Of a missing alias MLflow says the same as of a bad name, so the model is asked for all.
        let request = self.http.get("registered-models/get", &[("name", name)]);
        let model = match self.http.call::<Found>(&request).await {
            Ok(found) => found.registered_model,
            Err(error) if error.code() == Some("RESOURCE_DOES_NOT_EXIST") => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = model.aliases.into_iter().find(|found| found.alias == alias);
        Ok(found.map(|found| found.version))
    }

    /// The version of a registered model with this digest, whichever run it is of; of several the lowest. `None` if
    /// there is none.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn version_of(&self, name: &str, digest: &Digest) -> Result<Option<u64>> {
        let filter = format!("tags.`{}` = '{digest}'", tags::DIGEST);
        let found = self.http.retrying(|| self.search_versions(&filter)).await?;
        let digest = digest.to_string();
        let numbers = found.into_iter().filter(|version| version.name == name && version.is_of(&digest));
        Ok(numbers.map(|version| version.version).min())
    }

    /// One try.
    async fn find_version(&self, name: &str, run_id: &str, digest: &str) -> Result<Option<Version>> {
        // A run has few versions; the rest is compared here, where nothing needs quoting.
        let found = self.search_versions(&format!("run_id='{run_id}'")).await?;
        let is_it = |version: &Version| version.name == name && version.run_id == run_id && version.is_of(digest);
        Ok(found.into_iter().filter(is_it).min_by_key(|version| version.version))
    }

    /// One try.
    async fn search_versions(&self, filter: &str) -> Result<Vec<Version>> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            model_versions: Vec<Version>,
        }

        let request = self.http.get("model-versions/search", &[("filter", filter)]);
        Ok(self.http.once::<Found>(&request).await?.model_versions)
    }

    /// One try to make a model that may be there.
    async fn make_model(&self, name: &str) -> Result<()> {
        let request = self.http.post("registered-models/create", &json!({ "name": name }))?;
        match self.http.once::<IgnoredAny>(&request).await {
            Err(error) if error.code() != Some("RESOURCE_ALREADY_EXISTS") => Err(error),
            _ => Ok(()),
        }
    }
}
