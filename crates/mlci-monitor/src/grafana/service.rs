use serde_json::Value;

use super::{
    dashboard::{SERVERS, dashboard},
    panel::Panel,
};
use crate::{Settings, prometheus::PREDICTS};

/// How the servers do: requests, failures, time, and what they serve.
pub(crate) fn dashboard_of(settings: &Settings) -> Value {
    let limits = &settings.thresholds;
    let by = |labels: &str, metric: &str| {
        format!("sum by ({labels}) (rate({metric}{{{SERVERS},{PREDICTS}}}[$__rate_interval]))")
    };
    let failed = format!(
        "sum by (environment) (rate(mlci_http_requests_total{{{SERVERS},{PREDICTS},status=~\"5..\"}}[$__rate_interval]))"
    );
    let all = by("environment", "mlci_http_requests_total");
    // Who never failed has no series of failures.
    let ratio = format!("({failed} or 0 * {all}) / {all}");
    let requests = "mlci_http_request_duration_seconds";
    let inference = "mlci_inference_duration_seconds";
    let inferred =
        |labels: &str| format!("sum by ({labels}) (rate({inference}_bucket{{{SERVERS}}}[$__rate_interval]))");
    let quantile = |share: &str, buckets: String| format!("histogram_quantile({share}, {buckets})");
    let request_buckets = |labels: &str| by(labels, &format!("{requests}_bucket"));
    let quantiles = |title, of: &dyn Fn(&str) -> String| {
        Panel::lines(title, "s")
            .query(quantile("0.5", of("environment, le")), "{{environment}} p50")
            .query(quantile("0.95", of("environment, le")), "{{environment}} p95")
            .query(quantile("0.99", of("environment, le")), "{{environment}} p99")
    };
    let panels = [
        // Of the jobs that the scrape configurations have: others may have these labels too.
        Panel::stat("Servers that answer", "short")
            .query(format!("sum(up{{{SERVERS},job=~\"mlci-$project(-pods)?\"}})"), ""),
        Panel::stat("Requests for predictions", "reqps").query(format!("sum({all})"), ""),
        Panel::stat("Failed requests", "percentunit").limit(limits.error_ratio).query(format!("max({ratio})"), ""),
        Panel::stat("99th percentile", "s")
            .limit(limits.latency_seconds)
            .query(quantile("0.99", request_buckets("le")), ""),
        Panel::lines("Requests by status", "reqps")
            .query(by("environment, status", "mlci_http_requests_total"), "{{environment}} {{status}}"),
        Panel::lines("Failed requests", "percentunit")
            .about("The share of requests for predictions that are answered with 5xx.")
            .limit(limits.error_ratio)
            .query(ratio, "{{environment}}"),
        quantiles("Time of requests for predictions", &request_buckets).limit(limits.latency_seconds),
        Panel::heatmap("Time of requests for predictions", "s").query(request_buckets("le"), "{{le}}"),
        quantiles("Time of inference", &inferred).about("Without reading the request."),
        Panel::heatmap("Time of inference", "s").query(inferred("le"), "{{le}}"),
        Panel::lines("Requests by route", "reqps").query(
            format!("sum by (path) (rate(mlci_http_requests_total{{{SERVERS}}}[$__rate_interval]))"),
            "{{path}}",
        ),
        Panel::table("What is served").query(
            format!("group by (environment, instance, name, version, digest) (mlci_model_info{{{SERVERS}}})"),
            "",
        ),
    ];
    dashboard(settings, "service", &panels, Vec::new())
}
