//! Unit tests of the alerts for `promtool test rules`: each alert fires in one and stays silent in another.

use std::collections::BTreeMap;

use serde::Serialize;

use super::alerts::{Alert, NUMBER};
use crate::Settings;

/// A server that an example is about.
#[derive(Clone, Copy)]
pub(crate) struct Server {
    environment: &'static str,
    instance: &'static str,
}

pub(crate) const HERE: Server = Server { environment: "staging", instance: "a:80" };
/// In another environment, so that what is known of one server is not taken for the other's.
pub(crate) const ELSEWHERE: Server = Server { environment: "production", instance: "b:80" };

/// A series of samples a minute apart, in promtool's notation.
#[derive(Clone, Serialize)]
pub(crate) struct Series {
    series: String,
    values: String,
}

/// What makes an alert fire, and with which labels and value.
pub(crate) struct Example {
    pub(crate) series: Vec<Series>,
    pub(crate) environment: Option<&'static str>,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: &'static str,
}

impl Series {
    pub(crate) fn of(settings: &Settings, server: Server, metric: &str, labels: &str, values: &str) -> Self {
        let comma = if labels.is_empty() { "" } else { "," };
        let Server { environment, instance } = server;
        let target = format!("project=\"{}\",environment=\"{environment}\",instance=\"{instance}\"", settings.project);
        Self { series: format!("{metric}{{{target}{comma}{labels}}}"), values: values.to_owned() }
    }

    /// What the rules have nothing to do with: an exporter of the same people, who label all that is theirs.
    pub(crate) fn foreign(settings: &Settings, values: &str) -> Self {
        Self::of(settings, HERE, "up", "job=\"node\"", values)
    }
}

impl Example {
    pub(crate) fn of(series: Vec<Series>, labels: &[(&'static str, &str)], value: &'static str) -> Self {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { series, environment: Some(HERE.environment), labels, value }
    }
}

#[derive(Serialize)]
pub(crate) struct File {
    rule_files: [&'static str; 1],
    evaluation_interval: &'static str,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    interval: &'static str,
    input_series: Vec<Series>,
    alert_rule_test: [Expected; 1],
}

#[derive(Serialize)]
struct Expected {
    eval_time: String,
    alertname: &'static str,
    exp_alerts: Vec<Firing>,
}

#[derive(Serialize)]
struct Firing {
    exp_labels: BTreeMap<&'static str, String>,
    exp_annotations: BTreeMap<&'static str, String>,
}

pub(crate) fn file(settings: &Settings, alerts: &[Alert]) -> File {
    let tests = alerts.iter().flat_map(|alert| {
        [
            test(alert, "fires", alert.fires.series.clone(), vec![firing(settings, alert)]),
            test(alert, "stays silent", alert.silent.clone(), Vec::new()),
        ]
    });
    File { rule_files: ["rules.yml"], evaluation_interval: "1m", tests: tests.collect() }
}

fn test(alert: &Alert, what: &str, input_series: Vec<Series>, exp_alerts: Vec<Firing>) -> Test {
    // Late enough that it has held for as long as it must, and a window of an hour is full where there is one.
    let minutes = if alert.expr.contains("1h") { 80 } else { alert.minutes + 15 };
    Test {
        name: format!("{} {what}", alert.name),
        interval: "1m",
        input_series,
        alert_rule_test: [Expected { eval_time: format!("{minutes}m"), alertname: alert.name, exp_alerts }],
    }
}

fn firing(settings: &Settings, alert: &Alert) -> Firing {
    let example = &alert.fires;
    let mut labels: BTreeMap<&'static str, String> = example.labels.iter().cloned().collect();
    labels.insert("project", settings.project.to_string());
    labels.extend(example.environment.map(|name| ("environment", name.to_owned())));
    let expanded = |text: &String| {
        let start = text.replace(NUMBER, example.value);
        labels.iter().fold(start, |text, (name, value)| text.replace(&format!("{{{{ $labels.{name} }}}}"), value))
    };
    let exp_annotations = alert.annotations(settings).iter().map(|(name, text)| (*name, expanded(text))).collect();
    labels.insert("severity", alert.severity.to_owned());
    Firing { exp_labels: labels, exp_annotations }
}
