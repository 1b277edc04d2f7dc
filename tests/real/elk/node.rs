//! A node, and a shipper that sends to it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    project::{Project, http},
    unique, variable,
};

pub(crate) struct Node {
    address: String,
    /// Whether it knows data streams and ingest pipelines.
    pub(super) has_streams: bool,
}

impl Node {
    /// Elasticsearch 7.10 without Elastic's modules, and OpenSearch.
    pub(super) fn all() -> [Self; 2] {
        [Self::elasticsearch(), Self { address: variable("MLCI_LAB_OPENSEARCH"), has_streams: true }]
    }

    pub(crate) fn elasticsearch() -> Self {
        Self { address: variable("MLCI_LAB_ELASTICSEARCH"), has_streams: false }
    }

    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, _, body) = http(&self.address, method, path, body).unwrap();
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// Puts the generated templates there, as the documentation says. What is indexed goes with what this gives.
    #[track_caller]
    pub(crate) fn load(&self, project: &Project) -> Indexed<'_> {
        let files = if self.has_streams {
            &[
                ("_component_template", "component-template.json"),
                ("_ingest/pipeline", "ingest-pipeline.json"),
                ("_index_template", "data-stream-template.json"),
            ][..]
        } else {
            &[("_component_template", "component-template.json"), ("_index_template", "index-template.json")]
        };
        for (api, file) in files {
            let text = project.read(&format!("monitoring/elk/{file}"));
            let (status, answer) = self.ask("PUT", &format!("/{api}/logs-mlci.serve"), &text);
            assert_eq!(status, 200, "{file}: {answer}");
        }
        Indexed { node: self, stream: super::stream(project) }
    }

    pub(crate) fn count(&self, index: &str) -> u64 {
        // Until the first line has come, there is nothing.
        let _ = self.ask("POST", &format!("/{index}/_refresh"), "");
        self.ask("GET", &format!("/{index}/_count"), "").1["count"].as_u64().unwrap_or(0)
    }

    #[track_caller]
    pub(crate) fn search(&self, index: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", &format!("/{index}/_search"), &body.to_string());
        assert_eq!((status, &answer["_shards"]["failed"]), (200, &Value::from(0)), "{body}: {answer}");
        answer
    }

    /// The types of the fields that can be searched.
    pub(super) fn fields(&self, index: &str) -> BTreeMap<String, String> {
        let (_, answer) = self.ask("GET", &format!("/{index}/_field_caps?fields=*"), "");
        let fields = answer["fields"].as_object().unwrap_or_else(|| panic!("{answer}"));
        let kinds = fields.iter().filter_map(|(name, kinds)| {
            let kinds: Vec<&String> = kinds.as_object()?.keys().collect();
            assert_eq!(kinds.len(), 1, "{name} is {kinds:?}");
            let kind = kinds[0].clone();
            // Those of the node itself begin with `_`; an object is its fields.
            (!name.starts_with('_') && kind != "object").then(|| (name.clone(), kind))
        });
        kinds.collect()
    }

    /// The index has the fields of the template and no others.
    #[track_caller]
    pub(super) fn check_mapping(&self, project: &Project) {
        let template: Value = serde_json::from_str(&project.read("monitoring/elk/component-template.json")).unwrap();
        let mut wanted = BTreeMap::new();
        flatten("", &template["template"]["mappings"]["properties"], &mut wanted);
        assert_eq!(self.fields(&super::stream(project)), wanted);
        let kind = |name: &str| wanted[name].as_str();
        assert_eq!((kind("@timestamp"), kind("event.duration")), ("date", "long"));
    }
}

/// The fields of a mapping, by their dotted names.
pub(super) fn flatten(before: &str, properties: &Value, found: &mut BTreeMap<String, String>) {
    for (name, field) in properties.as_object().unwrap() {
        let path = format!("{before}{name}");
        if let Some(kind) = field["type"].as_str() {
            found.insert(path.clone(), kind.to_owned());
        }
        for inner in ["properties", "fields"] {
            if field[inner].is_object() {
                flatten(&format!("{path}."), &field[inner], found);
            }
        }
    }
}

/// What a test has indexed.
pub(crate) struct Indexed<'n> {
    node: &'n Node,
    stream: String,
}

impl Drop for Indexed<'_> {
    fn drop(&mut self) {
        let api = if self.node.has_streams { "/_data_stream/" } else { "/" };
        let _ = self.node.ask("DELETE", &format!("{api}{}", self.stream), "");
    }
}

/// rsyslog with the generated configuration; ended with the value.
pub(crate) struct Shipper {
    child: Child,
    state: PathBuf,
}

impl Shipper {
    pub(crate) fn start(project: &Project, node: &Node, files: &Path) -> Self {
        let state = project.path(&format!("shipper-{}", unique()));
        fs::create_dir(&state).unwrap();
        let command = || {
            let mut command = Command::new(variable("MLCI_LAB_RSYSLOGD"));
            command
                .arg("-f")
                .arg(project.path("monitoring/elk/rsyslog.conf"))
                .env("MLCI_SHIP_FILES", files)
                .env("MLCI_SHIP_STATE", &state)
                .env("ELASTICSEARCH_URL", &node.address)
                .stdin(Stdio::null());
            command
        };
        let checked = command().arg("-N1").output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && !said.contains("error") && !said.contains("warning"), "{said}");
        let log = fs::File::create(state.join("rsyslog.log")).unwrap();
        let mut run = command();
        run.args(["-n", "-i"]).arg(state.join("pid")).stdout(Stdio::null()).stderr(log);
        let child = run.spawn().unwrap();
        Self { child, state }
    }

    /// What the node did not take, as rsyslog keeps it.
    pub(super) fn refused(&self) -> String {
        fs::read_to_string(self.state.join("refused.json")).unwrap_or_default()
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
