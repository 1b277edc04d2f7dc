//! `target = "kubernetes"`: staging and production as namespaces of a real cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    on_cluster::{OnCluster, call, kubectl},
    variable,
};

#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn from_data_to_production_and_back() {
    let on = OnCluster::new();
    let project = &on.project;
    let first = project.pass(&["ci"]);
    let staging = first.environment("staging");
    assert_eq!(staging["status"], "verified", "{:#}", first.value);
    assert_eq!(staging["address"], format!("http://wine.{}.svc", on.namespaces.0[0]));
    assert_eq!(on.images(0), [first.text("/image/pushed")]);
    assert_eq!(project.run(&["deploy", "production"]).code, 5);
    project.pass(&["approve", "production"]);
    project.pass(&["deploy", "production"]);

    project.configure("seed = 42", "seed = 43");
    let second = project.pass(&["ci"]);
    assert_eq!(on.images(1), [first.text("/image/pushed")], "ci leaves production alone");
    project.pass(&["approve", "production"]);
    let deployed = project.pass(&["deploy", "production"]);
    assert_eq!(deployed.environment("production")["model_digest"], second.value["model"]["digest"]);
    let back = project.pass(&["rollback", "production"]);
    assert_eq!(back.environment("production")["image_digest"], first.value["image"]["digest"]);
    assert_eq!(on.images(1), [first.text("/image/pushed")]);

    // Pods and services, as kubectl shows them; logs; a restart; and a second ci has nothing to do.
    let shown = String::from_utf8(project.output(&["status", "production"]).stdout).unwrap();
    for part in ["NAME", "READY", "Running", "CLUSTER-IP", "verified"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let logs = project.pass(&["logs", "production"]).value["result"]["lines"].to_string();
    // What the server says, not only the pod's name before it.
    assert!(logs.contains("http://0.0.0.0:8080"), "{logs}");
    let restarted = || {
        let path = "jsonpath={.spec.template.metadata.annotations}";
        kubectl(&["--namespace", &on.namespaces.0[1], "get", "deployment", "wine", "--output", path])
    };
    let before = restarted();
    project.pass(&["restart", "production"]);
    assert_ne!(restarted(), before);
    assert_eq!(project.pass(&["ci"]).stage("deploy"), "cached");
}

/// The cluster refuses the pods: told at once, with its own words, and nothing is left of it.
#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn what_the_cluster_refuses() {
    let on = OnCluster::new();
    kubectl(&["create", "namespace", &on.namespaces.0[0]]);
    kubectl(&["--namespace", &on.namespaces.0[0], "create", "quota", "none", "--hard=pods=0"]);
    let refused = on.project.run(&["ci"]);
    assert_eq!((refused.code, refused.stage("deploy")), (4, "failed"), "{:#}", refused.value);
    assert!(refused.error().contains("quota"), "{}", refused.error());
    let left = kubectl(&["--namespace", &on.namespaces.0[0], "get", "deployments", "--output", "name"]);
    assert_eq!(left, "", "nothing served before, so nothing is left");
    let status = on.project.pass(&["status"]);
    assert_eq!(status.environment("staging")["status"], "empty", "{:#}", status.value);

    // Once it may run, asking for it by hand tries the same again.
    kubectl(&["--namespace", &on.namespaces.0[0], "delete", "quota", "none"]);
    let deployed = on.project.pass(&["deploy", "staging"]);
    assert_eq!(deployed.environment("staging")["status"], "verified");
}

/// Somebody changes the Service in the middle, so that it sends to none of the pods, which are ready: no fault of the
/// release, which is there once that is mended.
#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn a_service_that_does_not_send_to_its_pods_is_told_and_nothing_is_rejected() {
    let on = OnCluster::new();
    on.project.pass(&["ci"]);
    let select = |pods: &str| {
        let patch = format!("{{\"spec\": {{\"selector\": {{\"no\": {pods}}}}}}}");
        kubectl(&["--namespace", &on.namespaces.0[0], "patch", "service", "wine", "--patch", &patch]);
    };
    on.project.configure("seed = 42", "seed = 43");
    let deploys = on.under_way("ci");
    select("\"pod\"");
    let told = deploys.end();
    assert_eq!((told.code, told.stage("deploy")), (1, "failed"), "{:#}", told.value);
    for words in ["the Service `wine` does not send to wine-", "selector"] {
        assert!(told.error().contains(words), "no {words:?} in {}", told.error());
    }
    select("null");
    let deployed = on.project.pass(&["ci"]);
    assert_eq!(deployed.environment("staging")["status"], "verified", "{:#}", deployed.value);
}

/// A second release that the cluster does not take: the first goes on serving, on the record too, and a rollback needs
/// nothing of the machine that built it.
#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn a_second_release_that_fails_leaves_the_first() {
    let on = OnCluster::new();
    let first = on.project.pass(&["ci"]);
    // As many pods as there are: no further one may start.
    kubectl(&["--namespace", &on.namespaces.0[0], "create", "quota", "full", "--hard=pods=2"]);
    on.project.configure("seed = 42", "seed = 43");
    let second = on.project.run(&["ci"]);
    assert_eq!((second.code, second.stage("deploy")), (4, "failed"), "{:#}", second.value);
    assert!(second.error().contains("quota") && second.error().contains("what served before still does"));
    kubectl(&["--namespace", &on.namespaces.0[0], "delete", "quota", "full"]);
    let status = on.project.pass(&["status"]);
    let staging = status.environment("staging");
    assert_eq!(staging["status"], "verified", "{:#}", status.value);
    assert_eq!(staging["image_digest"], first.value["image"]["digest"]);
    assert_eq!(on.images(0), [first.text("/image/pushed")]);
    // It stays failed until something changes, or a person asks for it.
    assert_eq!(on.project.run(&["ci"]).code, 4);
    let deployed = on.project.pass(&["deploy", "staging"]);
    assert_eq!(deployed.environment("staging")["image_digest"], second.value["image"]["digest"]);
    std::fs::remove_dir_all(on.project.path(".mlci/images")).unwrap();
    let back = on.project.pass(&["rollback", "staging"]);
    assert_eq!(back.environment("staging")["image_digest"], first.value["image"]["digest"]);
    let down = on.project.pass(&["down", "staging"]);
    assert_eq!(down.environment("staging")["status"], "verified", "down leaves clusters alone");
}

#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn a_context_that_is_not_there_and_a_cluster_that_is_not_reached() {
    let on = OnCluster::new();
    let context = format!("context = \"{}\"", variable("MLCI_LAB_KUBE_CONTEXT"));
    on.project.configure(&context, "context = \"elsewhere\"");
    on.project.pass(&["ci", "--stage", "..image"]);
    let refused = on.project.run(&["ci"]);
    assert!(refused.code == 2 && refused.error().contains("`elsewhere`"), "{}", refused.error());
    let refused = on.project.run(&["status", "staging"]);
    assert_eq!(refused.code, 2, "{:#}", refused.value);
    assert!(refused.error().contains("`elsewhere`"), "{}", refused.error());

    // A kubeconfig whose server is nobody.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let config: Value = serde_json::json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{nobody}")}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "elsewhere", "context": {"cluster": "c", "user": "u"}}],
    });
    on.project.write("kubeconfig", &config.to_string());
    let path = on.project.path("kubeconfig");
    let output = on.project.command(&["status", "staging", "--format", "json"]).env("KUBECONFIG", path).output();
    let refused = crate::project::finished(&output.unwrap());
    assert_eq!(refused.code, 1, "{:#}", refused.value);
    assert!(refused.error().contains(&nobody.to_string()), "{}", refused.error());
}

/// Killed while the pods come, and begun again; an object of the user's own comes along, is shown beforehand, and goes
/// with its line in the configuration.
#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn what_would_change_is_shown_and_what_is_declared_no_longer_goes() {
    let on = OnCluster::new();
    let (project, namespace) = (&on.project, on.namespaces.0[0].as_str());
    project.write("own.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: b}\n");
    let own = "ready_seconds = 60\nmanifests = [\"own.yaml\"]";
    project.configure("ready_seconds = 60", own);
    project.pass(&["ci", "--stage", "..image"]);

    let printed = project.output(&["deploy", "staging", "--dry-run"]).stdout;
    let printed = String::from_utf8(printed).unwrap();
    for part in ["kind: Deployment", "name: own", "kind: PodDisruptionBudget"] {
        assert!(printed.contains(part), "{part} is not in\n{printed}");
    }
    let changes = |finished: &crate::project::Finished, difference: &str| -> BTreeSet<String> {
        let changes = finished.value["result"]["changes"].as_array().unwrap();
        let kinds = changes.iter().filter(|it| it["difference"] == difference);
        kinds.map(|it| it["object"]["kind"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["ConfigMap", "Deployment", "Namespace", "PodDisruptionBudget", "Service", "ServiceAccount"];
    let diff = project.pass(&["deploy", "staging", "--diff"]);
    assert_eq!(changes(&diff, "new"), all.map(str::to_owned).into(), "{:#}", diff.value);
    assert!(!call(&["get", "namespace", namespace]).status.success(), "nothing is made");

    let mut watched = project.start(&["ci"]);
    let seen = watched.until(|event| event["message"].as_str().is_some_and(|text| text.contains("pods ready")));
    assert!(seen.is_some());
    watched.kill();
    let first = project.pass(&["ci"]);
    assert_eq!(first.environment("staging")["status"], "verified", "{:#}", first.value);
    assert_eq!(on.images(0), [first.text("/image/pushed")]);
    kubectl(&["--namespace", namespace, "get", "configmap", "own"]);
    let diff = project.pass(&["deploy", "staging", "--diff"]);
    assert_eq!(diff.value["result"]["changes"], serde_json::json!([]), "{:#}", diff.value);

    project.configure(own, "ready_seconds = 61");
    let diff = project.pass(&["deploy", "staging", "--diff"]);
    assert_eq!(changes(&diff, "removed"), ["ConfigMap".to_owned()].into(), "{:#}", diff.value);
    let path = ".spec.template.spec.containers[server].startupProbe.failureThreshold";
    let fields = diff.value["result"]["changes"].as_array().unwrap().iter().filter_map(|it| it["fields"].as_array());
    let threshold = fields.flatten().find(|it| it["path"] == path).unwrap_or_else(|| panic!("{:#}", diff.value));
    assert_eq!((&threshold["before"], &threshold["after"]), (&60.into(), &61.into()));
    project.pass(&["ci"]);
    assert!(!call(&["--namespace", namespace, "get", "configmap", "own"]).status.success(), "it has gone");
    assert_eq!(project.pass(&["ci"]).stage("deploy"), "cached");
}

/// `kill -9` before the cluster is asked, while its pods come, while the predictions are, and once all is recorded.
#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn killed_at_every_step_and_begun_again() {
    let on = OnCluster::new();
    let project = &on.project;
    let message = |event: &Value, words: &str| event["message"].as_str().is_some_and(|text| text.contains(words));
    let steps: [&dyn Fn(&Value) -> bool; 4] = [
        &|event| event["event"] == "stage_started" && event["name"] == "deploy",
        &|event| message(event, "of 2 pods ready"),
        &|event| message(event, "rolled out after"),
        &|event| event["event"] == "stage_finished" && event["name"] == "deploy",
    ];
    for (number, step) in steps.iter().enumerate() {
        let mut watched = project.start(&["ci"]);
        assert!(watched.until(step).is_some(), "step {number}");
        watched.kill();
        let done = project.pass(&["ci"]);
        assert_eq!(done.environment("staging")["status"], "verified", "step {number}: {:#}", done.value);
        assert_eq!(on.images(0), [done.text("/image/pushed")], "step {number}");
        project.configure(&format!("seed = {}", 42 + number), &format!("seed = {}", 43 + number));
    }
}
