use mlci_k8s::Chart;
use serde_json::{Value, json};

use crate::{DIGEST, Written, of_kind, workload, write};

fn chart() -> Written {
    write(&Chart::new(workload("wine")))
}

/// The value that the server's variable gets.
fn variable(objects: &[Value]) -> Value {
    let container = &of_kind(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    container["env"][0]["value"].clone()
}

/// Texts that YAML reads as numbers, booleans or nothing: in quotes they stay as they are; without, the place and the fix
/// are named.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn a_text_stays_a_text_or_is_refused() {
    let chart = chart();
    let digest = format!("image.digest={DIGEST}");
    for text in ["20161216", "1e5", "0123456", "on", "true", "1_000", "0x10", "-.5", "1.0"] {
        let quoted = chart.values(&format!("env: {{X: \"{text}\"}}"));
        let objects = chart.template("wine", &["--set", &digest, "--values", &quoted]);
        assert_eq!(variable(&objects), json!(text));
        let objects = chart.template("wine", &["--set", &digest, "--set-string", &format!("env.X={text}")]);
        assert_eq!(variable(&objects), json!(text));
        for table in ["env", "labels", "annotations", "podAnnotations", "nodeSelector"] {
            let bare = chart.values(&format!("{table}: {{X: {text}}}"));
            let error = chart.refused("wine", &["--set", &digest, "--values", &bare]);
            assert!(error.contains(&format!("/{table}/X")) && error.contains("in quotes"), "{text}: {error}");
        }
        // Without quotes on the command line, it is the text or the same refusal.
        let set = format!("env.X={text}");
        let arguments = ["template", "wine", ".", "--set", &digest, "--set", &set];
        let output = crate::helm(&chart.path, &arguments);
        if output.status.success() {
            assert_eq!(variable(&crate::objects(&String::from_utf8(output.stdout).unwrap())), json!(text));
        } else {
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(error.contains("/env/X") && error.contains("--set-string"), "{error}");
        }
    }
    let texts = "# {{ .Values.image }}\n- $(HOME) ä \"'\\";
    let file = chart.values(&format!("env: {}", json!({ "X": texts })));
    assert_eq!(variable(&chart.template("wine", &["--set", &digest, "--values", &file])), json!(texts));
}

/// What is wrong is named by its place, before anything reaches a cluster.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn wrong_values_are_named() {
    let chart = chart();
    let digest = format!("image.digest={DIGEST}");
    let check = |values: &[&str], says: &[&str]| {
        let more: Vec<&str> = values.iter().flat_map(|value| ["--set-json", value]).collect();
        let error = chart.refused("wine", &more);
        for word in says {
            assert!(error.contains(word), "{values:?}: {error}");
        }
    };
    let pattern = "does not match pattern '^sha256:[0-9a-f]{64}$'";
    check(&[], &["'/image'", "missing property 'digest'"]);
    check(&["image.digest=\"latest\""], &["'/image/digest'", "'latest'", pattern]);
    check(&["image.digest=\"SHA256:0\""], &["'/image/digest'", pattern]);
    let json = format!("image.digest=\"{DIGEST}\"");
    let with = |value: &str, says: &[&str]| check(&[&json, value], says);
    with("image.tag=\"v1\"", &["'/image'", "'tag' not allowed"]);
    with("image.repository=\"a/b:v1\"", &["'/image/repository'", "'a/b:v1'"]);
    with("image.repository=\"a/b@sha256\"", &["'/image/repository'"]);
    with("replicas=\"two\"", &["'/replicas'", "got string, want integer"]);
    with("replicas=-1", &["'/replicas'", "minimum"]);
    with("replica=2", &["'replica' not allowed"]);
    with("service.port=65536", &["'/service/port'", "want 65,535"]);
    with("resources.memory=\"1e3\"", &["'/resources/memory'", "'1e3'"]);
    with("resources.memory=134217728", &["'/resources/memory'", "got number, want string"]);
    with("pullSecrets=[{\"name\":\"x\"}]", &["'/pullSecrets/0'", "got object, want string"]);
    with("env={\"A=B\":\"x\"}", &["'/env'", "'A=B' not allowed"]);
    with("labels={\"team\":\"a/b\"}", &["'/labels/team'", "'a/b'"]);
    with("labels={\"app.kubernetes.io/name\":\"x\"}", &["`app.kubernetes.io/name` is set by the chart itself"]);
    // The same without what is wrong.
    for right in ["image.repository=\"localhost:5000/a/b_c\"", "resources.cpuLimit=\"1.5\"", "env={\"a.b-C\":\"x\"}"] {
        assert!(!chart.template("wine", &["--set", &digest, "--set-json", right]).is_empty());
    }
}

#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn replicas_may_be_left_to_an_autoscaler() {
    let chart = chart();
    let digest = format!("image.digest={DIGEST}");
    for (replicas, number, budget) in [
        ("null", Value::Null, true),
        ("0", json!(0), false),
        ("1", json!(1), false),
        ("2", json!(2), true),
        // A number that Go prints as 1e+06 unless it is told not to.
        ("1000000", json!(1_000_000), true),
    ] {
        let objects = chart.template("wine", &["--set", &digest, "--set", &format!("replicas={replicas}")]);
        assert_eq!(of_kind(&objects, "Deployment")["spec"].get("replicas").cloned().unwrap_or_default(), number);
        let found = objects.iter().any(|object| object["kind"] == "PodDisruptionBudget");
        assert_eq!(found, budget, "{replicas}");
    }
}

/// Values that are passed on as they are.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn pods_can_be_sent_to_certain_nodes() {
    let chart = chart();
    let toleration = json!({ "key": "gpu", "operator": "Exists", "effect": "NoSchedule" });
    let file = chart.values(
        &json!({ "image": { "digest": DIGEST }, "nodeSelector": { "pool": "08" }, "tolerations": [toleration] })
            .to_string(),
    );
    let objects = chart.template("wine", &["--values", &file]);
    for spec in [&of_kind(&objects, "Deployment")["spec"]["template"]["spec"], &of_kind(&objects, "Pod")["spec"]] {
        assert_eq!((&spec["nodeSelector"], &spec["tolerations"]), (&json!({ "pool": "08" }), &json!([toleration])));
    }
}
