use std::{fs, path::Path, time::Duration};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Service, ServiceAccount},
        policy::v1::PodDisruptionBudget,
    },
    serde::{Serialize, de::DeserializeOwned},
};
use mlci_core::Digest;

use super::*;
use crate::{image::ImageReference, name::Name};

pub(crate) fn workload() -> Workload {
    let image = ImageReference::new("registry.example.com/wine-quality", Digest::of(b"image")).unwrap();
    Workload::new("staging".parse().unwrap(), Name::legal("wine-quality"), image)
}

/// Every field that can be set is.
pub(crate) fn full() -> Workload {
    let mut workload = workload();
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    workload.replicas = Some(2);
    workload.args = vec!["--workers".to_owned(), "2".to_owned()];
    // Texts that YAML reads as something else unless they are quoted.
    workload.env.extend([entry("NUMBER", "08"), entry("SWITCH", "on"), entry("TEXT", "a: b # c\n- d")]);
    workload.extra_labels.extend([entry("team", "cellar")]);
    workload.annotations.extend([entry("mlci.model.digest", &Digest::of(b"model").to_string())]);
    workload.pod_annotations.extend([entry("prometheus.io/scrape", "true")]);
    workload.pull_secrets = vec![Name::legal("registry")];
    workload.resources.cpu_limit = Some("2".parse().unwrap());
    workload.drain = Duration::from_millis(2500);
    workload
}

/// `MLCI_BLESS=1` writes the file anew.
#[track_caller]
fn golden(workload: &Workload, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(file);
    let text = workload.render_yaml().unwrap();
    if std::env::var_os("MLCI_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap_or_default(), "MLCI_BLESS=1 writes {}", path.display());
}

#[test]
fn manifests_are_as_they_were() {
    golden(&workload(), "small.yaml");
    golden(&full(), "full.yaml");
}

#[test]
fn yaml_says_what_the_objects_say() {
    let workload = full();
    for (text, object) in workload.render_yaml().unwrap().split("---\n").skip(1).zip(workload.render().unwrap()) {
        assert_eq!(serde_saphyr::from_str::<Value>(text).unwrap(), object);
    }
}

/// A field that the API does not have would be lost on the way through its type.
#[test]
fn every_field_is_one_of_the_api() {
    fn check<T: Serialize + DeserializeOwned>(object: &Value) {
        let typed: T = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(&serde_json::to_value(typed).unwrap(), object);
    }
    let objects = full().render().unwrap();
    let [account, service, budget, deployment] = objects.as_slice() else { panic!("{objects:?}") };
    check::<ServiceAccount>(account);
    check::<Service>(service);
    check::<PodDisruptionBudget>(budget);
    check::<Deployment>(deployment);
}

#[test]
fn a_budget_only_where_a_pod_can_be_spared() {
    for (replicas, budget) in [(Some(0), false), (Some(1), false), (Some(2), true), (None, true)] {
        let mut workload = workload();
        workload.replicas = replicas;
        let objects = workload.render().unwrap();
        assert_eq!(objects.iter().any(|object| object["kind"] == "PodDisruptionBudget"), budget, "{replicas:?}");
        assert_eq!(objects.last().unwrap()["spec"].get("replicas").is_some(), replicas.is_some());
    }
}

#[test]
fn the_grace_period_covers_drain_and_stop() {
    let mut workload = workload();
    workload.drain = Duration::from_millis(2500);
    workload.stop = Duration::from_secs(10);
    let pod = &workload.render().unwrap().pop().unwrap()["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"], 3);
    assert_eq!(pod["terminationGracePeriodSeconds"], 3 + 10);
    workload.drain = Duration::ZERO;
    let pod = &workload.render().unwrap().pop().unwrap()["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0].get("lifecycle"), None);
}
