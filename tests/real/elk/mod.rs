//! The server's log in Elasticsearch and OpenSearch: written by a real server, shipped by a real rsyslog with the
//! generated configuration, indexed by the generated templates, found by query.

mod data;
pub(crate) mod node;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use self::node::{Indexed, Node, Shipper};
use crate::{
    project::{self, Project, eventually, http},
    unique,
};

/// A row of the sample, and one with a text where a number belongs.
const ROW: &str = "[[7.4,0.7,0,1.9,0.076,11,34,0.9978,3.51,0.56,9.4]]";
const BAD: &str = r#"[[7.4,"much",0,1.9,0.076,11,34,0.9978,3.51,0.56,9.4]]"#;
const SECRET: &str = "token-of-nobody";
const QUOTED: &str = r#"from a file, with \"quotes\" and é"#;

/// A pipeline whose files for ELK are generated.
fn generated() -> Project {
    let project = Project::with(&project::configuration().replace("\"wine\"", &format!("\"wine-{}\"", unique())));
    let keys = "[environment.staging]\nlog_format = \"ecs\"\nlog_requests = \"all\"";
    project.configure("[environment.staging]", keys);
    project.pass(&["generate", "elk"]);
    project.pass(&["generate", "elk", "--check"]);
    project
}

/// The name of the pipeline's model.
fn name(project: &Project) -> String {
    let parsed = project.read("mlci.toml");
    parsed.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).unwrap().to_owned()
}

/// Where its lines go, as the documentation says.
pub(crate) fn stream(project: &Project) -> String {
    format!("logs-mlci.serve-{}", name(project).replace('-', "_"))
}

/// A staging server that was asked this and that, and what it has logged of it, by the file itself.
struct Asked {
    project: Project,
    lines: Vec<Value>,
}

impl Asked {
    fn new() -> Self {
        let project = generated();
        let ended = project.pass(&["ci"]);
        let address = ended.environment("staging")["address"].as_str().unwrap().to_owned();
        for (times, method, path, body, status) in [
            (12, "POST", "/predict", ROW, 200),
            (3, "POST", "/predict", BAD, 400),
            (1, "POST", "/predict", "[]]", 400),
            (2, "GET", &format!("/nowhere?key={SECRET}") as &str, "", 404),
            (2, "GET", "/livez", "", 200),
        ] {
            for _ in 0..times {
                assert_eq!(http(&address, method, path, body).unwrap().0, status, "{path}");
            }
        }
        let log = PathBuf::from(project.pass(&["logs", "staging"]).value["result"]["path"].as_str().unwrap());
        // The last request's line is written a moment after its answer.
        let read = || lines(&log);
        eventually("a line of every request", || count(&read(), "/http/response/status_code").get("404") == Some(&2));
        let lines = read();
        assert!(!fs::read_to_string(&log).unwrap().contains(SECRET));
        Self { project, lines }
    }

    /// All of them in this node, by a shipper that is started for it.
    fn ship_to<'n>(&self, node: &'n Node) -> (Shipper, Indexed<'n>) {
        let indexed = node.load(&self.project);
        // As the documentation says: whichever instance writes.
        let files = self.project.path(".mlci/environments/*/*/instances/*/server.log");
        let shipper = Shipper::start(&self.project, node, &files);
        eventually("all lines to arrive", || node.count(&stream(&self.project)) == self.lines.len() as u64);
        (shipper, indexed)
    }
}

fn lines(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// How often each value of a field stands in these lines.
fn count(lines: &[Value], pointer: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for value in lines.iter().filter_map(|line| line.pointer(pointer)) {
        let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// The same from the buckets of an aggregation by terms.
fn buckets(aggregation: &Value) -> BTreeMap<String, u64> {
    let found = aggregation["buckets"].as_array().unwrap_or_else(|| panic!("no buckets: {aggregation}")).iter();
    let word = |key: &Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    found.map(|bucket| (word(&bucket["key"]), bucket["doc_count"].as_u64().unwrap())).collect()
}

#[test]
#[ignore = "needs Elasticsearch, OpenSearch and rsyslog: cargo xtask test --lab elasticsearch opensearch rsyslog"]
fn requests_are_shipped_indexed_and_found() {
    let asked = Asked::new();
    let stream = stream(&asked.project);
    for node in Node::all() {
        let _shipper = asked.ship_to(&node);
        node.check_mapping(&asked.project);
        let terms = |field: &str| json!({"terms": {"field": field, "size": 50}});
        let found = node.search(
            &stream,
            &json!({"size": 0, "aggs": {
                "status": terms("http.response.status_code"),
                "reason": terms("error.message.keyword"),
                "version": terms("mlci.model.version"),
                "environment": terms("service.environment"),
                "duration": {"percentiles": {"field": "event.duration", "percents": [95]}},
            }}),
        );
        let found = &found["aggregations"];
        assert_eq!(buckets(&found["status"]), count(&asked.lines, "/http/response/status_code"));
        let reasons = buckets(&found["reason"]);
        assert_eq!(reasons, count(&asked.lines, "/error/message"));
        assert!(reasons.iter().any(|(reason, times)| reason.contains("\"much\"") && *times == 3), "{reasons:?}");
        assert_eq!(buckets(&found["version"]), count(&asked.lines, "/mlci/model/version"));
        assert_eq!(buckets(&found["environment"]), count(&asked.lines, "/service/environment"));

        // Nanoseconds, as the server has measured them: between the values around that rank.
        let mut durations: Vec<u64> =
            asked.lines.iter().filter_map(|line| line.pointer("/event/duration")?.as_u64()).collect();
        durations.sort_unstable();
        let rank = (durations.len() - 1) * 95 / 100;
        let (low, high) = (durations[rank.saturating_sub(1)], durations[(rank + 2).min(durations.len() - 1)]);
        let p95 = found["duration"]["values"]["95.0"].as_f64().unwrap();
        assert!(low as f64 <= p95 && p95 <= high as f64, "{p95} in {durations:?}");

        let refused = node.search(
            &stream,
            &json!({"query": {"query_string": {"query": "error.message:much AND http.response.status_code:400"}}}),
        );
        assert_eq!(refused["hits"]["total"]["value"], 3);
        let hit = &refused["hits"]["hits"][0]["_source"];
        assert_eq!((&hit["url"]["path"], &hit["mlci"]["refused"]["row"]), (&json!("/predict"), &json!(0)));
        if node.has_streams {
            let (_, about) = node.ask("GET", &format!("/_data_stream/{stream}"), "");
            assert_eq!(about["data_streams"][0]["timestamp_field"]["name"], "@timestamp", "{about}");
            assert!(hit["event"]["ingested"].is_string(), "{hit}");
        }
    }
}

/// The time of a line of a container runtime, its stream, a flag, the line; and what a shipper has to tell apart.
#[test]
#[ignore = "needs Elasticsearch, OpenSearch and rsyslog: cargo xtask test --lab elasticsearch opensearch rsyslog"]
fn container_lines_arrive_and_a_refused_one_is_kept() {
    let project = generated();
    let (stream, model) = (stream(&project), name(&project));
    let of = |dataset: &str, service: Value, time: &str, message: &str| {
        json!({"@timestamp": time, "message": message, "log.level": "info", "ecs.version": "9.4.0",
               "event": {"dataset": dataset}, "service": service})
        .to_string()
    };
    let line = |time: &str, message: &str| of("mlci.serve", json!({"name": model}), time, message);
    let time = "2026-01-02T03:04:05.678901Z";
    let text = [
        of("mlci.serve", json!({"name": format!("{model}-v2")}), time, "of another model"),
        of("nginx.access", json!({"name": model}), time, "of another program in the same schema"),
        json!({"@timestamp": time, "message": "without a dataset", "ecs.version": "9.4.0"}).to_string(),
        of("mlci.serve", json!({"environment": "staging"}), time, "of a server without its model yet"),
        format!("{time} stderr F {}", of("mlci.serve", json!({"name": "wine"}), time, "of another in a container")),
        format!("{time} stderr F {}", line(time, "from a container")),
        line(time, QUOTED),
        line("not-a-date", "of no time"),
        format!("{time} stdout P {{\"@timestamp\": \"2026"),
        "a line of another program".to_owned(),
        r#"{"of": "another program"}"#.to_owned(),
        line(time, "the last"),
    ];
    let log = project.path("0.log");
    for node in Node::all() {
        let _indexed = node.load(&project);
        fs::write(&log, text.join("\n") + "\n").unwrap();
        let shipper = Shipper::start(&project, &node, &log);
        // It reads in order: once the last is there, what is not will not come.
        let last = json!({"query": {"query_string": {"query": "message:last"}}});
        eventually("the last line to arrive", || {
            node.count(&stream) > 0 && node.search(&stream, &last)["hits"]["total"]["value"] == 1
        });
        eventually("one of them to be refused", || shipper.refused().contains("of no time"));
        assert!(shipper.refused().contains("not-a-date") && !shipper.refused().contains("the last"));
        let found = node.search(&stream, &json!({"size": 50}));
        let arrived = found["hits"]["hits"].as_array().unwrap().iter();
        let arrived: BTreeSet<&str> = arrived.map(|hit| hit["_source"]["message"].as_str().unwrap()).collect();
        let ours = ["from a container", QUOTED, "of a server without its model yet", "the last"];
        assert_eq!((arrived, node.count(&stream)), (BTreeSet::from(ours), 4));
    }
}

/// What a shipper sends that reads no JSON.
#[test]
#[ignore = "needs OpenSearch: cargo xtask test --lab opensearch"]
fn the_ingest_pipeline_reads_lines_that_came_as_they_are() {
    let project = generated();
    let stream = stream(&project);
    let [_, node] = Node::all();
    let _indexed = node.load(&project);
    let time = "2026-01-02T03:04:05.678Z";
    let inner = json!({"@timestamp": time, "message": "inner", "service": {"name": "wine"}}).to_string();
    let broken = r#"{"a": "#;
    for message in [inner.as_str(), broken] {
        let (status, answer) = node.ask(
            "POST",
            &format!("/{stream}/_doc?refresh=true&op_type=create"),
            &json!({"@timestamp": "2026-01-01T00:00:00Z", "message": message}).to_string(),
        );
        assert_eq!(status, 201, "{answer}");
    }
    let found = node.search(&stream, &json!({"query": {"query_string": {"query": "service.name:wine"}}}));
    let hit = &found["hits"]["hits"][0]["_source"];
    assert_eq!((&hit["message"], &hit["@timestamp"]), (&json!("inner"), &json!(time)), "{found}");
    assert!(hit["event"]["ingested"].is_string());
    let found = node.search(&stream, &json!({"query": {"query_string": {"query": "tags:mlci-pipeline-failed"}}}));
    assert_eq!(found["hits"]["hits"][0]["_source"]["message"], broken, "{found}");
}
