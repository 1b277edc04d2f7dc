//! What most clusters have besides, and the lab's on demand: a metrics server, and names of Services.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use mlci_k8s::{
    Autoscale,
    kube::{
        Api,
        api::{LogParams, PostParams},
    },
};
use serde_json::{Value, json};

use crate::{deploy::get, image, in_namespace};

fn addons() {
    assert!(std::env::var_os("MLCI_LAB_KUBE_ADDONS").is_some(), "MLCI_LAB_KUBE_ADDONS has to say what the cluster has");
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster with a metrics server, reached by its cluster addresses: cargo xtask test --lab --soak"]
async fn an_autoscaler_scales_by_load() {
    addons();
    in_namespace("load", |lab| async move {
        let mut workload = lab.workload(image::push("v1"));
        workload.autoscale = Some(Autoscale::new(1, 3));
        assert_eq!(lab.deploy(&workload).await.unwrap().progress.desired, 1);
        let services = lab.cluster.services(&workload.namespace, &workload.name).await.unwrap();
        let address = format!("{}:80", services.rows[0][2]).parse().unwrap();
        let load: Vec<_> = (0..4)
            .map(|_| {
                tokio::spawn(async move {
                    loop {
                        get(address, "[[7.4]]").await;
                    }
                })
            })
            .collect();
        let begun = std::time::Instant::now();
        let desired = async || {
            let current = lab.cluster.current(&workload.namespace, &workload.name).await.unwrap().unwrap();
            (current.desired, current.ready)
        };
        let scaled = tokio::time::timeout(Duration::from_secs(300), async {
            while desired().await != (3, 3) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
        load.iter().for_each(tokio::task::JoinHandle::abort);
        scaled.unwrap();
        println!("three pods after {:?}", begun.elapsed());
        // What is deployed now leaves it at that.
        workload.env.insert("A".to_owned(), "1".to_owned());
        assert_eq!(lab.deploy(&workload).await.unwrap().progress.desired, 3);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster with DNS: cargo xtask test --lab --soak"]
async fn a_pod_finds_the_service_by_its_name() {
    addons();
    in_namespace("names", |lab| async move {
        let workload = lab.workload(image::push("v1"));
        lab.deploy(&workload).await.unwrap();
        let objects = workload.render().unwrap();
        let template = &objects.last().unwrap()["spec"]["template"];
        let mut pod: Value = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "asks" } });
        pod["spec"] = template["spec"].clone();
        pod["spec"]["restartPolicy"] = json!("Never");
        let server = &mut pod["spec"]["containers"][0];
        server["args"] = json!(["find", workload.name.as_str()]);
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            server.as_object_mut().unwrap().remove(probe);
        }
        let pods: Api<Pod> = Api::namespaced(lab.client.clone(), lab.namespace.as_str());
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        let phase = async || pods.get("asks").await.unwrap().status.and_then(|status| status.phase).unwrap_or_default();
        let ended = tokio::time::timeout(Duration::from_secs(60), async {
            while !["Succeeded", "Failed"].contains(&phase().await.as_str()) {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        ended.await.unwrap();
        let said = pods.logs("asks", &LogParams::default()).await.unwrap();
        println!("{said}");
        let name = format!("wine.{}.svc.cluster.local is 10.", lab.namespace);
        assert!(said.starts_with(&name) && said.contains("which says: v1 wine-"), "{said}");
    })
    .await;
}
