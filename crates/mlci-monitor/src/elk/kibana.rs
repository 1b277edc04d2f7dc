//! Saved objects for Kibana, one a line: a data view, searches, visualizations, a dashboard. The shapes are those that
//! Kibana 7.10 exports, which later versions convert when they import them. Queries are in Lucene's language.

use serde_json::{Value, json};

use super::NAME;

/// The data view is shared by all models.
const VIEW: &str = NAME;

/// The dashboard comes first: its description says who has made the file.
pub(super) fn objects(mark: &str, project: &str) -> String {
    let panels = [requests(project), latency(project), reasons(project), rows(project)];
    let searches = [
        search(
            project,
            "refused",
            "Refused requests",
            "event.outcome:failure AND _exists_:http.response.status_code",
            &["service.environment", "http.response.status_code", "url.path", "error.message"],
        ),
        search(
            project,
            "life",
            "Starts, stops, failures",
            "NOT _exists_:http.response.status_code",
            &["service.environment", "event.action", "mlci.model.version", "message"],
        ),
    ];
    let mut objects = vec![dashboard(mark, project, &panels, &searches), data_view()];
    objects.extend(panels);
    objects.extend(searches);
    objects.iter().map(|object| format!("{object}\n")).collect()
}

fn id(project: &str, name: &str) -> String {
    format!("mlci-serve-{project}-{name}")
}

/// What Kibana keeps as a text of JSON within JSON.
fn text(value: &Value) -> String {
    value.to_string()
}

fn query(lucene: &str) -> Value {
    json!({"language": "lucene", "query": lucene})
}

fn of_project(project: &str, more: &str) -> String {
    let own = format!("service.name:\"{project}\"");
    if more.is_empty() { own } else { format!("{own} AND {more}") }
}

fn data_view() -> Value {
    let milliseconds = json!({"event.duration": {
        "id": "duration",
        "params": {"inputFormat": "nanoseconds", "outputFormat": "asMilliseconds", "outputPrecision": 2},
    }});
    json!({
        "type": "index-pattern",
        "id": VIEW,
        "attributes": {
            "title": format!("{NAME}-*"),
            "timeFieldName": "@timestamp",
            "fieldFormatMap": text(&milliseconds),
        },
        "migrationVersion": {"index-pattern": "7.6.0"},
        "references": [],
    })
}

/// The reference by which an object names the data view.
fn view(lucene: &str) -> (String, Value) {
    const NAME: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";
    let source = json!({"query": query(lucene), "filter": [], "indexRefName": NAME});
    (text(&source), json!({"name": NAME, "type": "index-pattern", "id": VIEW}))
}

fn search(project: &str, name: &str, title: &str, lucene: &str, columns: &[&str]) -> Value {
    let (source, reference) = view(&of_project(project, lucene));
    json!({
        "type": "search",
        "id": id(project, name),
        "attributes": {
            "title": format!("{title} ({project})"),
            "columns": columns,
            "sort": [["@timestamp", "desc"]],
            "kibanaSavedObjectMeta": {"searchSourceJSON": source},
        },
        "migrationVersion": {"search": "7.9.3"},
        "references": [reference],
    })
}

fn visualization(project: &str, name: &str, title: &str, kind: &str, lucene: &str, aggregations: &Value) -> Value {
    let title = format!("{title} ({project})");
    let (source, reference) = view(&of_project(project, lucene));
    let state = json!({"title": title, "type": kind, "params": {"type": kind}, "aggs": aggregations});
    json!({
        "type": "visualization",
        "id": id(project, name),
        "attributes": {
            "title": title,
            "visState": text(&state),
            "uiStateJSON": "{}",
            "description": "",
            "version": 1,
            "kibanaSavedObjectMeta": {"searchSourceJSON": source},
        },
        "migrationVersion": {"visualization": "7.10.0"},
        "references": [reference],
    })
}

fn aggregation(id: u32, kind: &str, schema: &str, params: &Value) -> Value {
    json!({"id": id.to_string(), "enabled": true, "type": kind, "schema": schema, "params": params})
}

fn over_time(id: u32) -> Value {
    aggregation(
        id,
        "date_histogram",
        "segment",
        &json!({"field": "@timestamp", "interval": "auto", "min_doc_count": 1}),
    )
}

fn by(id: u32, schema: &str, field: &str, size: u32) -> Value {
    let params = json!({"field": field, "size": size, "order": "desc", "orderBy": "1"});
    aggregation(id, "terms", schema, &params)
}

fn requests(project: &str) -> Value {
    let count = aggregation(1, "count", "metric", &json!({}));
    let aggregations = json!([count, over_time(2), by(3, "group", "http.response.status_code", 10)]);
    let lucene = "_exists_:http.response.status_code";
    visualization(project, "requests", "Requests by status", "histogram", lucene, &aggregations)
}

fn latency(project: &str) -> Value {
    let percentiles =
        aggregation(1, "percentiles", "metric", &json!({"field": "event.duration", "percents": [50, 95, 99]}));
    let versions = json!({"field": "mlci.model.version", "size": 5, "order": "desc", "orderBy": "_key"});
    let versions = aggregation(3, "terms", "group", &versions);
    let aggregations = json!([percentiles, over_time(2), versions]);
    let lucene = "event.action:predict";
    visualization(project, "latency", "Latency by model version", "line", lucene, &aggregations)
}

fn reasons(project: &str) -> Value {
    let count = aggregation(1, "count", "metric", &json!({}));
    let aggregations = json!([count, by(2, "bucket", "error.message.keyword", 20)]);
    visualization(project, "reasons", "Errors by reason", "table", "log.level:(warn OR error)", &aggregations)
}

fn rows(project: &str) -> Value {
    let sum = aggregation(1, "sum", "metric", &json!({"field": "mlci.rows"}));
    let aggregations = json!([sum, by(2, "bucket", "mlci.model.version", 10)]);
    let lucene = "event.action:predict AND event.outcome:success";
    visualization(project, "rows", "Rows predicted by model version", "table", lucene, &aggregations)
}

/// Two panels a row, the searches below them over the whole width of 48.
fn dashboard(mark: &str, project: &str, panels: &[Value], searches: &[Value]) -> Value {
    let (mut placed, mut references) = (Vec::new(), Vec::new());
    let mut place = |object: &Value, x: usize, y: usize, width: u32| {
        let number = placed.len() + 1;
        let (index, name) = (number.to_string(), format!("panel_{number}"));
        placed.push(json!({
            "version": "7.10.0",
            "panelIndex": index,
            "gridData": {"x": x, "y": y, "w": width, "h": 15, "i": index},
            "embeddableConfig": {},
            "panelRefName": name,
        }));
        references.push(json!({"name": name, "type": object["type"], "id": object["id"]}));
    };
    for (number, panel) in panels.iter().enumerate() {
        place(panel, number % 2 * 24, number / 2 * 15, 24);
    }
    for (number, search) in searches.iter().enumerate() {
        place(search, 0, (panels.len().div_ceil(2) + number) * 15, 48);
    }
    json!({
        "type": "dashboard",
        "id": id(project, "dashboard"),
        "attributes": {
            "title": format!("mlci: {project}"),
            "description": mark,
            "panelsJSON": text(&Value::Array(placed)),
            "optionsJSON": text(&json!({"useMargins": true, "hidePanelTitles": false})),
            "timeRestore": false,
            "version": 1,
            "kibanaSavedObjectMeta": {"searchSourceJSON": text(&json!({"query": query(""), "filter": []}))},
        },
        "migrationVersion": {"dashboard": "7.9.3"},
        "references": references,
    })
}
