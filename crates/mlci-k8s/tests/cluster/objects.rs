//! What a workload may have besides pods and a Service: taken by the API server, compared, and removed again.

use std::{collections::BTreeSet, path::PathBuf, process::Command, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::ConfigMap, networking::v1::NetworkPolicy,
};
use mlci_k8s::{
    ApplyOptions, Autoscale, Difference, Error, Ingress, Manifest, ManifestPatch, Network, ObjectDiff, Route,
    ServiceMonitor, Workload,
    kube::{
        Api, Client,
        api::{Patch, PatchParams},
        core::{ApiResource, DynamicObject, GroupVersionKind},
    },
};
use serde_json::{Value, json};

use crate::{Lab, image, in_namespace};

fn with_parts(lab: &Lab) -> Workload {
    let mut workload = lab.workload(image::push("v1"));
    workload.network = Some(Network::default());
    let mut ingress = Ingress::new("wine.example.com");
    ingress.class = Some("nobody".to_owned());
    ingress.tls_secret = Some("certificate".parse().unwrap());
    workload.ingress = Some(ingress);
    workload.manifests = Manifest::read(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: b}\n---\napiVersion: batch/v1\nkind: CronJob\n\
         metadata: {name: own}\nspec: {schedule: '@yearly', suspend: true, jobTemplate: {spec: {template: {spec: \
         {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}",
    )
    .unwrap();
    workload.patches = ManifestPatch::read(
        "kind: Deployment\nspec: {template: {spec: {volumes: [{name: own, configMap: {name: own}}], containers: [{name: \
         server, volumeMounts: [{name: own, mountPath: /own}]}]}}}",
    )
    .unwrap();
    workload
}

fn kinds(diff: &[ObjectDiff], wanted: fn(&Difference) -> bool) -> BTreeSet<String> {
    diff.iter().filter(|it| wanted(&it.difference)).map(|it| it.object.to_string()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn parts_patches_and_own_objects_come_and_go() {
    in_namespace("objects", |lab| async move {
        let options = ApplyOptions::default();
        let (mut workload, namespace) = (with_parts(&lab), lab.namespace.clone());
        let diff = lab.cluster.diff(&workload, &options).await.unwrap();
        assert_eq!(kinds(&diff, |it| *it == Difference::New).len(), 7, "{diff:?}");
        let policies: Api<NetworkPolicy> = Api::namespaced(lab.client.clone(), namespace.as_str());
        assert!(policies.get("wine").await.is_err(), "a dry run makes nothing");

        // The pod mounts the map that comes along with it.
        lab.deploy(&workload).await.unwrap();
        assert_eq!(lab.cluster.diff(&workload, &options).await.unwrap(), [], "what is applied is what is there");

        // Two fields of one object, one object new, three gone; nothing else.
        workload.env.insert("A".to_owned(), "1".to_owned());
        workload.args = vec!["--unknown".to_owned()];
        workload.replicas = Some(2);
        workload.network = None;
        workload.manifests.pop();
        let diff = lab.cluster.diff(&workload, &options).await.unwrap();
        let text = diff.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        println!("{text}");
        assert_eq!(kinds(&diff, |it| *it == Difference::New), set(&["PodDisruptionBudget `wine`"]));
        let gone = set(&["CronJob `own`", "NetworkPolicy `wine`"]);
        assert_eq!(kinds(&diff, |it| *it == Difference::Removed), gone);
        for line in [
            "~ Deployment `wine`",
            ".spec.replicas: 1 -> 2",
            ".spec.template.spec.containers[server].args: nothing -> [\"--unknown\"]",
            ".spec.template.spec.containers[server].env: nothing -> [{\"name\":\"A\",\"value\":\"1\"}]",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
        let applied = lab.cluster.apply(&workload, &options).await.unwrap();
        let listed: BTreeSet<_> = applied.obsolete.iter().map(ToString::to_string).collect();
        assert_eq!(listed, gone);
        assert!(policies.get("wine").await.is_ok(), "listed, and there until the rollout is done");
        let removed = lab.cluster.prune(&applied).await.unwrap();
        assert_eq!(removed.len(), 2);
        assert!(policies.get("wine").await.is_err());

        lab.cluster.delete(&namespace, &workload.name).await.unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(lab.client.clone(), namespace.as_str());
        let left: Vec<_> =
            maps.list(&Default::default()).await.unwrap().into_iter().filter_map(|it| it.metadata.name).collect();
        assert_eq!(left, ["kube-root-ca.crt"], "the inventory goes too");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn what_the_api_server_does_not_take_is_said_before_anything_changes() {
    in_namespace("invalid", |lab| async move {
        let options = ApplyOptions::default();
        let good = lab.workload(image::push("v1"));
        let refused = async |change: fn(&mut Workload, &str), text: &str| {
            let mut workload = good.clone();
            change(&mut workload, text);
            lab.cluster.diff(&workload, &options).await.unwrap_err()
        };
        let own = |it: &mut Workload, text: &str| it.manifests = Manifest::read(text).unwrap();
        // YAML's own idea of a text (case A14).
        let number = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {tag: 20161216}";
        let error = refused(own, number).await;
        assert!(error.to_string().contains("ConfigMap") && error.to_string().contains("data"), "{error}");
        let error = refused(own, "apiVersion: a.b/v1\nkind: Nothing\nmetadata: {name: a}").await;
        assert!(matches!(error, Error::NoKind { .. }), "{error:?}");
        assert!(error.to_string().contains("`a.b/v1`"), "{error}");
        let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\nrules: []";
        let error = refused(own, role).await;
        assert!(matches!(error, Error::ClusterScoped { .. }), "{error:?}");
        let unknown = "kind: Deployment\nspec: {template: {spec: {dnsPolice: Default}}}";
        let error = refused(|it, text| it.patches = ManifestPatch::read(text).unwrap(), unknown).await;
        assert!(error.to_string().contains("dnsPolice"), "{error}");
        let error = refused(|it, text| it.ingress = Some(Ingress::new(text)), "*.*.com").await;
        assert!(matches!(error, Error::Workload { .. }), "{error:?}");
    })
    .await;
}

/// The controller does not need metrics to bring a Deployment to its fewest pods.
#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn the_number_of_pods_is_left_to_an_autoscaler() {
    in_namespace("scaled", |lab| async move {
        let mut workload = lab.workload(image::push("v1"));
        workload.replicas = Some(2);
        lab.deploy(&workload).await.unwrap();
        let scalers: Api<HorizontalPodAutoscaler> = Api::namespaced(lab.client.clone(), lab.namespace.as_str());
        let theirs = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "theirs" },
            "spec": {
                "minReplicas": 3, "maxReplicas": 4,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "wine" },
            },
        });
        scalers.patch("theirs", &PatchParams::apply("somebody"), &Patch::Apply(theirs)).await.unwrap();
        let api: Api<Deployment> = Api::namespaced(lab.client.clone(), lab.namespace.as_str());
        let replicas = async || api.get("wine").await.unwrap().spec.unwrap().replicas;
        tokio::time::timeout(Duration::from_secs(60), async {
            while replicas().await != Some(3) {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .await
        .unwrap();
        // Applied again, and changed: the number stays.
        workload.env.insert("A".to_owned(), "1".to_owned());
        let applied = lab.cluster.apply(&workload, &ApplyOptions::default()).await.unwrap();
        assert_eq!(applied.autoscaler.as_deref(), Some("theirs"));
        assert_eq!(lab.deploy(&workload).await.unwrap().progress.desired, 3);
        // Gone, it owns nothing any more, whatever the field is marked as.
        scalers.delete("theirs", &Default::default()).await.unwrap();
        assert_eq!(lab.deploy(&workload).await.unwrap().progress.desired, 2);

        // One of our own, which goes later: it begins where the number was, and gives it back.
        workload.autoscale = Some(Autoscale::new(4, 5));
        lab.cluster.apply(&workload, &ApplyOptions::default()).await.unwrap();
        assert_ne!(replicas().await, Some(1), "as it would be if it were left out");
        tokio::time::timeout(Duration::from_secs(60), async {
            while replicas().await != Some(4) {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .await
        .unwrap();
        workload.autoscale = None;
        workload.replicas = Some(1);
        assert_eq!(lab.deploy(&workload).await.unwrap().progress.desired, 1);
        assert!(scalers.get("wine").await.is_err());
    })
    .await;
}

/// As their own Go modules define them; nothing here serves them. What was there already stays.
#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn routes_and_monitors_are_what_their_definitions_say() {
    in_namespace("defined", |lab| async move {
        let mut workload = lab.workload(image::push("v1"));
        let mut route = Route::new("edge".parse().unwrap());
        route.gateway_namespace = Some("gateways".parse().unwrap());
        route.hosts.push("*.example.com".to_owned());
        workload.route = Some(route);
        let mut monitor = ServiceMonitor::default();
        monitor.labels.insert("release".to_owned(), "prometheus".to_owned());
        monitor.series.insert("environment".to_owned(), "mlci.environment".to_owned());
        workload.service_monitor = Some(monitor);

        let route = Definition {
            group: "gateway.networking.k8s.io",
            kind: "HTTPRoute",
            name: "httproutes.gateway.networking.k8s.io",
            module: "sigs.k8s.io/gateway-api@v1.4.0",
            file: "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
        };
        let monitor = Definition {
            group: "monitoring.coreos.com",
            kind: "ServiceMonitor",
            name: "servicemonitors.monitoring.coreos.com",
            module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
            file: "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        };
        let mut ours = Vec::new();
        for definition in [route, monitor] {
            if !definition.is_there(&lab.client).await {
                let missing = lab.cluster.apply(&workload, &ApplyOptions::default()).await.unwrap_err();
                assert!(matches!(missing, Error::NoKind { .. }), "{missing:?}");
                assert!(missing.to_string().contains(&format!("{} `wine`", definition.kind)), "{missing}");
                definition.make(&lab.client).await;
                ours.push(definition);
            }
        }
        let deployed = lab.deploy(&workload).await;
        let diff = lab.cluster.diff(&workload, &ApplyOptions::default()).await;
        (workload.route, workload.service_monitor) = (None, None);
        let applied = lab.cluster.apply(&workload, &ApplyOptions::default()).await;
        for definition in &ours {
            definition.remove(&lab.client).await;
        }
        deployed.unwrap();
        assert_eq!(diff.unwrap(), []);
        let applied = applied.unwrap();
        let kinds: Vec<_> = applied.obsolete.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["HTTPRoute", "ServiceMonitor"]);
        // With their kinds the objects have gone, which is no hindrance.
        lab.cluster.prune(&applied).await.unwrap();
        assert_eq!(lab.cluster.apply(&workload, &ApplyOptions::default()).await.unwrap().obsolete, []);
    })
    .await;
}

/// A kind that is defined in the cluster, by a file of a Go module.
struct Definition {
    group: &'static str,
    kind: &'static str,
    name: &'static str,
    module: &'static str,
    file: &'static str,
}

impl Definition {
    fn definitions(client: &Client) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
    }

    async fn is_there(&self, client: &Client) -> bool {
        mlci_k8s::kube::discovery::pinned_kind(client, &GroupVersionKind::gvk(self.group, "v1", self.kind))
            .await
            .is_ok()
    }

    async fn make(&self, client: &Client) {
        let output = Command::new("go")
            .current_dir(std::env::temp_dir())
            .args(["mod", "download", "-json", self.module])
            .output()
            .expect("the definition is in a Go module: Go has to be installed");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let folder = PathBuf::from(answer["Dir"].as_str().unwrap_or_else(|| panic!("{answer}")));
        let text = std::fs::read_to_string(folder.join(self.file)).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let params = PatchParams::apply("mlci-test");
        Self::definitions(client).patch(self.name, &params, &Patch::Apply(value)).await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), async {
            while !self.is_there(client).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await
        .unwrap();
    }

    async fn remove(&self, client: &Client) {
        let params = mlci_k8s::kube::api::DeleteParams::default();
        Self::definitions(client).delete(self.name, &params).await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), async {
            while self.is_there(client).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await
        .unwrap();
    }
}
