use super::PREDICTS;
use crate::Settings;

/// A series that is computed once for all who ask. Its name says the labels it keeps, the metric, and what was done.
pub(crate) struct Recording {
    pub(crate) record: String,
    pub(crate) expr: String,
}

pub(crate) fn all(settings: &Settings) -> Vec<Recording> {
    let project = settings.selector();
    let rows = settings.thresholds.drift_rows;
    let by = "sum by (project, environment)";
    let mut all = vec![
        (
            "environment:mlci_http_requests:rate5m".to_owned(),
            format!("{by} (rate(mlci_http_requests_total{{{project},{PREDICTS}}}[5m]))"),
        ),
        (
            // A server that never failed has no series of failures. Without requests there is no ratio.
            "environment:mlci_http_requests:error_ratio5m".to_owned(),
            format!(
                "({by} (rate(mlci_http_requests_total{{{project},{PREDICTS},status=~\"5..\"}}[5m])) \
                 or 0 * environment:mlci_http_requests:rate5m{{{project}}}) \
                 / (environment:mlci_http_requests:rate5m{{{project}}} > 0)"
            ),
        ),
    ];
    for (metric, matchers) in [
        ("mlci_http_request_duration_seconds", format!("{project},{PREDICTS}")),
        ("mlci_inference_duration_seconds", project.clone()),
    ] {
        for (name, quantile) in [("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99")] {
            all.push((
                format!("environment:{metric}:{name}_5m"),
                format!(
                    "histogram_quantile({quantile}, sum by (project, environment, le) \
                     (rate({metric}_bucket{{{matchers}}}[5m])))"
                ),
            ));
        }
    }
    // Each server has a window of its own; the one that drifts most counts.
    let enough = format!("and on (project, environment, instance) mlci_drift_rows{{{project}}} >= {rows}");
    all.extend([
        (
            "environment:mlci_predictions:rate5m".to_owned(),
            format!("{by} (rate(mlci_predictions_total{{{project}}}[5m]))"),
        ),
        (
            "environment:mlci_predictions:increase1h".to_owned(),
            format!("{by} (increase(mlci_predictions_total{{{project}}}[1h]))"),
        ),
        (
            "environment_feature:mlci_out_of_range:ratio1h".to_owned(),
            format!(
                "sum by (project, environment, feature) (increase(mlci_out_of_range_total{{{project}}}[1h])) \
                 / on (project, environment) group_left () \
                 (environment:mlci_predictions:increase1h{{{project}}} >= {rows})"
            ),
        ),
        (
            "environment_feature:mlci_drift_psi:max".to_owned(),
            format!("max by (project, environment, feature) (mlci_drift_psi{{{project}}} {enough})"),
        ),
        (
            "environment:mlci_prediction_drift_psi:max".to_owned(),
            format!("max by (project, environment) (mlci_prediction_drift_psi{{{project}}} {enough})"),
        ),
        (
            "environment:mlci_models:count".to_owned(),
            format!(
                "count by (project, environment) (group by (project, environment, digest) \
                 (mlci_model_info{{{project}}}))"
            ),
        ),
    ]);
    all.into_iter().map(|(record, expr)| Recording { record, expr }).collect()
}
