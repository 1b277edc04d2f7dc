//! What promtool does not look at: that files belong together, and that servers are told apart.

use crate::{Environment, Place, Settings};

fn settings() -> Settings {
    let mut settings = Settings::new("wine.v2".parse().unwrap());
    let environment = |name: &str, place| Environment { name: name.parse().unwrap(), place };
    settings.environments = vec![
        environment("dev", Place::Unknown),
        environment("staging", Place::Address("10.0.0.7:8080".to_owned())),
        environment("production", Place::Namespace("wine-prod".to_owned())),
    ];
    settings.runbook = Some("https://example.com/run".to_owned());
    settings.pushgateway = Some("https://push.example.com/prefix/".to_owned());
    settings
}

fn file(settings: &Settings, name: &str) -> Option<String> {
    let files = settings.rules().unwrap();
    assert!(files.iter().all(|file| mlci_core::RenderedFile::is_ours(&file.text)));
    assert_eq!(files, settings.rules().unwrap(), "the same settings give the same bytes");
    files.into_iter().find(|file| file.path == format!("monitoring/prometheus/{name}")).map(|file| file.text)
}

/// The lines hold these, in this order.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let (_, after) =
            rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is not behind the one before in\n{text}"));
        rest = after;
    }
}

#[test]
fn every_alert_has_an_example_of_both_kinds_and_a_runbook() {
    let settings = settings();
    let (rules, tests) = (file(&settings, "rules.yml").unwrap(), file(&settings, "rules_test.yml").unwrap());
    let names: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(names.len(), 9);
    for name in names {
        in_order(
            &tests,
            &[&format!("name: {name} fires"), "exp_labels", &format!("name: {name} stays silent"), "exp_alerts: []"],
        );
        assert!(rules.contains(&format!("https://example.com/run#{}\n", name.to_lowercase())), "{name}");
    }
    assert!(!tests.contains("{{"), "a template was not put in:\n{tests}");
}

#[test]
fn servers_with_an_address_and_the_pushgateway() {
    let text = file(&settings(), "scrape.yml").unwrap();
    in_order(
        &text,
        &[
            "# `dev` has no fixed address",
            "scrape_configs:",
            "10.0.0.7:8080",
            "environment: staging",
            "project: wine.v2",
        ],
    );
    in_order(&text, &["pushgateway", "scheme: https", "/prefix/metrics", "honor_labels: true", "push.example.com"]);
    assert!(!text.contains("kubernetes"), "Debian's Prometheus refuses the whole file:\n{text}");
}

/// The environment is told by the namespace or the pod's label, and another project in it is left alone.
#[test]
fn pods_in_a_cluster() {
    let mut settings = settings();
    let place = Place::Namespace("wine-prod".to_owned());
    settings.environments.push(Environment { name: "elsewhere".parse().unwrap(), place });
    let text = file(&settings, "scrape-kubernetes.yml").unwrap();
    in_order(&text, &["role: pod", "label_mlci_project", r"wine\.v2", "action: keep"]);
    assert!(!text.contains("managed_by"), "Helm says of itself that it manages a pod:\n{text}");
    assert_eq!(text.matches("- wine-prod\n").count(), 1, "a namespace is asked for its pods once:\n{text}");
    assert!(text.contains("regex: Running\n"), "a pod whose image is being pulled is no server:\n{text}");
    // What a pod says of itself is behind what the namespaces say, where two have one name.
    in_order(
        &text,
        &[
            "target_label: project",
            "wine.v2",
            "regex: wine-prod",
            "replacement: production",
            "regex: wine-prod",
            "replacement: elsewhere",
            "label_mlci_environment",
            "regex: (.+)",
            "target_label: environment",
            "action: replace",
        ],
    );
    settings.environments.retain(|environment| !matches!(environment.place, Place::Namespace(_)));
    assert_eq!(file(&settings, "scrape-kubernetes.yml"), None);
}

/// The alerts look for the servers in the jobs that the scrape configurations have.
#[test]
fn whose_up_it_is() {
    let settings = settings();
    let rules = file(&settings, "rules.yml").unwrap();
    let servers: Vec<&str> = rules.lines().filter(|line| line.contains("up{")).collect();
    assert_eq!(servers.len(), 3, "{rules}");
    assert!(servers.iter().all(|line| line.contains(r#"job=~"mlci-wine[.]v2(-pods)?""#)), "{servers:#?}");
    for (name, job) in [("scrape.yml", "mlci-wine.v2"), ("scrape-kubernetes.yml", "mlci-wine.v2-pods")] {
        let text = file(&settings, name).unwrap();
        assert!(text.contains(&format!("job_name: {job}\n")), "{text}");
    }
}

/// Case: a project whose name has that of the examples' environment in it.
#[test]
fn examples_are_all_of_one_project() {
    let mut settings = settings();
    settings.project = "staging-a-80-scores".parse().unwrap();
    let tests = file(&settings, "rules_test.yml").unwrap();
    let series: Vec<&str> = tests.lines().filter(|line| line.contains("series: ")).collect();
    assert!(series.iter().any(|line| line.contains("environment=\"production\"")), "{tests}");
    for line in series {
        assert!(line.contains("project=\"staging-a-80-scores\""), "{line}");
    }
}

#[test]
fn thresholds_stand_in_the_rules() {
    let mut settings = settings();
    settings.thresholds.error_ratio = 0.125;
    settings.thresholds.error_requests = 77;
    settings.thresholds.drift_rows = 321;
    let rules = file(&settings, "rules.yml").unwrap();
    assert!(rules.contains("> 0.125") && rules.contains(">= 321") && rules.contains("* 300 >= 77"), "{rules}");
    settings.thresholds.drift_rows = 1;
    assert!(settings.rules().is_err() && settings.dashboards().is_err());
}
