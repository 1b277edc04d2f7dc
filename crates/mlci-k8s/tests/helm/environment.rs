use mlci_k8s::Chart;
use serde_json::{Value, json};

use crate::{DIGEST, by_kind, of_kind, workload, write};

/// The value gives the very objects that an environment of mlci's own has, and without it they have no trace of one.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn an_environment_is_in_labels_and_log() {
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let digest = format!("image.digest={DIGEST}");
    let mut plain = workload("wine");
    plain.extra_labels.extend([entry("mlci.project", "wine"), entry("z", "last")]);
    // Before and behind it in the order of names.
    for env in [vec![], vec![entry("A", "08"), entry("MLCI_LOG_FORMAT", "ecs"), entry("T", "a: \"b\"\n- 'c'\\")]] {
        plain.env = env.into_iter().collect();
        let chart = write(&Chart::new(plain.clone()));
        let objects = chart.template("wine", &["--set", &digest]);
        assert!(!json!(objects).to_string().to_lowercase().contains("environment"), "{objects:#?}");
        for name in ["staging", "on", "2026"] {
            let mut wanted = plain.clone();
            wanted.env.insert("MLCI_ENVIRONMENT".to_owned(), name.to_owned());
            wanted.extra_labels.insert("mlci.environment".to_owned(), name.to_owned());
            let set = format!("environment={name}");
            let objects = chart.template("wine", &["--set", &digest, "--set-string", &set]);
            let (tests, made): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(|it| it["kind"] == "Pod");
            assert_eq!(by_kind(made.clone()), by_kind(wanted.render().unwrap()));
            // The test's pod is no server, and in the same place.
            let server = &of_kind(&made, "Deployment")["spec"]["template"]["spec"]["containers"][0];
            let test = of_kind(&tests, "Pod");
            assert_eq!(test["metadata"]["labels"]["mlci.environment"], name);
            assert_eq!(test["spec"]["containers"][0]["env"], server["env"]);
        }
    }
}

#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn an_environment_is_a_labels_value_and_stated_once() {
    let chart = write(&Chart::new(workload("wine")));
    let digest = format!("image.digest=\"{DIGEST}\"");
    let check = |values: &str, says: &str| {
        let file = chart.values(values);
        let error = chart.refused("wine", &["--set-json", &digest, "--values", &file]);
        assert!(error.contains(says), "{values}: {error}");
    };
    check("environment: a/b", "'/environment': 'a/b' does not match pattern");
    check("environment: on", "'/environment': value must be 'a text: write it in quotes");
    let twice = "is set by the value `environment`; remove one of the two";
    check("{environment: a, env: {MLCI_ENVIRONMENT: a}}", &format!("env: `MLCI_ENVIRONMENT` {twice}"));
    check("{environment: a, labels: {mlci.environment: a}}", &format!("labels: `mlci.environment` {twice}"));
    // Either alone, as a chart of before had it; and nothing at all.
    for right in ["env: {MLCI_ENVIRONMENT: a}", "labels: {mlci.environment: a}", "environment: null", "env: null"] {
        let file = chart.values(right);
        assert!(!chart.template("wine", &["--set-json", &digest, "--values", &file]).is_empty(), "{right}");
    }
}
