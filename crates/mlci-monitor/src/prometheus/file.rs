use std::collections::BTreeMap;

use serde::Serialize;

use super::{alerts::Alert, recording::Recording};
use crate::Settings;

/// A rule file.
#[derive(Serialize)]
pub(crate) struct Rules {
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Rule {
    Record {
        record: String,
        expr: String,
    },
    Alert {
        alert: String,
        expr: String,
        r#for: String,
        labels: BTreeMap<&'static str, String>,
        annotations: BTreeMap<&'static str, String>,
    },
}

impl Rules {
    pub(crate) fn new(settings: &Settings, recordings: Vec<Recording>, alerts: &[Alert]) -> Self {
        let records = recordings.into_iter().map(|Recording { record, expr }| Rule::Record { record, expr });
        let alerts = alerts.iter().map(|alert| Rule::Alert {
            alert: alert.name.to_owned(),
            expr: alert.expr.clone(),
            r#for: format!("{}m", alert.minutes),
            labels: BTreeMap::from([("severity", alert.severity.to_owned())]),
            annotations: alert.annotations(settings),
        });
        let group = |name: &str, rules| Group { name: format!("mlci-{}-{name}", settings.project), rules };
        // One group after the other would be evaluated beside each other; in one, an alert sees what was just recorded.
        Self { groups: vec![group("serving", records.chain(alerts).collect())] }
    }
}
