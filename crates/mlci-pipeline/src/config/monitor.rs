use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[monitor]`: for `generate rules`, `dashboards` and `elk`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Monitor {
    /// The folder that the files are written to.
    pub folder: String,
}

impl Default for Monitor {
    fn default() -> Self {
        Self { folder: "monitoring".to_owned() }
    }
}
