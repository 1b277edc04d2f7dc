//! Elasticsearch, OpenSearch, Logstash, Filebeat, rsyslog, Kibana.
//!
//! The lines are those of mlci-serve's log in the Elastic Common Schema. They go to one index, or data stream, a model:
//! `logs-mlci.serve-NAMESPACE`, where NAMESPACE is the model's name with `_` for `-`, which separates the three parts.

mod kibana;
mod shippers;
mod template;

use mlci_core::RenderedFile;
use serde_json::Value;

use crate::{Result, Settings};

/// What the templates, the pipeline and the policy are called; `mlci.serve` is the lines' `event.dataset`.
const NAME: &str = "logs-mlci.serve";

pub(crate) fn render(settings: &Settings) -> Result<Vec<RenderedFile>> {
    let file = |name: &str, text: String| RenderedFile { path: format!("{}/elk/{name}", settings.folder), text };
    let json = |name: &str, value: &Value| file(name, format!("{value:#}\n"));
    let (mark, project) = (settings.mark("elk"), settings.project.as_str());
    Ok(vec![
        json("component-template.json", &template::component(&mark)),
        json("index-template.json", &template::index(&mark)),
        json("data-stream-template.json", &template::data_stream(&mark)),
        json("ingest-pipeline.json", &template::pipeline(&mark)),
        json("ilm-policy.json", &template::lifecycle(&mark)),
        file("rsyslog.conf", shippers::rsyslog(&mark, &stream(settings), project)),
        file("filebeat.yml", shippers::filebeat(&mark, &stream(settings), project)),
        file("logstash.conf", shippers::logstash(&mark, &stream(settings), project)),
        file("kibana.ndjson", kibana::objects(&mark, project)),
    ])
}

/// Where the lines of this model go.
fn stream(settings: &Settings) -> String {
    format!("{NAME}-{}", settings.project.as_str().replace('-', "_"))
}

#[cfg(test)]
mod tests;
