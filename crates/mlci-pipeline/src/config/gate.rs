use std::collections::BTreeMap;

use mlci_core::Label;
use mlci_train::Metric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    defaults,
    names::{LimitsByMetric, MetricName},
};

/// `[gate]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// The alias whose model is the champion.
    #[schemars(with = "String")]
    pub champion: Label,
    /// The metric by which champion and challenger are compared. Default: `rmse`, and `log_loss` for classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<MetricName>")]
    pub compare: Option<Metric>,
    /// How much worse than the champion a model may be, relative to the champion's value.
    pub margin: f64,
    /// How sure the comparison has to be, above 0.5 and below 1.
    pub confidence: f64,
    /// With fewer held-out rows there is no verdict.
    pub min_rows: usize,
    /// Bounds that always apply, by metric.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "LimitsByMetric")]
    pub limits: BTreeMap<Metric, Limit>,
    /// From which probability on a row is said to be of the positive class, above 0 and below 1.
    pub threshold: f64,
    /// Columns by which the held-out rows are grouped: in no group may a model be worse than the champion by more than
    /// the margin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<String>,
    /// What a feature that alone predicts the target suspiciously well comes to.
    pub leakage: Leakage,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            champion: defaults::production(),
            compare: None,
            margin: 0.02,
            confidence: 0.95,
            min_rows: 30,
            limits: BTreeMap::new(),
            threshold: 0.5,
            slices: Vec::new(),
            leakage: Leakage::Warn,
        }
    }
}

/// What a feature that knows the target comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Leakage {
    /// It is said, on the terminal and in the report.
    #[default]
    Warn,
    /// The gate refuses the model.
    Fail,
}

/// `[gate.limits.METRIC]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The smallest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The largest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}
