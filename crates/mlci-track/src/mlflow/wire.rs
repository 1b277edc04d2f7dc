//! What goes over the wire: MLflow's REST API 2.0, <https://mlflow.org/docs/latest/api_reference/rest-api.html>.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::line::number;

/// A param, tag or alias as MLflow writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

impl Pair {
    pub(crate) fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Metric<'a> {
    pub(crate) key: &'a str,
    /// NaN and infinities as strings: for bare ones MLflow answers 200 and stores 0.
    #[serde(with = "number")]
    pub(crate) value: f64,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) step: i64,
}

/// `runs/log-batch`: at most 1000 metrics, 100 params, 100 tags, and 1000 of all.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Batch<'a> {
    pub(crate) run_id: &'a str,
    pub(crate) metrics: &'a [Metric<'a>],
    pub(crate) params: &'a [Pair],
    pub(crate) tags: &'a [Pair],
}

#[derive(Debug, Deserialize)]
pub(crate) struct Experiment {
    pub(crate) experiment_id: String,
    #[serde(default)]
    pub(crate) lifecycle_stage: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Run {
    pub(crate) info: RunInfo,
    #[serde(default)]
    pub(crate) data: RunData,
}

impl Run {
    pub(crate) fn tag(&self, key: &str) -> Option<&str> {
        self.data.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }

    pub(crate) fn param(&self, key: &str) -> Option<&str> {
        self.data.params.iter().find(|param| param.key == key).map(|param| param.value.as_str())
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RunInfo {
    pub(crate) run_id: String,
    pub(crate) status: String,
    pub(crate) end_time: Option<i64>,
    #[serde(default)]
    pub(crate) artifact_uri: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct RunData {
    #[serde(default)]
    pub(crate) params: Vec<Pair>,
    #[serde(default)]
    pub(crate) tags: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(deserialize_with = "version")]
    pub(crate) version: u64,
    #[serde(default)]
    pub(crate) run_id: String,
    #[serde(default)]
    pub(crate) tags: Vec<Pair>,
}

impl Version {
    /// Whether it carries this digest.
    pub(crate) fn is_of(&self, digest: &str) -> bool {
        self.tags.iter().any(|tag| tag.key == super::tags::DIGEST && tag.value == digest)
    }
}

/// MLflow writes the numbers of versions as text.
pub(crate) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
