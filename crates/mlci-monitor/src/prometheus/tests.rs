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

/// The environment is told by the namespace, and another project in it is left alone.
#[test]
fn pods_in_a_cluster() {
    let text = file(&settings(), "scrape-kubernetes.yml").unwrap();
    let all = ["role: pod", "- wine-prod", "managed_by", "label_mlci_project", r"mlci;wine\.v2", "action: keep"];
    in_order(&text, &all);
    in_order(
        &text,
        &["target_label: project", "wine.v2", "regex: wine-prod", "target_label: environment", "production"],
    );
    let mut settings = settings();
    settings.environments.pop();
    assert_eq!(file(&settings, "scrape-kubernetes.yml"), None);
}

#[test]
fn thresholds_stand_in_the_rules() {
    let mut settings = settings();
    settings.thresholds.error_ratio = 0.125;
    settings.thresholds.drift_rows = 321;
    let rules = file(&settings, "rules.yml").unwrap();
    assert!(rules.contains("> 0.125") && rules.contains(">= 321"), "{rules}");
    settings.thresholds.drift_rows = 1;
    assert!(settings.rules().is_err() && settings.dashboards().is_err());
}
