//! Dashboards for Grafana, in the JSON that its page "Import dashboard" and its provisioning read.
//!
//! They ask for what the servers export, not for what the rules record, so that they work without the rules.

mod dashboard;
mod model;
mod panel;
mod service;

#[cfg(test)]
mod tests;

use mlci_core::RenderedFile;
use serde_json::Value;

use crate::{Result, Settings};

pub(crate) fn render(settings: &Settings) -> Result<Vec<RenderedFile>> {
    settings.thresholds.check()?;
    let file = |name: &str, dashboard: &Value| RenderedFile {
        path: format!("{}/grafana/{name}.json", settings.folder),
        text: format!("{dashboard:#}\n"),
    };
    Ok(vec![file("service", &service::dashboard_of(settings)), file("model", &model::dashboard_of(settings))])
}
