//! What goes wrong in a cluster, and what only seems to (case A13).

use std::time::Duration;

use k8s_openapi::api::core::v1::ResourceQuota;
use mlci_core::Digest;
use mlci_k8s::{
    ApplyOptions, Error, ImageReference, Reason,
    kube::{
        Api,
        api::{Patch, PatchParams},
    },
};
use serde_json::json;

use crate::{image, in_namespace, options};

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn an_image_that_is_not_there_fails_at_once_and_the_old_pods_serve_on() {
    in_namespace("no-image", |lab| async move {
        let good = lab.workload(image::push("v1"));
        lab.deploy(&good).await.unwrap();
        let mut bad = good.clone();
        bad.image =
            ImageReference::new(&format!("{}/mlci-k8s-test:nope", image::registry()), Digest::of(b"nope")).unwrap();
        let failure = lab.failure(&bad, &options()).await;
        assert_eq!((failure.reason, failure.state.as_str()), (Reason::ImagePull, "ErrImagePull"));
        assert!(failure.pod.as_ref().is_some_and(|pod| pod.starts_with("wine-")), "{failure}");
        assert!(failure.message.contains("not found"), "{failure}");
        assert!(failure.events.iter().any(|event| event.starts_with("Failed")), "{failure}");
        assert_eq!(lab.version(&good).await, "v1");
        // What is broken is no hindrance for the way back.
        lab.cluster.rollback(&good, &options(), |_| {}).await.unwrap();
        assert_eq!(lab.version(&good).await, "v1");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_crash_loop_fails_with_its_last_words_and_one_restart_does_not() {
    in_namespace("crash", |lab| async move {
        let mut workload = lab.workload(image::push("v1"));
        workload.args = vec!["exit-once".to_owned()];
        let done = lab.deploy(&workload).await.unwrap();
        assert_eq!(done.progress.pods[0].restarts, 1);

        workload.args = vec!["exit".to_owned()];
        let mut options = options();
        options.log_lines = 2;
        let failure = lab.failure(&workload, &options).await;
        assert_eq!((failure.reason, failure.state.as_str()), (Reason::CrashLoop, "CrashLoopBackOff"));
        assert_eq!(
            (failure.log.as_slice(), failure.container.as_deref()),
            (["loading, step 30".to_owned(), "the model cannot be loaded".to_owned()].as_slice(), Some("server"),)
        );
        assert!(failure.message.contains("exit code 7"), "{failure}");
        assert!(failure.to_string().ends_with("\n  log: the model cannot be loaded"), "{failure}");

        workload.args = vec!["hog".to_owned()];
        let failure = lab.failure(&workload, &options).await;
        assert_eq!(failure.reason, Reason::OutOfMemory, "{failure}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn no_node_no_quota_no_readiness() {
    in_namespace("refused", |lab| async move {
        let mut options = options();
        options.unschedulable = Duration::from_secs(2);
        let good = lab.workload(image::push("v1"));
        let mut large = good.clone();
        large.resources.cpu = "10000".parse().unwrap();
        let failure = lab.failure(&large, &options).await;
        assert_eq!(failure.reason, Reason::Unschedulable);
        assert!(failure.message.contains("Insufficient cpu"), "{failure}");

        let mut deaf = good.clone();
        deaf.port = 9;
        options.timeout = Duration::from_secs(5);
        let failure = lab.failure(&deaf, &options).await;
        assert_eq!((failure.reason, failure.log.as_slice()), (Reason::Deadline, ["listening".to_owned()].as_slice()));
        assert!(failure.events.iter().any(|event| event.contains("Startup probe failed")), "{failure}");
        options.timeout = Duration::from_secs(90);

        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small" }, "spec": { "hard": { "pods": "0" } },
        });
        let api: Api<ResourceQuota> = Api::namespaced(lab.client.clone(), lab.namespace.as_str());
        api.patch("small", &PatchParams::apply("mlci-test"), &Patch::Apply(quota)).await.unwrap();
        // Until the quota's controller has counted, pods are refused with another text.
        tokio::time::timeout(Duration::from_secs(30), async {
            while api.get("small").await.unwrap().status.is_none_or(|status| status.hard.is_none()) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        let mut more = good.clone();
        more.name = "more".parse().unwrap();
        let failure = lab.failure(&more, &options).await;
        assert_eq!((failure.reason, failure.pod.as_deref()), (Reason::Quota, None));
        assert!(failure.message.contains("exceeded quota: small"), "{failure}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn of_two_deployments_at_once_the_later_wins_and_the_earlier_is_told() {
    in_namespace("twice", |lab| async move {
        let (first, second) = (lab.workload(image::push("v1")), lab.workload(image::push("v2")));
        let earlier = lab.cluster.apply(&first, &ApplyOptions::default()).await.unwrap();
        let later = lab.cluster.apply(&second, &ApplyOptions::default()).await.unwrap();
        let options = options();
        let (lost, won) = tokio::join!(
            lab.cluster.rollout(&earlier, &options, |_| {}),
            lab.cluster.rollout(&later, &options, |_| {})
        );
        let Err(Error::Rollout(failure)) = lost else { panic!("{lost:?}") };
        assert_eq!(failure.reason, Reason::Superseded, "{failure}");
        won.unwrap();
        assert_eq!(lab.version(&second).await, "v2");
    })
    .await;
}
