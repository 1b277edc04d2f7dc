use std::{sync::Arc, time::Duration};

use mlci_model::{Column, Range};
use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{ServedModel, drift::Drift};

pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Labels of a request. All three come from fixed sets, so that no client can make series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    path: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Feature {
    feature: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelInfo {
    name: String,
    version: String,
    digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildInfo {
    version: &'static str,
}

/// What the server counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Family<Request, Histogram>,
    inference: Histogram,
    predictions: Counter,
    /// One a feature, in the order of the schema, with its range in training.
    out_of_range: Vec<(Range, Counter)>,
    drift: Arc<Drift>,
}

impl Metrics {
    pub(crate) fn of(served: &ServedModel) -> Self {
        let mut registry = Registry::with_prefix("mlci");
        let requests = Family::default();
        registry.register("http_requests", "HTTP requests answered", requests.clone());
        let durations: Family<Request, Histogram> = Family::new_with_constructor(|| {
            Histogram::new([
                1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ])
        });
        let help = "Time from a request's head to its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        let inference = Histogram::new([
            1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2,
            0.1, 1.0,
        ]);
        let help = "Time to predict the rows of a request, without reading them";
        registry.register_with_unit("inference_duration", help, Unit::Seconds, inference.clone());
        let predictions = Counter::default();
        registry.register("predictions", "Rows predicted", predictions.clone());

        let outside = Family::<Feature, Counter>::default();
        registry.register("out_of_range", "Values outside the range seen in training", outside.clone());
        let counter = |column: &Column| {
            let counter = outside.get_or_create_owned(&Feature { feature: column.name.clone() });
            (column.range, counter)
        };
        let out_of_range = served.model().schema().features.iter().map(counter).collect();

        let drift = Arc::new(Drift::of(served.model()));
        registry.register_collector(Box::new(Arc::clone(&drift)));

        let info = Family::<ModelInfo, Gauge>::default();
        registry.register("model_info", "The model served", info.clone());
        info.get_or_create(&ModelInfo {
            name: served.model().name().to_string(),
            version: served.version().to_owned(),
            digest: served.digest().to_string(),
        })
        .set(1);
        let build = Family::<BuildInfo, Gauge>::default();
        registry.register("build_info", "The server", build.clone());
        build.get_or_create(&BuildInfo { version: env!("CARGO_PKG_VERSION") }).set(1);
        Self { registry, requests, durations, inference, predictions, out_of_range, drift }
    }

    /// Counts what the log has dropped.
    pub(crate) fn add_dropped(&mut self, lines: Counter) {
        self.registry.register("log_lines_dropped", "Lines of the log that were not written", lines);
    }

    pub(crate) fn request(&self, path: &'static str, method: &'static str, status: u16, took: Duration) {
        let labels = Request { path, method, status };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a batch: `values` row-major, one value a feature, and one prediction a row.
    pub(crate) fn predicted(&self, values: &[f64], predictions: &[f64], took: Duration) {
        self.inference.observe(took.as_secs_f64());
        self.predictions.inc_by(predictions.len() as u64);
        let width = self.out_of_range.len().max(1);
        for (feature, (range, counter)) in self.out_of_range.iter().enumerate() {
            let outside = values.iter().skip(feature).step_by(width).filter(|value| !range.contains(**value)).count();
            if outside > 0 {
                counter.inc_by(outside as u64);
            }
        }
        self.drift.count(values, predictions);
    }

    /// The metrics in Prometheus' text format 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}
