use std::{fs, path::Path, time::Duration};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{Service, ServiceAccount},
        networking::v1::{Ingress as IngressObject, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
    },
    serde::{Serialize, de::DeserializeOwned},
};
use mlci_core::Digest;

use super::*;
use crate::{
    Autoscale, Ingress, Manifest, ManifestPatch, Network, Route, ServiceMonitor, image::ImageReference, name::Name,
};

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

/// Everything that a workload may have besides.
pub(crate) fn with_parts() -> Workload {
    let mut workload = workload();
    workload.extra_labels.insert("mlci.environment".to_owned(), "staging".to_owned());
    workload.autoscale = Some(Autoscale::new(2, 5));
    workload.network = Some(Network { from: vec!["monitoring".parse().unwrap()] });
    let mut ingress = Ingress::new("wine.example.com");
    ingress.class = Some("nginx".to_owned());
    ingress.tls_secret = Some(Name::legal("certificate"));
    ingress.annotations.insert("example.com/limit".to_owned(), "10".to_owned());
    workload.ingress = Some(ingress);
    let mut route = Route::new(Name::legal("edge"));
    route.gateway_namespace = Some("gateways".parse().unwrap());
    route.hosts.push("*.example.com".to_owned());
    workload.route = Some(route);
    let mut monitor = ServiceMonitor::default();
    monitor.labels.insert("release".to_owned(), "prometheus".to_owned());
    monitor.series.insert("environment".to_owned(), "mlci.environment".to_owned());
    workload.service_monitor = Some(monitor);
    workload.manifests = Manifest::read(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, labels: {team: cellar}}\ndata: {a: \"08\"}",
    )
    .unwrap();
    workload.patches = ManifestPatch::read(
        "kind: Deployment\nspec: {template: {spec: {containers: [{name: server, resources: {limits: {memory: null}}}, \
         {name: side, image: side}]}}}",
    )
    .unwrap();
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
    golden(&with_parts(), "parts.yaml");
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
fn every_field_of_the_parts_is_one_of_the_api() {
    let objects = with_parts().render().unwrap();
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "ServiceAccount",
            "ConfigMap",
            "Service",
            "PodDisruptionBudget",
            "HorizontalPodAutoscaler",
            "NetworkPolicy",
            "Ingress",
            "HTTPRoute",
            "ServiceMonitor",
            "Deployment"
        ]
    );
    check::<HorizontalPodAutoscaler>(&objects[4]);
    check::<NetworkPolicy>(&objects[5]);
    check::<IngressObject>(&objects[6]);
    check::<Deployment>(&objects[9]);
    assert_eq!(objects[9]["spec"].get("replicas"), None, "the number of pods is the autoscaler's");
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned>(object: &Value) {
    let typed: T = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(&serde_json::to_value(typed).unwrap(), object);
}

/// What a patch, or an object of the user's own, must not do.
#[test]
fn what_mlci_goes_by_is_not_patched() {
    let refused = |change: &dyn Fn(&mut Workload), words: &[&str]| {
        let mut workload = with_parts();
        change(&mut workload);
        let error = workload.render().unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
    };
    let patch = |text: &str, words: &[&str]| refused(&|it| it.patches = ManifestPatch::read(text).unwrap(), words);
    patch("kind: Deployment\nspec: {replicas: 3}", &["`spec.replicas`", "Deployment `wine-quality`"]);
    patch("kind: Service\nspec: {selector: {a: b}}", &["`spec.selector`", "Service"]);
    patch("kind: Deployment\nmetadata: {namespace: other}", &["`metadata.namespace`"]);
    patch("kind: Service\nmetadata: {labels: {app.kubernetes.io/managed-by: me}}", &["`metadata.labels`"]);
    patch("kind: Deployment\nspec: {template: {metadata: {labels: null}}}", &["`spec.template.metadata.labels`"]);
    let image = "kind: Deployment\nspec: {template: {spec: {containers: [{name: server, image: other:latest}]}}}";
    patch(image, &["the server's image"]);
    patch("kind: Deployment\nspec: {template: {spec: {containers: [{image: other}]}}}", &["the server's image"]);
    patch("kind: CronJob\nspec: {}", &["the patch of CronJob", "Service `wine-quality`"]);
    patch("kind: Service\nmetadata: {name: other}", &["Service `other`", "changes nothing"]);
    let own = |text: &str, words: &[&str]| refused(&|it| it.manifests = Manifest::read(text).unwrap(), words);
    let named =
        |kind: &str, version: &str, rest: &str| format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{{rest}}}");
    own(&named("Service", "v1", "name: wine-quality"), &["Service `wine-quality`", "twice"]);
    own(&named("ConfigMap", "v1", "name: wine-quality"), &["ConfigMap `wine-quality`"]);
    own(&named("ConfigMap", "v1", "name: a, namespace: other"), &["`other`", "`staging`"]);
    let managed = "name: a, labels: {app.kubernetes.io/managed-by: Helm}";
    own(&named("ConfigMap", "v1", managed), &["`app.kubernetes.io/managed-by`"]);
    refused(&|it| it.ingress = Some(Ingress::new("a b")), &["`a b`", "no host name"]);
    refused(&|it| it.autoscale = Some(Autoscale::new(3, 2)), &["`autoscale.max`", "is 2"]);
    refused(&|it| it.autoscale = Some(Autoscale::new(0, 2)), &["`autoscale.min`"]);
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
