//! What is checked as data, since the programs themselves cannot be had: Kibana's objects, whose queries are run on the
//! real nodes; field names, by the definitions of the Elastic Common Schema; Logstash's configuration, by a grammar.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Output},
};

use serde_json::{Map, Value, json};

use super::{
    Asked, generated,
    node::{Node, flatten},
};
use crate::{project::Project, variable};

fn objects(project: &Project) -> Vec<Value> {
    project.read("monitoring/elk/kibana.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// JSON within JSON.
fn inner(value: &Value) -> Value {
    serde_json::from_str(value.as_str().unwrap()).unwrap()
}

/// What Kibana would ask for a visualization: its metric within its buckets, the first outermost.
fn request(state: &Value, fields: &mut BTreeSet<String>) -> (Value, Vec<String>) {
    let (mut metrics, mut split) = (Map::new(), Vec::new());
    for aggregation in state["aggs"].as_array().unwrap() {
        let (kind, params) = (aggregation["type"].as_str().unwrap(), &aggregation["params"]);
        let id = aggregation["id"].as_str().unwrap().to_owned();
        fields.extend(params["field"].as_str().map(str::to_owned));
        let field = &params["field"];
        match kind {
            "count" => {}
            "sum" => drop(metrics.insert(id, json!({"sum": {"field": field}}))),
            "percentiles" => {
                let asked = json!({"percentiles": {"field": field, "percents": params["percents"]}});
                metrics.insert(id, asked);
            }
            "date_histogram" => {
                split.push((
                    id,
                    json!({"date_histogram": {"field": field, "fixed_interval": "1m", "min_doc_count": 1}}),
                ));
            }
            "terms" => {
                let by = match params["orderBy"].as_str().unwrap() {
                    "_key" => "_key".to_owned(),
                    metric if metrics.contains_key(metric) => metric.to_owned(),
                    _ => "_count".to_owned(),
                };
                let order = json!({by: params["order"]});
                split.push((id, json!({"terms": {"field": field, "size": params["size"], "order": order}})));
            }
            other => panic!("no such aggregation is run here: {other}"),
        }
    }
    let mut body = Value::Object(metrics);
    let path = split.iter().map(|(id, _)| id.clone()).collect();
    for (id, mut aggregation) in split.into_iter().rev() {
        aggregation["aggs"] = body;
        body = json!({ id: aggregation });
    }
    (body, path)
}

/// Every query and every aggregation gives something, from the log of a server that did and refused its work.
#[test]
#[ignore = "needs Elasticsearch, OpenSearch and rsyslog: cargo xtask test --lab elasticsearch opensearch rsyslog"]
fn every_query_of_the_kibana_objects_finds_something() {
    let asked = Asked::new();
    let objects = objects(&asked.project);
    for node in Node::all() {
        let _shipper = asked.ship_to(&node);
        let view = objects.iter().find(|object| object["type"] == "index-pattern").unwrap();
        let index = view["attributes"]["title"].as_str().unwrap();
        let mut fields = BTreeSet::from([view["attributes"]["timeFieldName"].as_str().unwrap().to_owned()]);
        fields.extend(inner(&view["attributes"]["fieldFormatMap"]).as_object().unwrap().keys().cloned());
        let mut ran = BTreeMap::<&str, u32>::new();
        for object in &objects {
            let (kind, attributes) = (object["type"].as_str().unwrap(), &object["attributes"]);
            *ran.entry(kind).or_default() += 1;
            if !matches!(kind, "search" | "visualization") {
                continue;
            }
            let source = inner(&attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]);
            assert_eq!(source["query"]["language"], "lucene");
            let query = json!({"query_string": {"query": source["query"]["query"]}});
            let columns = attributes["columns"].as_array().into_iter().flatten();
            fields.extend(columns.map(|column| column.as_str().unwrap().to_owned()));
            let (aggregations, path) = if kind == "search" {
                (json!({}), Vec::new())
            } else {
                request(&inner(&attributes["visState"]), &mut fields)
            };
            let found = node.search(index, &json!({"size": 1, "query": query, "aggs": aggregations}));
            assert!(found["hits"]["total"]["value"].as_u64() > Some(0), "{}: {found}", object["id"]);
            let mut level = &found["aggregations"];
            for id in path {
                level = &level[&id]["buckets"][0];
                assert!(level["doc_count"].as_u64() > Some(0), "{}: {found}", object["id"]);
            }
        }
        assert_eq!(ran, BTreeMap::from([("dashboard", 1), ("index-pattern", 1), ("search", 2), ("visualization", 4)]));
        let known = node.fields(index);
        let unknown: Vec<&String> = fields.iter().filter(|field| !known.contains_key(*field)).collect();
        assert!(unknown.is_empty() && fields.len() > 8, "{unknown:?} of {fields:?}");
    }
}

/// A field of one type, and what is compatible with it: the schema says that types of one family may stand for another.
fn family(kind: &str) -> &str {
    match kind {
        "constant_keyword" | "wildcard" => "keyword",
        "match_only_text" => "text",
        other => other,
    }
}

#[test]
#[ignore = "needs the definitions of the schema: cargo xtask test --lab elk-tools"]
fn names_and_types_are_those_of_the_elastic_common_schema() {
    const SCRIPT: &str = "const ecs = require(process.argv[1]); \
                          console.log(JSON.stringify({version: ecs.EcsVersion, fields: ecs.EcsFlat}))";
    let output =
        Command::new(variable("MLCI_LAB_NODE_PROGRAM")).args(["-e", SCRIPT, &variable("MLCI_LAB_ECS")]).output();
    let schema: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    // The schema leaves names of other beginnings to everybody; `kubernetes` is that of Elastic's shippers.
    let own = |name: &str| name.starts_with("mlci.") || name.starts_with("kubernetes.");
    let asked = Asked::new();

    let template = asked.project.read("monitoring/elk/component-template.json");
    let template: Value = serde_json::from_str(&template).unwrap();
    let mut mapped = BTreeMap::new();
    flatten("", &template["template"]["mappings"]["properties"], &mut mapped);
    // A sub-field is another way to look at a field, and of no schema.
    mapped.remove("error.message.keyword");
    for (name, kind) in mapped.iter().filter(|(name, _)| !own(name)) {
        let defined = schema["fields"][name]["type"].as_str().unwrap_or_else(|| panic!("the schema has no `{name}`"));
        assert_eq!(kind, family(defined), "{name}");
    }

    let mut written = BTreeMap::new();
    for line in &asked.lines {
        assert_eq!(line["ecs.version"], schema["version"]);
        values("", line, &mut written);
    }
    for (name, values) in &written {
        assert!(mapped.contains_key(name), "`{name}` is written, and in no mapping");
        let allowed = schema["fields"][name]["allowed_values"].as_array();
        for value in values.iter().filter(|_| !own(name)) {
            let legal = allowed.is_none_or(|allowed| allowed.iter().any(|legal| legal["name"] == *value));
            assert!(legal, "{name}: {value}");
        }
    }
    for name in ["event.duration", "http.request.body.bytes", "error.message", "mlci.rows"] {
        assert!(written.contains_key(name), "{name}");
    }
}

fn values(before: &str, value: &Value, found: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
                values(&path, value, found);
            }
        }
        Value::Array(several) => several.iter().for_each(|value| values(before, value, found)),
        value => found.entry(before.to_owned()).or_default().push(value.clone()),
    }
}

/// Its own conversion of values stumbles over lists; what is asked of it is the grammar.
const GRAMMAR: &str = "
import json, sys
from logstash_pipeline_parser import Pipeline
pipeline = Pipeline(sys.stdin.read())
for name in list(pipeline.get_types()):
    pipeline.remove_type(name)
print(json.dumps(pipeline.parse()))
";

fn parsed(text: &str) -> Output {
    use std::{io::Write as _, process::Stdio};
    let mut child = Command::new(variable("MLCI_LAB_LOGSTASH_PYTHON"))
        .args(["-c", GRAMMAR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
#[ignore = "needs a grammar of Logstash's configuration: cargo xtask test --lab elk-tools"]
fn the_grammar_accepts_the_logstash_pipeline() {
    let project = generated();
    let text = project.read("monitoring/elk/logstash.conf");
    let output = parsed(&text);
    let tree: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let sections: Vec<&Value> = tree.as_array().unwrap().iter().map(|section| &section[0]).collect();
    assert_eq!(sections, ["input", "filter", "output"]);
    assert_eq!(tree[2][1][0][0], "elasticsearch");
    assert!(tree[2].to_string().contains(&format!("[\"index\",[\"{}\"]]", super::stream(&project))), "{tree}");
    for (from, to) in [("index =>", "index ="), ("input {", "inputs {"), ("drop { }", "drop {")] {
        assert!(!parsed(&text.replace(from, to)).status.success(), "{to} is accepted");
    }
}
