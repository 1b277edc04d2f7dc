//! The chart as a part of another.

use std::fs;

use mlci_k8s::Chart;
use serde_json::{Value, json};

use crate::{DIGEST, helm, workload, write};

/// A chart around those of models.
struct Parent {
    folder: tempfile::TempDir,
}

impl Parent {
    fn new(dependencies: &str, models: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for model in models {
            let chart = write(&Chart::new(workload(model)));
            let target = folder.path().join("charts").join(model);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::rename(&chart.path, &target).unwrap();
        }
        let about = format!("apiVersion: v2\nname: parent\nversion: 1.0.0\n{dependencies}");
        fs::write(folder.path().join("Chart.yaml"), about).unwrap();
        Self { folder }
    }

    fn try_template(&self, release: &str, values: &str) -> Result<Vec<Value>, String> {
        fs::write(self.folder.path().join("values.yaml"), values).unwrap();
        let output = helm(self.folder.path(), &["template", release, "."]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(crate::objects(&text(output.stdout))) } else { Err(text(output.stderr)) }
    }

    #[track_caller]
    fn template(&self, release: &str, values: &str) -> Vec<Value> {
        self.try_template(release, values).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The key that a parent's condition names is handed down to the chart with its other values.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn a_parent_switches_its_part_on_and_off() {
    let version = Chart::new(workload("wine")).version;
    let condition = format!("dependencies:\n- {{name: wine, version: {version}, condition: wine.enabled}}\n");
    let parent = Parent::new(&condition, &["wine".to_owned()]);
    let values = |more: &Value| {
        let mut values = json!({ "global": { "region": "eu" }, "wine": { "image": { "digest": DIGEST } } });
        let part = values["wine"].as_object_mut().unwrap();
        part.extend(more.as_object().unwrap().clone());
        values.to_string()
    };
    let on = parent.template("r", &values(&json!({ "enabled": true })));
    assert_eq!(on, parent.template("r", &values(&json!({}))), "on without a word, and nothing else hangs on it");
    assert!(on.iter().any(|object| object["kind"] == "Deployment"), "{on:#?}");
    assert_eq!(parent.template("r", &values(&json!({ "enabled": false }))), Vec::<Value>::new());
    // Other keys of the parent's making are still mistakes.
    let error = parent.try_template("r", &values(&json!({ "enable": false }))).unwrap_err();
    assert!(error.contains("'enable' not allowed"), "{error}");
    let error = parent.try_template("r", &values(&json!({ "enabled": "yes" }))).unwrap_err();
    assert!(error.contains("'/enabled'") && error.contains("want boolean"), "{error}");
}

/// As parts of one chart, two charts of models stand side by side, however long the names.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn as_parts_of_another_chart() {
    let long = |last: &str| format!("w{}{last}", "x".repeat(61));
    let models = [long("1"), long("2")];
    let parent = Parent::new("", &models);
    let mut values = "global: {region: eu}\n".to_owned();
    for model in &models {
        values += &format!("{model}:\n  image: {{digest: \"{DIGEST}\"}}\n");
    }
    let objects = parent.template(&"r".repeat(53), &values);
    let services: Vec<&str> = objects
        .iter()
        .filter(|object| object["kind"] == "Service")
        .map(|object| object["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(services.len(), 2);
    assert_ne!(services[0], services[1]);
    for name in services {
        assert!(name.parse::<mlci_k8s::Name>().is_ok(), "{name}");
    }
    // A label's value has at most 63 characters.
    for object in &objects {
        for (key, value) in object["metadata"]["labels"].as_object().unwrap() {
            assert!(value.as_str().unwrap().len() <= 63, "{key}: {value}");
        }
    }
}
