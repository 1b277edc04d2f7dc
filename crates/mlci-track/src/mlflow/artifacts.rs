use mlci_core::Digest;
use reqwest::Url;
use serde_json::json;

use crate::{
    RunRecord,
    mlflow::{Client, Count, Error, Result, SyncOptions, http::Http, tags, wire::Run},
    rules,
};

/// What was uploaded, what was there, and what nobody handed in.
#[derive(Default)]
pub(crate) struct Uploaded {
    pub(crate) count: Count,
    pub(crate) missing: Vec<String>,
}

impl Client {
    pub(crate) async fn sync_artifacts(
        &self,
        run: &Run,
        record: &RunRecord,
        options: &SyncOptions<'_>,
    ) -> Result<Uploaded> {
        let mut uploaded = Uploaded::default();
        for (name, artifact) in &record.artifacts {
            let key = tags::artifact(name);
            let digest = artifact.digest.to_string();
            if run.tag(&key) == Some(&digest) {
                uploaded.count.present += 1;
                continue;
            }
            let content = options.content(name, artifact);
            let content = content.map_err(|source| Error::ArtifactContent { name: name.clone(), source })?;
            let Some(content) = content else {
                uploaded.missing.push(name.clone());
                continue;
            };
            let found = Digest::of(&content);
            if found != artifact.digest {
                return Err(Error::ArtifactChanged { name: name.clone(), expected: artifact.digest, found });
            }
            self.http.bytes(&self.http.write(url(&self.http, run, name)?, content)).await?;
            // Only what has arrived is said to be there.
            let tag = json!({ "run_id": run.info.run_id, "key": key, "value": digest });
            self.post("runs/set-tag", &tag).await?;
            uploaded.count.sent += 1;
        }
        Ok(uploaded)
    }
}

/// Where the server's proxy takes and hands out an artifact.
///
/// `mlflow-artifacts:/1/RUN/artifacts` is below the tracking URI; with a host in it, it has to be the same, since the
/// credentials are for that one.
pub(crate) fn url(http: &Http, run: &Run, name: &str) -> Result<Url> {
    let uri = &run.info.artifact_uri;
    let error = || Error::ArtifactStore { run_id: run.info.run_id.clone(), uri: uri.clone() };
    let path = uri.strip_prefix("mlflow-artifacts:").ok_or_else(error)?;
    let path = match path.strip_prefix("//") {
        None => path,
        Some(rest) => {
            let (host, path) = rest.split_once('/').ok_or_else(error)?;
            if !host.is_empty() && host != http.base.authority() {
                return Err(error());
            }
            path
        }
    };
    // A log that others wrote may hold names such as `../x`.
    rules::key("artifact name", name)?;
    let below = path.split('/').filter(|segment| !segment.is_empty()).chain(name.split('/'));
    Ok(http.url(["api", "2.0", "mlflow-artifacts", "artifacts"].into_iter().chain(below)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlflow::wire::{RunData, RunInfo};

    fn address(artifact_uri: &str, name: &str) -> Result<String> {
        let client = Client::builder().tracking_uri("http://u:p@h:1/ml/").build().unwrap();
        let info = RunInfo {
            run_id: "r".to_owned(),
            status: String::new(),
            end_time: None,
            artifact_uri: artifact_uri.to_owned(),
        };
        url(&client.http, &Run { info, data: RunData::default() }, name).map(Url::into)
    }

    #[test]
    fn artifacts_are_below_the_tracking_uri() {
        let expected = "http://h:1/ml/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/a%20b/%C3%A4.bin";
        for uri in [
            "mlflow-artifacts:/1/r/artifacts",
            "mlflow-artifacts:///1/r/artifacts/",
            "mlflow-artifacts://h:1/1/r/artifacts",
        ] {
            assert_eq!(address(uri, "a b/ä.bin").unwrap(), expected, "{uri}");
        }
    }

    #[test]
    fn other_stores_and_odd_names_are_refused() {
        for uri in
            ["s3://bucket/1/r", "/tmp/1/r", "", "mlflow-artifacts://other/1/r/artifacts", "mlflow-artifacts://h:2/1"]
        {
            let error = address(uri, "a").unwrap_err();
            assert!(
                matches!(&error, Error::ArtifactStore { .. }) && error.to_string().contains("--serve-artifacts"),
                "{error}"
            );
        }
        // Case A8's tail: `..` is refused before any request; `%` and `#` are what MLflow's proxy gets wrong.
        for name in ["../x", "a/../x", "", "a%20b", "a#b"] {
            assert!(matches!(address("mlflow-artifacts:/1", name), Err(Error::Log(_))), "{name}");
        }
    }
}
