//! The chart in the hands of Helm itself, without a cluster: `cargo xtask test --lab helm`. `MLCI_LAB_HELM` names the
//! program.
#![cfg(feature = "chart")]
// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod environment;
mod names;
mod parts;
mod values;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mlci_k8s::{Chart, ImageReference, Workload};
use serde_json::Value;

/// A digest that a cluster would look for in vain.
pub(crate) const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000001";

pub(crate) fn workload(name: &str) -> Workload {
    let image: ImageReference = format!("registry.example.com:5000/team/wine@{DIGEST}").parse().unwrap();
    Workload::new("staging".parse().unwrap(), name.parse().unwrap(), image)
}

/// A chart in a folder of its own.
pub(crate) struct Written {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn write(chart: &Chart) -> Written {
    let folder = tempfile::tempdir().unwrap();
    for file in chart.render().unwrap() {
        let path = folder.path().join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.text).unwrap();
    }
    Written { path: folder.path().join("charts").join(chart.name.as_str()), folder }
}

impl Written {
    /// A values file beside the chart.
    pub(crate) fn values(&self, text: &str) -> String {
        let path = self.folder.path().join("values.yaml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What a release of this name would consist of.
    #[track_caller]
    pub(crate) fn template(&self, release: &str, more: &[&str]) -> Vec<Value> {
        let output = self.try_template(release, more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        objects(&String::from_utf8(output.stdout).unwrap())
    }

    /// Why there is no such release.
    #[track_caller]
    pub(crate) fn refused(&self, release: &str, more: &[&str]) -> String {
        let output = self.try_template(release, more);
        assert!(!output.status.success(), "{more:?} is accepted:\n{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    fn try_template(&self, release: &str, more: &[&str]) -> Output {
        helm(&self.path, &[&["template", release, ".", "--namespace", "staging"], more].concat())
    }
}

pub(crate) fn helm(folder: &Path, arguments: &[&str]) -> Output {
    let program = std::env::var("MLCI_LAB_HELM").expect("MLCI_LAB_HELM has to name Helm: cargo xtask test --lab helm");
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(name, home.path().join(name));
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("---\n").filter(|text| text.contains("kind:"));
    documents
        .map(|document| serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}\n{document}")))
        .collect()
}

pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind} in {objects:#?}"))
}

/// Takes away what Helm says of itself.
fn without_helms_own(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::Object(labels)) = map.get_mut("labels") {
                    labels.remove("helm.sh/chart");
                    labels.remove("app.kubernetes.io/managed-by");
                }
                map.values_mut().for_each(walk);
            }
            Value::Array(values) => values.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// Objects to be compared, whoever has made them.
pub(crate) fn by_kind(objects: Vec<Value>) -> Vec<Value> {
    let mut objects: Vec<_> = objects.into_iter().map(without_helms_own).collect();
    objects.sort_by_key(|object| object["kind"].as_str().unwrap().to_owned());
    objects
}

/// The defaults give the very objects that are applied without Helm, field by field.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn the_defaults_are_what_is_applied_without_helm() {
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let changes: [fn(&mut Workload); 5] = [
        |_| {},
        |it| it.replicas = Some(0),
        |it| it.replicas = Some(3_000_000),
        |it| {
            it.service_port = 8443;
            it.port = 9090;
            it.resources.cpu_limit = Some("1.5".parse().unwrap());
            it.args = vec!["--workers".to_owned(), "2".to_owned(), "{{ .Values.image }}".to_owned()];
            it.drain = std::time::Duration::ZERO;
        },
        |it| {
            it.pull_secrets = vec!["one".parse().unwrap(), "two".parse().unwrap()];
            it.probes.ready = "/v2/health/ready".to_owned();
        },
    ];
    for change in changes {
        for full in [false, true] {
            let mut workload = workload("wine-quality");
            if full {
                workload.replicas = Some(2);
                workload.env.extend([entry("A", "08"), entry("ON", "on"), entry("T", "a: \"b\" # {{c}}\n- 'd'\\ ä")]);
                workload.extra_labels.extend([entry("team", "1e5"), entry("example.com/x", "")]);
                workload.annotations.extend([entry("mlci.model-version", "20161216")]);
                workload.pod_annotations.extend([entry("prometheus.io/scrape", "true")]);
            }
            change(&mut workload);
            let chart = write(&Chart::new(workload.clone()));
            let set = format!("image.digest={DIGEST}");
            let lint = helm(&chart.path, &["lint", "--strict", ".", "--set", &set]);
            assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
            let made = by_kind(chart.template("wine-quality", &["--skip-tests", "--set", &set]));
            assert_eq!(made, by_kind(workload.render().unwrap()));
        }
    }
}

/// Values that are stated make the same of a chart that has others by default.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn stated_values_are_what_is_applied_without_helm() {
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut workload = workload("wine-quality");
    workload.drain = std::time::Duration::from_secs(2);
    let mut chart = Chart::new(workload.clone());
    chart.app_version = "7".to_owned();
    let chart = write(&chart);
    for full in [false, true] {
        if full {
            workload.replicas = Some(3);
            workload.service_port = 8443;
            workload.resources.cpu_limit = Some("1.5".parse().unwrap());
            workload.pull_secrets = vec!["one".parse().unwrap()];
            workload.env.extend([
                entry("MLCI_ENVIRONMENT", "staging"),
                entry("A", "08"),
                entry("T", "a: \"b\" # {{c}}"),
            ]);
            workload.extra_labels.extend([entry("mlci.environment", "staging"), entry("team", "1e5")]);
            workload.annotations.extend([entry("mlci.model-version", "20161216")]);
            workload.pod_annotations.extend([entry("prometheus.io/scrape", "true")]);
        }
        let values = chart.values(&Chart::values_of(&workload, if full { "staging" } else { "" }).to_string());
        let made = by_kind(chart.template("wine-quality", &["--skip-tests", "--values", &values]));
        assert_eq!(made, by_kind(workload.render().unwrap()));
    }
}

/// The test's pod is as restricted as the server's, of the same image, and no Service sends requests to it.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn the_test_is_a_pod_like_the_servers() {
    let mut workload = workload("wine-quality");
    workload.env.insert("MLCI_MODEL_VERSION".to_owned(), "3".to_owned());
    let chart = write(&Chart::new(workload));
    let objects = chart.template("r2-d2", &["--set", &format!("image.digest={DIGEST}")]);
    let (pod, service) = (of_kind(&objects, "Pod"), of_kind(&objects, "Service"));
    let server = &of_kind(&objects, "Deployment")["spec"]["template"]["spec"];
    for field in ["securityContext", "serviceAccountName", "automountServiceAccountToken"] {
        assert_eq!(pod["spec"][field], server[field], "{field}");
    }
    let (asks, serves) = (&pod["spec"]["containers"][0], &server["containers"][0]);
    for field in ["image", "env", "securityContext", "resources"] {
        assert_eq!(asks[field], serves[field], "{field}");
    }
    // The names that the kubelet makes of a Service's: upper case, `_` for `-`.
    assert_eq!(asks["args"], serde_json::json!(["--verify", "http://$(R2_D2_SERVICE_HOST):$(R2_D2_SERVICE_PORT)"]));
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    let selector = service["spec"]["selector"].as_object().unwrap();
    assert!(selector.iter().any(|(key, value)| pod["metadata"]["labels"].get(key) != Some(value)), "{pod:#}");
}
