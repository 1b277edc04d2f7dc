use base64::{Engine as _, engine::general_purpose::URL_SAFE};

/// A group of the Pushgateway's: the labels that all that is pushed to it gets. A group stays there until somebody
/// deletes it, so its labels should have few values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    labels: Vec<(String, String)>,
}

impl Group {
    /// The group of a job.
    #[must_use]
    pub fn new(job: &str) -> Self {
        Self { labels: vec![("job".to_owned(), job.to_owned())] }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The path of the group. What a path cannot hold as it is stands there as base64, as the gateway's API has it
    /// (prometheus/pushgateway, README, "URL").
    pub(super) fn segments(&self) -> Vec<String> {
        let mut segments = vec!["metrics".to_owned()];
        for (name, value) in &self.labels {
            let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte));
            // `.` and `..` would be steps in the path.
            if plain && !value.bytes().all(|byte| byte == b'.') {
                segments.extend([name.clone(), value.clone()]);
            } else {
                // A path cannot end with nothing either; its base64 is padding alone.
                let encoded = if value.is_empty() { "=".to_owned() } else { URL_SAFE.encode(value) };
                segments.extend([format!("{name}@base64"), encoded]);
            }
        }
        segments
    }
}
