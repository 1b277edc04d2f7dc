use mlci_core::Digest;
use serde_json::{Value, json};

use super::panel::{Panel, datasource};
use crate::Settings;

const COLUMNS: u32 = 24;

/// Picks the servers that are looked at.
pub(crate) const SERVERS: &str = "project=\"$project\",environment=~\"$environment\"";

/// A dashboard whose panels stand beside each other as long as there is room, in rows as high as their highest.
pub(crate) fn dashboard(settings: &Settings, kind: &str, panels: &[Panel], variables: Vec<Value>) -> Value {
    let (mut x, mut y, mut height) = (0, 0, 0);
    let mut placed = Vec::new();
    for (index, panel) in panels.iter().enumerate() {
        if x + panel.width > COLUMNS {
            (x, y, height) = (0, y + height, 0);
        }
        placed.push(panel.render(index + 1, x, y));
        x += panel.width;
        height = height.max(panel.height);
    }
    let mut list = vec![
        json!({
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
            "hide": 0, "includeAll": false, "multi": false, "refresh": 1,
        }),
        variable("project", "Project", "label_values(mlci_model_info, project)", Some(settings.project.as_str())),
        variable(
            "environment",
            "Environment",
            "label_values(mlci_model_info{project=\"$project\"}, environment)",
            None,
        ),
    ];
    list.extend(variables);
    json!({
        "description": settings.mark("dashboards"),
        "editable": true,
        "graphTooltip": 1,
        "panels": placed,
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["mlci", settings.project.as_str()],
        "templating": {"list": list},
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "title": format!("{}: {kind}", settings.project),
        // At most 40 characters, and the same for the same model.
        "uid": format!("mlci-{kind}-{}", Digest::of(settings.project.as_str().as_bytes()).short()),
    })
}

/// A variable with the values of a label: one of them, with `first` to begin with, or any number.
pub(crate) fn variable(name: &str, label: &str, query: &str, first: Option<&str>) -> Value {
    let many = first.is_none();
    let mut variable = json!({
        "name": name, "label": label, "type": "query", "query": query,
        "datasource": datasource(), "hide": 0, "includeAll": many, "multi": many, "refresh": 2, "sort": 1,
    });
    variable["current"] = match first {
        Some(first) => json!({"selected": true, "text": first, "value": first}),
        None => {
            variable["allValue"] = json!(".*");
            json!({"selected": true, "text": "All", "value": "$__all"})
        }
    };
    variable
}
