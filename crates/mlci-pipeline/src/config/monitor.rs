use mlci_monitor::Thresholds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[monitor]`: for `generate rules`, `dashboards` and `elk`, and the Pushgateway that finished commands are pushed to
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Monitor {
    /// The folder that the files are written to.
    pub folder: String,
    /// The address of a Prometheus Pushgateway that `ci` and `deploy` push to when they end: `http://HOST:PORT`.
    /// Credentials come from `MLCI_PUSHGATEWAY_USERNAME` and `MLCI_PUSHGATEWAY_PASSWORD`, or `MLCI_PUSHGATEWAY_TOKEN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushgateway: Option<String>,
    /// The address of a page with a heading for each alert, which alerts link to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// The share of requests for predictions that the server may fail, above 0 and below 1.
    pub error_ratio: f64,
    /// The requests for predictions within 5 minutes that such a share has to be about: 1 to 1000000.
    pub error_requests: u32,
    /// The 99th percentile that such a request may take, in seconds: 0.001 to 5.
    pub latency_seconds: f64,
    /// The population stability index of a feature or the prediction that is no drift yet: 0.01 to 4.
    pub drift_psi: f64,
    /// The rows that drift, or an hour's values out of range, have to be about: 200 to 1000.
    pub drift_rows: u32,
    /// The share of a feature's values that may be outside the range of training, above 0 and below 1.
    pub out_of_range_ratio: f64,
    /// The minutes that an environment may serve two models: 1 to 1440.
    pub two_models_minutes: u32,
}

impl Default for Monitor {
    fn default() -> Self {
        let thresholds = Thresholds::default();
        Self {
            folder: "monitoring".to_owned(),
            pushgateway: None,
            runbook: None,
            error_ratio: thresholds.error_ratio,
            error_requests: thresholds.error_requests,
            latency_seconds: thresholds.latency_seconds,
            drift_psi: thresholds.drift_psi,
            drift_rows: thresholds.drift_rows,
            out_of_range_ratio: thresholds.out_of_range_ratio,
            two_models_minutes: thresholds.two_models_minutes,
        }
    }
}

impl Monitor {
    /// From when on it is worth an alert.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        let mut thresholds = Thresholds::default();
        thresholds.error_ratio = self.error_ratio;
        thresholds.error_requests = self.error_requests;
        thresholds.latency_seconds = self.latency_seconds;
        thresholds.drift_psi = self.drift_psi;
        thresholds.drift_rows = self.drift_rows;
        thresholds.out_of_range_ratio = self.out_of_range_ratio;
        thresholds.two_models_minutes = self.two_models_minutes;
        thresholds
    }
}
