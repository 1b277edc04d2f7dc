//! What is kept how: mappings, templates, an ingest pipeline, a lifecycle policy.

use serde_json::{Map, Value, json};

use super::NAME;

/// The fields that are indexed, with types that Elasticsearch 7.10 without Elastic's own modules and OpenSearch know:
/// where the schema says `wildcard`, `constant_keyword` or `match_only_text`, the plain type of the same family.
pub(super) const FIELDS: [(&str, &str); 41] = [
    ("@timestamp", "date"),
    ("message", "text"),
    ("tags", "keyword"),
    ("ecs.version", "keyword"),
    ("error.message", "text"),
    ("error.type", "keyword"),
    ("event.action", "keyword"),
    ("event.category", "keyword"),
    ("event.dataset", "keyword"),
    ("event.duration", "long"),
    ("event.ingested", "date"),
    ("event.kind", "keyword"),
    ("event.outcome", "keyword"),
    ("event.type", "keyword"),
    ("http.request.body.bytes", "long"),
    ("http.request.id", "keyword"),
    ("http.request.method", "keyword"),
    ("http.response.status_code", "long"),
    ("log.level", "keyword"),
    ("process.pid", "long"),
    ("service.environment", "keyword"),
    ("service.name", "keyword"),
    ("service.version", "keyword"),
    ("url.path", "keyword"),
    // What the schema has no field for.
    ("mlci.dropped_lines", "long"),
    ("mlci.model.digest", "keyword"),
    ("mlci.model.name", "keyword"),
    ("mlci.model.version", "keyword"),
    ("mlci.refused.field", "keyword"),
    ("mlci.refused.row", "long"),
    ("mlci.route", "keyword"),
    ("mlci.rows", "long"),
    ("mlci.server.version", "keyword"),
    // What shippers add.
    ("agent.name", "keyword"),
    ("agent.type", "keyword"),
    ("container.id", "keyword"),
    ("host.name", "keyword"),
    ("kubernetes.namespace", "keyword"),
    ("kubernetes.node.name", "keyword"),
    ("kubernetes.pod.name", "keyword"),
    ("log.file.path", "keyword"),
];

/// Texts beyond this are kept, and not found by their whole: Lucene refuses a term of more than 32,766 bytes.
const LONGEST: u32 = 1024;

/// `PUT _component_template/logs-mlci.serve`
///
/// Fields of other names are kept in the document and not indexed: a shipper that adds some makes no mapping grow.
pub(super) fn component(mark: &str) -> Value {
    let mut properties = Map::new();
    for (path, kind) in FIELDS {
        insert(&mut properties, path, field(path, kind));
    }
    json!({
        "_meta": {"description": mark},
        "template": {"mappings": {"dynamic": false, "properties": properties}},
    })
}

fn field(path: &str, kind: &str) -> Value {
    match (path, kind) {
        // Read as a text, counted as a whole.
        ("error.message", _) => {
            json!({"type": kind, "fields": {"keyword": {"type": "keyword", "ignore_above": LONGEST}}})
        }
        (_, "keyword") => json!({"type": kind, "ignore_above": LONGEST}),
        _ => json!({"type": kind}),
    }
}

fn insert(properties: &mut Map<String, Value>, path: &str, field: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        properties.insert(path.to_owned(), field);
        return;
    };
    let object = properties.entry(first).or_insert_with(|| json!({"properties": {}}));
    if let Some(inner) = object.get_mut("properties").and_then(Value::as_object_mut) {
        insert(inner, rest, field);
    }
}

/// `PUT _index_template/logs-mlci.serve`, for plain indices.
///
/// Its priority is above 100, which Elasticsearch's own template for `logs-*-*` has.
pub(super) fn index(mark: &str) -> Value {
    json!({
        "_meta": {"description": mark},
        "index_patterns": [format!("{NAME}-*")],
        "priority": 250,
        "composed_of": [NAME],
    })
}

/// The same for data streams, with the pipeline that stamps and unpacks lines.
pub(super) fn data_stream(mark: &str) -> Value {
    let mut template = index(mark);
    template["data_stream"] = json!({});
    template["template"] = json!({"settings": {"index.default_pipeline": NAME}});
    template
}

/// `PUT _ingest/pipeline/logs-mlci.serve`
pub(super) fn pipeline(mark: &str) -> Value {
    json!({
        "description": mark,
        "processors": [
            // From a shipper that reads no JSON.
            {"json": {
                "if": "ctx.message instanceof String && ctx.message.startsWith('{')",
                "field": "message",
                "add_to_root": true,
            }},
            {"set": {"field": "event.ingested", "value": "{{_ingest.timestamp}}"}},
        ],
        // The line is kept, and can be found.
        "on_failure": [{"append": {"field": "tags", "value": ["mlci-pipeline-failed"]}}],
    })
}

/// `PUT _ilm/policy/logs-mlci.serve`
pub(super) fn lifecycle(mark: &str) -> Value {
    json!({"policy": {
        "_meta": {"description": mark},
        "phases": {
            "hot": {"actions": {"rollover": {"max_age": "7d", "max_size": "10gb"}}},
            "delete": {"min_age": "30d", "actions": {"delete": {}}},
        },
    }})
}
