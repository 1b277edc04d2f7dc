use std::collections::BTreeSet;

use mlci_core::RenderedFile;
use serde_json::{Value, json};

use super::template::FIELDS;
use crate::Settings;

fn files() -> Vec<RenderedFile> {
    Settings::new("wine-quality".parse().unwrap()).elk().unwrap()
}

fn text(name: &str) -> String {
    files().into_iter().find(|file| file.path == format!("monitoring/elk/{name}")).expect(name).text
}

fn objects() -> Vec<Value> {
    text("kibana.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_file_is_known_as_ours_and_parses() {
    let files = files();
    assert_eq!(files, super::tests::files(), "the same settings give the same bytes");
    for file in files {
        assert!(RenderedFile::is_ours(&file.text), "{}", file.path);
        assert!(file.text.ends_with('\n') && !file.text.contains('\r'), "{}", file.path);
        match file.path.rsplit('.').next() {
            Some("json") => drop(serde_json::from_str::<Value>(&file.text).unwrap()),
            Some("yml") => drop(serde_saphyr::from_str::<Value>(&file.text).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn every_shipper_sends_to_an_index_that_the_template_is_for() {
    for template in ["index-template.json", "data-stream-template.json"] {
        let template: Value = serde_json::from_str(&text(template)).unwrap();
        let pattern = template["index_patterns"][0].as_str().unwrap().strip_suffix('*').unwrap();
        for shipper in ["rsyslog.conf", "filebeat.yml", "logstash.conf"] {
            let sent = format!("{pattern}wine_quality");
            assert!(text(shipper).contains(&sent), "{shipper} does not send to {sent}");
        }
        assert_eq!(objects()[1]["attributes"]["title"], template["index_patterns"][0]);
    }
}

#[test]
fn filebeat_reads_what_is_read_back() {
    let parsed: Value = serde_saphyr::from_str(&text("filebeat.yml")).unwrap();
    let inputs = parsed["filebeat.inputs"].as_array().unwrap();
    let paths: Vec<&Value> = inputs.iter().map(|input| &input["paths"][0]).collect();
    assert_eq!(
        paths,
        [
            "${MLCI_SHIP_FILES:/var/log/mlci-serve/*.log}",
            "${MLCI_SHIP_CONTAINERS:/var/log/containers/*wine-quality*.log}"
        ]
    );
    assert!(inputs.iter().all(|input| input["parsers"].as_array().unwrap().last().unwrap()["ndjson"]["target"] == ""));
    assert_eq!(parsed["output.elasticsearch"]["index"], "logs-mlci.serve-wine_quality");
}

/// A condition of Filebeat, on a line that it has read.
fn holds(condition: &Value, line: &Value) -> bool {
    let (name, inner) = condition.as_object().unwrap().iter().next().unwrap();
    let each = || inner.as_array().unwrap().iter();
    let field = |name: &str| line.pointer(&format!("/{}", name.replace('.', "/")));
    match name.as_str() {
        "not" => !holds(inner, line),
        "and" => each().all(|inner| holds(inner, line)),
        "or" => each().any(|inner| holds(inner, line)),
        "has_fields" => each().all(|name| field(name.as_str().unwrap()).is_some()),
        "equals" => inner.as_object().unwrap().iter().all(|(name, value)| field(name) == Some(value)),
        other => panic!("no such condition is known here: {other}"),
    }
}

#[test]
fn shippers_take_the_lines_of_this_model_alone() {
    let parsed: Value = serde_saphyr::from_str(&text("filebeat.yml")).unwrap();
    let dropped = &parsed["processors"][0]["drop_event"]["when"];
    for (dataset, service, taken) in [
        ("mlci.serve", json!({"name": "wine-quality", "version": "1"}), true),
        ("mlci.serve", json!({"environment": "staging"}), true),
        ("mlci.serve", json!({"name": "wine-quality-v2"}), false),
        ("mlci.serve", json!({"name": "wine"}), false),
        ("nginx.access", json!({"name": "wine-quality"}), false),
        ("nginx.access", json!({}), false),
    ] {
        let line = json!({"ecs": {"version": "9.4.0"}, "event": {"dataset": dataset}, "service": service});
        assert_eq!(holds(dropped, &line), !taken, "{line}");
    }
    assert!(holds(dropped, &json!({"message": "a line of another program"})));
    // Those of the other two are conditions of languages of their own; rsyslog is run with its.
    let rsyslog = r#"$!event!dataset == "mlci.serve" and ($!service!name == "" or $!service!name == "wine-quality")"#;
    assert!(text("rsyslog.conf").contains(rsyslog));
    let logstash = r#"[event][dataset] != "mlci.serve" or ([service][name] and [service][name] != "wine-quality")"#;
    assert!(text("logstash.conf").contains(logstash));
}

#[test]
fn fields_stand_once() {
    let names: BTreeSet<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), FIELDS.len());
    // A field is a value or an object, never both.
    for name in &names {
        assert!(!names.iter().any(|other| other.starts_with(&format!("{name}."))), "{name}");
    }
}

#[test]
fn references_lead_to_objects_of_the_file() {
    let objects = objects();
    let key = |object: &Value| (object["type"].to_string(), object["id"].to_string());
    let known: BTreeSet<_> = objects.iter().map(key).collect();
    assert_eq!(known.len(), objects.len(), "two objects have the same name");
    for object in &objects {
        for reference in object["references"].as_array().unwrap() {
            assert!(known.contains(&key(reference)), "{reference} of {}", object["id"]);
        }
    }
    // Each but the dashboard is on it or behind what is.
    let panels: Vec<Value> = serde_json::from_str(objects[0]["attributes"]["panelsJSON"].as_str().unwrap()).unwrap();
    let names: BTreeSet<&str> =
        objects[0]["references"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    let placed: BTreeSet<&str> = panels.iter().map(|panel| panel["panelRefName"].as_str().unwrap()).collect();
    assert_eq!((&names, panels.len()), (&placed, objects.len() - 2));
    // No two panels lie on each other: each has a place of its own on a grid of 48 columns.
    let corner = |panel: &Value| (panel["gridData"]["x"].as_u64(), panel["gridData"]["y"].as_u64());
    let corners: BTreeSet<_> = panels.iter().map(corner).collect();
    assert_eq!(corners.len(), panels.len());
    for grid in panels.iter().map(|panel| &panel["gridData"]) {
        assert!(grid["x"].as_u64().unwrap() + grid["w"].as_u64().unwrap() <= 48, "{grid}");
    }
}
