//! Dashboards: read and written by Grafana's own library, and each query asked of the real Prometheus.

use std::process::Command;

use serde_json::Value;

use crate::{
    prometheus::{
        Watched,
        servers::{Prometheus, wait_for},
    },
    variable,
};

const NAMES: [&str; 2] = ["service", "model"];

fn dashboards(watched: &Watched) -> [Value; 2] {
    watched.project.pass(&["generate", "dashboards"]);
    NAMES.map(|name| serde_json::from_str(&watched.project.read(&format!("monitoring/grafana/{name}.json"))).unwrap())
}

/// What Grafana's library does not know, or reads otherwise: the paths.
fn lost(watched: &Watched, dashboard: &Value) -> String {
    watched.project.write("dashboard.json", &dashboard.to_string());
    let script = crate::project::repository().join("tests/real/dashboard.py");
    let mut command = Command::new(variable("MLCI_LAB_GRAFANA_PYTHON"));
    let output = command.arg(script).arg(watched.project.path("dashboard.json")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs Grafana's library and Prometheus: cargo xtask test --lab grafana"]
fn grafanas_library_loses_nothing() {
    let watched = Watched::new("");
    for mut dashboard in dashboards(&watched) {
        assert_eq!(lost(&watched, &dashboard), "");
        // A key that Grafana does not know is named.
        let target = dashboard.pointer_mut("/panels/0/targets/0").unwrap().as_object_mut().unwrap();
        let expr = target.remove("expr").unwrap();
        target.insert("exprr".to_owned(), expr);
        dashboard["panels"][4]["fieldConfig"]["defaults"]["uniit"] = Value::from("s");
        let named = lost(&watched, &dashboard);
        for path in ["/panels/0/targets/0/exprr", "/panels/4/fieldConfig/defaults/uniit"] {
            assert!(named.lines().any(|line| line == path), "{path} is not in {named}");
        }
    }
}

/// Grafana's own variables as it would fill them in with everything selected.
fn filled_in(expr: &str, name: &str) -> String {
    let values = [
        ("$__rate_interval", "1m"),
        ("$__interval", "1m"),
        ("$__range", "1h"),
        ("$project", name),
        ("$environment", ".*"),
        ("$feature", ".*"),
    ];
    let text = values.iter().fold(expr.to_owned(), |text, (variable, value)| text.replace(variable, value));
    assert!(!text.contains('$'), "{text}");
    text
}

#[test]
#[ignore = "needs Grafana's library and Prometheus: cargo xtask test --lab grafana"]
fn every_query_has_an_answer() {
    let watched = Watched::new(&format!("pushgateway = \"{}\"", variable("MLCI_LAB_PUSHGATEWAY")));
    let prometheus = Prometheus::start(&watched.folder(), None);
    let ready = format!("mlci_predictions_total{{project=\"{}\"}}", watched.name);
    prometheus.wait(&ready, |rows| rows == 0.0);
    watched.as_in_training();
    prometheus.wait(&ready, |rows| rows == 1599.0);
    let mut asked = 0;
    for dashboard in dashboards(&watched) {
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let query = filled_in(target["expr"].as_str().unwrap(), &watched.name);
                // A share of nothing is no number, so there is traffic while it is asked.
                wait_for(&query, || {
                    watched.as_in_training();
                    prometheus.value(&query).filter(|value| value.is_finite())
                });
                asked += 1;
            }
        }
        // Every variable of labels has values, also the one of the project itself.
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let queries: Vec<&str> = variables
            .iter()
            .filter(|variable| variable["type"] == "query")
            .map(|variable| variable["query"].as_str().unwrap())
            .collect();
        assert!(queries.len() >= 2, "{variables:#?}");
        for query in queries {
            let query = filled_in(query, &watched.name);
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            let (series, label) = inner.rsplit_once(", ").unwrap();
            let found = prometheus.get("/api/v1/series", &[("match[]", series)]);
            let found = found["data"].as_array().unwrap();
            assert!(!found.is_empty() && found.iter().all(|series| series[label].is_string()), "{query}: {found:?}");
        }
    }
    assert!(asked > 25, "{asked}");
}
