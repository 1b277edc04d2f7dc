//! What Prometheus reads: rules, their unit tests, and where the servers are.

mod alerts;
mod file;
mod recording;
mod scrape;
mod unit_tests;

#[cfg(test)]
mod tests;

use mlci_core::RenderedFile;

use crate::{Result, Settings, yaml};

/// The routes that predict, as the label `path` has them: probes and scrapes are no traffic.
pub(crate) const PREDICTS: &str = "path=~\"/predict|/invocations|/v2/models/.+/infer\"";

pub(crate) fn render(settings: &Settings) -> Result<Vec<RenderedFile>> {
    settings.thresholds.check()?;
    let alerts = alerts::all(settings);
    let mark = settings.mark("rules");
    let file = |name: &str, header: &str, text: &dyn Fn(&str, &str) -> Result<String>| {
        let path = format!("{}/prometheus/{name}", settings.folder);
        let text = text(&path, &format!("{mark}\n{header}"))?;
        Ok(RenderedFile { path, text })
    };
    let rules = file::Rules::new(settings, recording::all(settings), &alerts);
    let tests = unit_tests::file(settings, &alerts);
    let scrape = scrape::file(settings);
    let here = "To be named by `rule_files` of prometheus.yml.";
    let run = "Run them with: promtool test rules rules_test.yml";
    let mut files = vec![
        file("rules.yml", here, &|path, header| yaml::document(path, header, &rules))?,
        file("rules_test.yml", run, &|path, header| yaml::document(path, header, &tests))?,
        file("scrape.yml", &scrape.header, &|path, header| yaml::document(path, header, &scrape))?,
    ];
    if let Some(cluster) = scrape::cluster_file(settings) {
        let text = |path: &str, header: &str| yaml::document(path, header, &cluster);
        files.push(file("scrape-kubernetes.yml", &cluster.header, &text)?);
    }
    Ok(files)
}
