//! What goes wrong in a cluster, and what only seems to (case A13).

use std::time::Duration;

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::{Namespace, Pod, ResourceQuota},
};
use mlci_core::Digest;
use mlci_k8s::{
    ApplyOptions, Error, ImageReference, Reason,
    kube::{
        Api,
        api::{Patch, PatchParams, PostParams},
    },
};
use serde_json::{Value, json};

use crate::{Lab, image, in_namespace, options, remove_namespace};

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
        assert_eq!((failure.reason, failure.log.as_slice()), (Reason::Probe, ["listening".to_owned()].as_slice()));
        assert!(failure.message.contains("Startup probe failed"), "{failure}");
        assert!(failure.events.iter().any(|event| event.contains("Startup probe failed")), "{failure}");
        options.timeout = Duration::from_secs(90);
        // Ended by the kubelet again and again, which looks like a crash loop.
        deaf.probes.start_within = Duration::from_secs(2);
        let failure = lab.failure(&deaf, &options).await;
        assert_eq!((failure.reason, failure.state.as_str()), (Reason::Probe, "CrashLoopBackOff"), "{failure}");
        assert!(failure.message.contains("Startup probe failed"), "{failure}");

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

/// Somebody deletes the namespace while its pods come.
#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_namespace_that_goes_in_the_middle_is_told_and_can_be_made_again() {
    in_namespace("gone", |lab| async move {
        let mut lab = lab;
        lab.namespace = format!("{}-too", lab.namespace).parse().unwrap();
        let namespace = lab.namespace.as_str();
        let mut workload = lab.workload(image::push("v1"));
        // None is ready before the namespace goes.
        workload.port = 9;
        let mut create = ApplyOptions::default();
        create.create_namespace = true;
        let applied = lab.cluster.apply(&workload, &create).await.unwrap();
        let options = options();
        let (rolled, ()) =
            tokio::join!(lab.cluster.rollout(&applied, &options, |_| {}), remove_namespace(&lab.client, namespace));
        let Err(Error::Rollout(failure)) = rolled else { panic!("{rolled:?}") };
        assert_eq!(failure.reason, Reason::Deleted, "{failure}");
        let namespaces: Api<Namespace> = Api::all(lab.client.clone());
        tokio::time::timeout(Duration::from_secs(60), async {
            while namespaces.get_opt(namespace).await.unwrap().is_some() {
                // Until it is gone, nothing new is taken; nor is it made again then, where that is not asked for.
                let error = lab.cluster.apply(&workload, &ApplyOptions::default()).await.err();
                let told = match &error {
                    None => true,
                    Some(error) => {
                        matches!(error, Error::NamespaceTerminating { .. } | Error::NamespaceMissing { .. })
                    }
                };
                assert!(told, "{error:?}");
            }
        })
        .await
        .unwrap();
        workload.port = 8080;
        let applied = lab.cluster.apply(&workload, &create).await.unwrap();
        lab.cluster.rollout(&applied, &options, |_| {}).await.unwrap();
        remove_namespace(&lab.client, namespace).await;
    })
    .await;
}

/// Refuses what is of this resource in the test's namespace, and waits until it does.
async fn refuse(lab: &Lab, name: &str, resource: &str, group: &str) {
    let namespace = lab.namespace.as_str();
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
        "spec": {
            "matchConstraints": {
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
                "resourceRules": [{
                    "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource],
                }],
            },
            "validations": [{ "expression": "false", "message": format!("no {resource} on a Sunday") }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": name }, "spec": { "policyName": name, "validationActions": ["Deny"] },
    });
    let params = PatchParams::apply("mlci-test");
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(lab.client.clone());
    policies.patch(name, &params, &Patch::Apply(policy)).await.unwrap();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(lab.client.clone());
    bindings.patch(name, &params, &Patch::Apply(binding)).await.unwrap();
}

async fn allow(lab: &Lab, name: &str) {
    let (policies, bindings): (Api<ValidatingAdmissionPolicy>, Api<ValidatingAdmissionPolicyBinding>) =
        (Api::all(lab.client.clone()), Api::all(lab.client.clone()));
    bindings.delete(name, &Default::default()).await.unwrap();
    policies.delete(name, &Default::default()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_policy_that_refuses_is_quoted() {
    in_namespace("policy", |lab| async move {
        let workload = lab.workload(image::push("v1"));
        let name = format!("{}-pods", lab.namespace);
        refuse(&lab, &name, "pods", "").await;
        let objects = workload.render().unwrap();
        let template = &objects.last().unwrap()["spec"]["template"];
        let mut pod: Value = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "try" } });
        pod["spec"] = template["spec"].clone();
        pod["spec"]["serviceAccountName"] = json!("default");
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let pods: Api<Pod> = Api::namespaced(lab.client.clone(), lab.namespace.as_str());
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let effective = tokio::time::timeout(Duration::from_secs(30), async {
            while !pods.create(&dry, &pod).await.is_err_and(|error| error.to_string().contains("Sunday")) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        let applied = lab.cluster.apply(&workload, &ApplyOptions::default()).await.unwrap();
        let error = lab.cluster.rollout(&applied, &options(), |_| {}).await;
        allow(&lab, &name).await;
        effective.unwrap();
        let Err(Error::Rollout(failure)) = error else { panic!("{error:?}") };
        assert_eq!((failure.reason, failure.pod.as_deref()), (Reason::Admission, None), "{failure}");
        assert!(failure.message.contains("no pods on a Sunday"), "{failure}");
    })
    .await;
}
