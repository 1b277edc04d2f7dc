use std::collections::BTreeMap;

use mlci_core::Label;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;

/// `[gate]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// The alias whose model is the champion.
    #[schemars(with = "String")]
    pub champion: Label,
    /// The metric by which champion and challenger are compared.
    pub compare: Metric,
    /// How much worse than the champion a model may be, relative to the champion's value.
    pub margin: f64,
    /// How sure the comparison has to be, above 0.5 and below 1.
    pub confidence: f64,
    /// With fewer held-out rows there is no verdict.
    pub min_rows: usize,
    /// Bounds that always apply, by metric.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<Metric, Limit>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            champion: defaults::production(),
            compare: Metric::Rmse,
            margin: 0.02,
            confidence: 0.95,
            min_rows: 30,
            limits: BTreeMap::new(),
        }
    }
}

/// A metric of a regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Root mean squared error, in units of the target.
    Rmse,
    /// Mean absolute error, in units of the target.
    Mae,
    /// Median absolute error, in units of the target.
    MedianAe,
    /// Coefficient of determination.
    R2,
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
