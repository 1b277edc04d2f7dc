//! What Grafana's own library does not look at.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::Settings;

/// What mlci-serve, the Pushgateway's pushes and Prometheus itself export.
const EXPORTED: [&str; 20] = [
    "mlci_http_requests_total",
    "mlci_http_request_duration_seconds_bucket",
    "mlci_inference_duration_seconds_bucket",
    "mlci_predictions_total",
    "mlci_out_of_range_total",
    "mlci_drift_psi",
    "mlci_drift_rows",
    "mlci_prediction_drift_psi",
    "mlci_model_info",
    "mlci_build_info",
    "mlci_run_duration_seconds",
    "mlci_run_timestamp_seconds",
    "mlci_run_success_timestamp_seconds",
    "mlci_run_verdict",
    "mlci_run_stage_duration_seconds",
    "mlci_run_held_out",
    "mlci_run_model_version",
    "mlci_http_request_duration_seconds_count",
    "mlci_inference_duration_seconds_count",
    "mlci_inference_duration_seconds_sum",
];

fn dashboards() -> Vec<Value> {
    let files = Settings::new("wine".parse().unwrap()).dashboards().unwrap();
    assert!(files.iter().all(|file| mlci_core::RenderedFile::is_ours(&file.text)));
    files.iter().map(|file| serde_json::from_str(&file.text).unwrap()).collect()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(u64::MAX)
}

/// Every fault of a dashboard, in words.
fn faults(dashboard: &Value) -> Vec<String> {
    let (mut faults, mut ids, mut taken) = (Vec::new(), HashSet::new(), HashSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap_or_default();
        let mut fault = |what: String| faults.push(format!("`{title}`: {what}"));
        if !ids.insert(number(panel, "/id")) {
            fault(format!("the id {} is there twice", panel["id"]));
        }
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| number(panel, &format!("/gridPos/{name}")));
        if x.saturating_add(w) > 24 || w == 0 || h == 0 || h > 100 {
            fault(format!("{} does not fit", panel["gridPos"]));
            continue;
        }
        let cells: Vec<_> = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))).collect();
        if cells.iter().any(|cell| taken.contains(cell)) {
            fault("it overlaps another".to_owned());
        }
        taken.extend(cells);
        if panel.pointer("/fieldConfig/defaults/unit").and_then(Value::as_str).is_none_or(str::is_empty) {
            fault("it has no unit".to_owned());
        }
        let targets = panel["targets"].as_array().unwrap();
        let sources = targets.iter().chain([panel]).map(|owner| owner["datasource"]["uid"].as_str());
        if sources.into_iter().any(|uid| uid != Some("${datasource}")) {
            fault("its data source is no variable".to_owned());
        }
        for expr in targets.iter().map(|target| target["expr"].as_str().unwrap_or_default()) {
            let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let foreign = expr.split(word).find(|word| word.starts_with("mlci_") && !EXPORTED.contains(word));
            if let Some(metric) = foreign {
                fault(format!("nobody exports `{metric}`"));
            }
            if !expr.contains("project=\"$project\"") {
                fault("it shows other projects".to_owned());
            }
        }
    }
    faults
}

#[test]
fn dashboards_without_faults() {
    let dashboards = dashboards();
    for dashboard in &dashboards {
        assert_eq!(faults(dashboard), Vec::<String>::new());
        assert!(dashboard["uid"].as_str().unwrap().len() <= 40);
    }
    assert_ne!(dashboards[0]["uid"], dashboards[1]["uid"]);
}

#[test]
fn faults_are_found() {
    let check = |pointer: &str, value: Value, says: &str| {
        let mut dashboard = dashboards().remove(0);
        *dashboard.pointer_mut(pointer).unwrap() = value;
        let found = faults(&dashboard);
        assert!(found.iter().any(|fault| fault.contains(says)), "{pointer}: {found:?}");
    };
    check("/panels/1/id", json!(1), "the id 1");
    check("/panels/1/gridPos/x", json!(0), "overlaps");
    check("/panels/4/gridPos/w", json!(30), "does not fit");
    check("/panels/4/fieldConfig/defaults/unit", json!(""), "no unit");
    check("/panels/4/datasource/uid", json!("abc"), "no variable");
    check("/panels/4/targets/0/datasource/uid", json!("abc"), "no variable");
    check("/panels/4/targets/0/expr", json!("mlci_requests{project=\"$project\"}"), "nobody exports `mlci_requests`");
    check("/panels/4/targets/0/expr", json!("up"), "other projects");
}

/// The longest name still makes an id that Grafana takes.
#[test]
fn the_id_of_the_longest_name() {
    let files = Settings::new("a".repeat(63).parse().unwrap()).dashboards().unwrap();
    for file in files {
        let dashboard: Value = serde_json::from_str(&file.text).unwrap();
        assert!(dashboard["uid"].as_str().unwrap().len() <= 40, "{}", dashboard["uid"]);
    }
}
