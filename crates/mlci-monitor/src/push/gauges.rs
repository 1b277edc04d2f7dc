use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::prometheus_text,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

type Labels = Vec<(String, String)>;
type Gauged = Family<Labels, Gauge<f64, AtomicU64>>;

/// Numbers to be pushed, each with a name, a help text and labels.
#[derive(Debug, Default)]
pub struct Gauges {
    registry: Registry,
    families: Vec<(String, Gauged)>,
}

impl Gauges {
    /// Sets a gauge. Of a name the first help text counts; the same name and labels again replace the value.
    pub fn set(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let position = self.families.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            let family = Gauged::default();
            self.registry.register(name, help, family.clone());
            self.families.push((name.to_owned(), family));
            self.families.len() - 1
        });
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if let Some((_, family)) = self.families.get(position) {
            family.get_or_create(&labels).set(value);
        }
    }

    /// The gauges in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}
