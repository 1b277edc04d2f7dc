use k8s_openapi::api::apps::v1::Deployment as DeploymentObject;

use super::*;
use crate::{ManifestPatch, render::tests::workload};

#[test]
fn it_is_the_workload_with_a_label_more() {
    let mut workload = workload();
    workload.replicas = Some(5);
    workload.patches =
        ManifestPatch::read("kind: Deployment\nspec: {template: {spec: {priorityClassName: high}}}").unwrap();
    let canary = workload.render_canary(2).unwrap();
    let read: DeploymentObject = serde_json::from_value(canary.clone()).unwrap();
    let spec = read.spec.unwrap();
    assert_eq!((read.metadata.name.as_deref(), spec.replicas), (Some("wine-quality-canary"), Some(2)));
    let pod = spec.template.metadata.unwrap().labels.unwrap();
    for labels in [read.metadata.labels.unwrap(), spec.selector.match_labels.unwrap(), pod.clone()] {
        assert_eq!(labels.get(LABEL_TRACK).map(String::as_str), Some("canary"), "{labels:?}");
    }
    // Behind the same Service, and under the same budget and policy.
    for (key, value) in workload.selector().as_object().unwrap() {
        assert_eq!(pod.get(key).map(String::as_str), value.as_str());
    }
    // All else is as it will be.
    let mut back = canary;
    back["metadata"]["name"] = json!("wine-quality");
    back["spec"]["replicas"] = json!(5);
    for pointer in ["/metadata/labels", "/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        back.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(LABEL_TRACK);
    }
    assert_eq!(Some(back), workload.render().unwrap().pop());
}

#[test]
fn its_name_is_legal_and_its_own_whatever_the_length() {
    for length in [1, 56, 57, 63] {
        let name: Name = "n".repeat(length).parse().unwrap();
        let canary = name.of_canary();
        assert!(canary.as_str().parse::<Name>().is_ok() && canary != name, "{canary}");
    }
}

#[test]
fn its_label_is_nobody_elses_to_set() {
    let mut workload = workload();
    workload.extra_labels.insert(LABEL_TRACK.to_owned(), "canary".to_owned());
    let error = workload.check().unwrap_err().to_string();
    assert!(error.contains("mlci.track"), "{error}");
}
