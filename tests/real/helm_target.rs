//! `target = "helm"`: staging and production as releases of Helm's in a real cluster.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{
    on_cluster::{OnCluster, kubectl},
    project::{Watched, eventually, finished},
    variable,
};

/// A digest that no registry has.
const NOWHERE: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000001";

/// A pipeline that deploys to two namespaces by way of Helm.
struct ByHelm(OnCluster);

impl std::ops::Deref for ByHelm {
    type Target = OnCluster;

    fn deref(&self) -> &OnCluster {
        &self.0
    }
}

impl ByHelm {
    fn new() -> Self {
        Self(OnCluster::by_helm())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(variable("MLCI_LAB_HELM"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, self.project.path(".mlci/helm").join(name));
        }
        command.current_dir(self.project.root()).args(arguments);
        command.args(["--namespace", &self.namespaces.0[0], "--kube-context", &variable("MLCI_LAB_KUBE_CONTEXT")]);
        command
    }

    /// Helm in the hands of somebody else, in staging.
    #[track_caller]
    fn helm(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// Status and description of each revision in staging, oldest first.
    fn history(&self) -> Vec<(String, String)> {
        let text = self.helm(&["history", "wine", "--output", "json"]);
        let revisions: Vec<Value> = serde_json::from_str(&text).unwrap();
        let word = |revision: &Value, key: &str| revision[key].as_str().unwrap().to_owned();
        revisions.iter().map(|it| (word(it, "status"), word(it, "description"))).collect()
    }

    fn last(&self) -> (String, String) {
        self.history().pop().unwrap()
    }

    /// Helm waits for pods that never come, and is killed while it does: what a cancelled job leaves behind.
    fn killed(&self, arguments: &[&str]) {
        let never = format!("image.digest={NOWHERE}");
        let waits = [arguments, &["--wait", "--timeout", "10m", "--set", &never]].concat();
        let mut child = self.command(&waits).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("a revision that is pending", || {
            let output = self.command(&["history", "wine", "--output", "json"]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).contains("\"pending-")
        });
        eventually("a pod that cannot come", || self.namespaces.pods(0).iter().any(waits_for_nowhere));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn waits_for_nowhere(pod: &Value) -> bool {
    pod["spec"]["containers"][0]["image"].as_str().is_some_and(|image| image.ends_with(NOWHERE))
}

/// Waits until a command says something.
#[track_caller]
fn says(watched: &mut Watched, words: &str) {
    let seen = watched.until(|event| event["message"].as_str().is_some_and(|text| text.contains(words)));
    assert!(seen.is_some(), "it ended without saying `{words}`");
}

#[test]
#[ignore = "needs Helm and a Kubernetes cluster: cargo xtask test --lab helm kubernetes"]
fn from_data_to_production_and_back() {
    let on = ByHelm::new();
    let project = &on.project;
    project.pass(&["ci", "--stage", "..image"]);
    let diff = project.pass(&["deploy", "staging", "--diff"]);
    let kinds: Vec<_> =
        diff.value["result"]["changes"].as_array().unwrap().iter().map(|it| &it["object"]["kind"]).collect();
    assert!(kinds.len() == 4 && kinds.iter().any(|kind| *kind == "Deployment"), "{:#}", diff.value);
    let first = project.pass(&["ci"]);
    let (staging, image) = (first.environment("staging"), first.text("/image/digest"));
    assert_eq!(staging["status"], "verified", "{:#}", first.value);
    assert_eq!(on.images(0), [first.text("/image/pushed")]);
    let (status, description) = on.last();
    assert_eq!(status, "deployed");
    assert!(description.starts_with(&format!("mlci: wine@1, image {image}, configuration ")), "{description}");
    assert!(on.helm(&["list"]).contains("wine"));
    let values: Value = serde_json::from_str(&on.helm(&["get", "values", "wine", "--output", "json"])).unwrap();
    assert_eq!((&values["image"]["digest"], &values["environment"]), (&image.into(), &"staging".into()));
    let diff = project.pass(&["deploy", "staging", "--diff"]);
    assert_eq!(diff.value["result"]["changes"], serde_json::json!([]), "{:#}", diff.value);
    let printed = String::from_utf8(project.output(&["deploy", "staging", "--dry-run"]).stdout).unwrap();
    assert!(printed.contains("kind: Deployment") && printed.contains(image), "{printed}");
    // Helm's own test of what mlci has installed.
    assert!(on.helm(&["test", "wine", "--timeout", "2m"]).contains("Succeeded"));

    assert_eq!(project.run(&["deploy", "production"]).code, 5);
    project.pass(&["approve", "production"]);
    project.pass(&["deploy", "production"]);
    project.configure("seed = 42", "seed = 43");
    // Killed while the pods come, and begun again.
    let mut killed = project.start(&["ci"]);
    says(&mut killed, "is installed");
    killed.kill();
    let second = project.pass(&["ci"]);
    assert_eq!(second.environment("staging")["status"], "verified", "{:#}", second.value);
    assert_eq!(on.images(1), [first.text("/image/pushed")], "ci leaves production alone");
    project.pass(&["approve", "production"]);
    let deployed = project.pass(&["deploy", "production"]);
    assert_eq!(deployed.environment("production")["model_digest"], second.value["model"]["digest"]);
    let back = project.pass(&["rollback", "production"]);
    assert_eq!(back.environment("production")["image_digest"], first.value["image"]["digest"]);
    assert_eq!(on.images(1), [first.text("/image/pushed")]);

    let shown = String::from_utf8(project.output(&["status", "production"]).stdout).unwrap();
    for part in ["READY", "Running", "CLUSTER-IP", "verified", "REVISION", "superseded", "mlci: wine@1"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    assert!(project.pass(&["logs", "production"]).value["result"]["lines"].to_string().contains("http://0.0.0.0:8080"));
    let pods = || on.namespaces.pods(1).iter().map(|pod| pod["metadata"]["uid"].to_string()).collect::<Vec<_>>();
    let before = pods();
    project.pass(&["restart", "production"]);
    assert!(pods().iter().all(|pod| !before.contains(pod)), "{before:?}");
    assert_eq!(project.pass(&["ci"]).stage("deploy"), "cached");
}

/// The cluster does not take the second release: told at once, and Helm goes back to the revision that was verified, not
/// to what somebody else has installed since.
#[test]
#[ignore = "needs Helm and a Kubernetes cluster: cargo xtask test --lab helm kubernetes"]
fn a_release_that_fails_goes_back_to_the_verified_revision() {
    let on = ByHelm::new();
    let quota = |verb: &str, rest: &[&str]| {
        kubectl(&[&["--namespace", &on.namespaces.0[0], verb, "quota", "full"], rest].concat());
    };
    // Nothing served before, so nothing is left.
    kubectl(&["create", "namespace", &on.namespaces.0[0]]);
    // Helm itself is refused: told in its words, and put back, but that is no judgement of the release.
    quota("create", &["--hard=services=0"]);
    let refused = on.project.run(&["ci"]);
    assert_eq!((refused.code, refused.stage("deploy")), (1, "failed"), "{:#}", refused.value);
    assert!(
        refused.error().contains("`helm upgrade wine` failed") && refused.error().contains("quota"),
        "{}",
        refused.error()
    );
    assert!(!on.command(&["history", "wine"]).output().unwrap().status.success(), "there is no such release");
    quota("delete", &[]);
    quota("create", &["--hard=pods=0"]);
    let refused = on.project.run(&["ci"]);
    assert_eq!((refused.code, refused.stage("deploy")), (4, "failed"), "{:#}", refused.value);
    assert!(refused.error().contains("quota"), "{}", refused.error());
    assert!(!on.command(&["history", "wine"]).output().unwrap().status.success(), "there is no such release");
    quota("delete", &[]);
    let first = on.project.pass(&["deploy", "staging"]);
    assert_eq!(first.environment("staging")["status"], "verified", "{:#}", first.value);

    on.project.pass(&["generate", "helm"]);
    on.helm(&[
        "upgrade",
        "wine",
        "charts/wine",
        "--reuse-values",
        "--set-string",
        "labels.by=hand",
        "--wait",
        "--timeout",
        "3m",
    ]);
    quota("create", &["--hard=pods=2"]);
    on.project.configure("seed = 42", "seed = 43");
    let second = on.project.run(&["ci"]);
    assert_eq!((second.code, second.stage("deploy")), (4, "failed"), "{:#}", second.value);
    assert!(second.error().contains("quota"), "{}", second.error());
    // Both pods may go and come again only once the quota is gone.
    quota("delete", &[]);
    let history = on.history();
    assert_eq!(history.last().unwrap().1, "Rollback to 1", "{history:?}");
    let status = on.project.pass(&["status"]);
    assert_eq!(status.environment("staging")["image_digest"], first.value["image"]["digest"]);

    let deployed = on.project.pass(&["deploy", "staging"]);
    assert_eq!(deployed.environment("staging")["image_digest"], second.value["image"]["digest"]);
    let back = on.project.pass(&["rollback", "staging"]);
    assert_eq!(back.environment("staging")["image_digest"], first.value["image"]["digest"]);
}

/// Operations of Helm that were killed in the middle.
#[test]
#[ignore = "needs Helm and a Kubernetes cluster: cargo xtask test --lab helm kubernetes"]
fn a_locked_release_is_explained_and_recovered() {
    let on = ByHelm::new();
    let project = &on.project;
    project.configure("target = \"helm\"", "target = \"helm\"\nlock_seconds = 3");
    project.pass(&["generate", "helm"]);
    project.pass(&["ci", "--stage", "..image"]);
    // A first installation: nothing served before, so it is uninstalled.
    on.killed(&["install", "wine", "charts/wine", "--create-namespace"]);
    assert_eq!(on.last().0, "pending-install");
    let shown = String::from_utf8(project.output(&["status", "staging"]).stdout).unwrap();
    assert!(shown.contains("its revision 1 is pending-install since"), "{shown}");
    let mut deploys = project.start(&["ci"]);
    says(&mut deploys, "its revision 1 is pending-install since");
    says(&mut deploys, "it is uninstalled");
    assert!(deploys.until(|event| event["event"] == "finished" && event["exit_code"] == 0).is_some());
    assert_eq!(on.history().len(), 1);

    on.killed(&["upgrade", "wine", "charts/wine", "--reuse-values"]);
    assert_eq!(on.last().0, "pending-upgrade");
    project.configure("seed = 42", "seed = 43");
    let mut deploys = project.start(&["ci"]);
    says(&mut deploys, "its revision 2 is pending-upgrade since");
    says(&mut deploys, "goes back to revision 1");
    let second = deploys.until(|event| event["event"] == "finished").unwrap();
    assert_eq!(second["exit_code"], 0, "{second:#}");
    assert_eq!(on.history().len(), 4, "{:?}", on.history());
    assert_eq!(on.images(0), [second["image"]["pushed"].as_str().unwrap()]);

    // A lock that is young is waited for, and nothing is taken back.
    project.configure("lock_seconds = 3", "lock_seconds = 600");
    on.killed(&["upgrade", "wine", "charts/wine", "--reuse-values"]);
    let mut deploys = project.start(&["deploy", "staging"]);
    says(&mut deploys, "is locked: its revision 5 is pending-upgrade");
    assert_eq!(on.last().0, "pending-upgrade");
    on.helm(&["rollback", "wine", "4"]);
    let deployed = deploys.until(|event| event["event"] == "finished").unwrap();
    assert_eq!(deployed["exit_code"], 0, "{deployed:#}");

    // An uninstallation that waits for somebody's finalizer.
    let holds = |finalizers: &str| {
        let patch = format!("{{\"metadata\":{{\"finalizers\":{finalizers}}}}}");
        kubectl(&[
            "--namespace",
            &on.namespaces.0[0],
            "patch",
            "service",
            "wine",
            "--type",
            "merge",
            "--patch",
            &patch,
        ]);
    };
    project.configure("lock_seconds = 600", "lock_seconds = 3");
    holds("[\"example.com/holds\"]");
    let mut child = on.command(&["uninstall", "wine", "--wait", "--timeout", "10m"]).spawn().unwrap();
    eventually("a release that goes", || on.last().0 == "uninstalling");
    child.kill().unwrap();
    child.wait().unwrap();
    holds("null");
    let mut deploys = project.start(&["deploy", "staging"]);
    says(&mut deploys, "is brought to its end");
    let deployed = deploys.until(|event| event["event"] == "finished").unwrap();
    assert_eq!(deployed["exit_code"], 0, "{deployed:#}");
    assert_eq!(on.history().len(), 1);
}

/// With the Role that `--dry-run` names, and nothing else.
#[test]
#[ignore = "needs Helm and a Kubernetes cluster: cargo xtask test --lab helm kubernetes"]
fn a_deployer_with_the_least_role() {
    let on = ByHelm::new();
    let (project, namespace) = (&on.project, on.namespaces.0[0].as_str());
    let context = variable("MLCI_LAB_KUBE_CONTEXT");
    project.configure("create_namespace = true", "create_namespace = false");
    project.pass(&["ci", "--stage", "..image"]);
    let role = project.pass(&["deploy", "staging", "--dry-run"]).value["result"]["role"].to_string();
    kubectl(&["create", "namespace", namespace]);
    project.write(".mlci/role.json", &role);
    kubectl(&["apply", "--filename", project.path(".mlci/role.json").to_str().unwrap()]);
    let within = |arguments: &[&str]| kubectl(&[&["--namespace", namespace], arguments].concat());
    within(&["create", "serviceaccount", "deployer"]);
    let subject = format!("--serviceaccount={namespace}:deployer");
    within(&["create", "rolebinding", "deployer", "--role=wine-deploy", &subject]);
    let token = within(&["create", "token", "deployer"]);
    // The same context, by somebody who may do less.
    let view = ["config", "view", "--minify", "--raw", "--flatten", "--output", "json"];
    let mut config: Value = serde_json::from_str(&kubectl(&view)).unwrap();
    config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
    project.write(".mlci/kubeconfig", &config.to_string());
    let run = |arguments: &[&str]| {
        let mut command = project.command(&[arguments, &["--format", "json"]].concat());
        finished(&command.env("KUBECONFIG", project.path(".mlci/kubeconfig")).output().unwrap())
    };
    let first = run(&["deploy", "staging"]);
    assert_eq!(first.code, 0, "in {context}: {:#}", first.value);
    project.configure("seed = 42", "seed = 43");
    for arguments in
        [&["ci"][..], &["rollback", "staging"], &["restart", "staging"], &["logs", "staging"], &["pause", "staging"]]
    {
        let done = run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {:#}", done.value);
    }
}

/// A chart of the team's own, begun with the generated one.
#[test]
#[ignore = "needs Helm and a Kubernetes cluster: cargo xtask test --lab helm kubernetes"]
fn a_chart_and_values_of_ones_own() {
    let on = ByHelm::new();
    let project = &on.project;
    project.pass(&["generate", "helm"]);
    project.write(
        "charts/wine/templates/own.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: b}\n",
    );
    project.write("deploy/values.yaml", "podAnnotations: {team: wine}\nreplicas: 7\n");
    let keys = "target = \"helm\"\nchart = \"charts/wine\"\nvalues = [\"deploy/values.yaml\"]";
    project.configure("target = \"helm\"", keys);
    let first = project.pass(&["ci"]);
    assert_eq!(first.environment("staging")["status"], "verified", "{:#}", first.value);
    kubectl(&["--namespace", &on.namespaces.0[0], "get", "configmap", "own"]);
    let pods = on.namespaces.pods(0);
    assert_eq!(pods.len(), 2, "what the environment says goes before");
    assert_eq!(pods[0]["metadata"]["annotations"]["team"], "wine");

    // What could not be watched is refused before anything changes; so is a program that is not there.
    let text = project.read("charts/wine/templates/service.yaml");
    project.write("charts/wine/templates/service.yaml", "");
    let refused = project.run(&["deploy", "staging"]);
    assert_eq!(refused.code, 2, "{:#}", refused.value);
    assert!(refused.error().contains("makes no Deployment and Service with the name `wine`"), "{}", refused.error());
    project.write("charts/wine/templates/service.yaml", &text);
    project.configure(&variable("MLCI_LAB_HELM"), "tools/helm");
    let refused = project.run(&["restart", "staging"]);
    assert!(
        refused.code == 2 && refused.error().contains("configuration of `staging` has changed"),
        "{}",
        refused.error()
    );
    let refused = project.run(&["deploy", "staging"]);
    assert!(refused.code == 2 && refused.error().contains("tools/helm` cannot be started"), "{}", refused.error());
    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.value["result"].to_string().contains("tools/helm` cannot be started"), "{:#}", doctor.value);
    assert_eq!(on.history().len(), 1);
}
