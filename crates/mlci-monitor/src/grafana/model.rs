use serde_json::Value;

use super::{
    dashboard::{SERVERS, dashboard, variable},
    panel::Panel,
};
use crate::Settings;

/// How the model does: drift, values out of range, predictions, versions, and the runs that made it.
pub(crate) fn dashboard_of(settings: &Settings) -> Value {
    let limits = &settings.thresholds;
    let features = format!("{SERVERS},feature=~\"$feature\"");
    let predictions = format!("sum by (environment) (rate(mlci_predictions_total{{{SERVERS}}}[$__rate_interval]))");
    let run = "project=\"$project\"";
    let panels = [
        Panel::stat("Predictions", "short").query(format!("sum({predictions})"), "").about("Rows a second."),
        Panel::stat("Rows that drift is about", "short")
            .about("The fewest of any server. Below 200 there is no index; alerts want more.")
            .query(format!("min(mlci_drift_rows{{{SERVERS}}})"), ""),
        Panel::stat("Largest drift of a feature", "none")
            .limit(limits.drift_psi)
            .query(format!("max(mlci_drift_psi{{{features}}})"), ""),
        Panel::stat("Drift of the prediction", "none")
            .limit(limits.drift_psi)
            .query(format!("max(mlci_prediction_drift_psi{{{SERVERS}}})"), ""),
        Panel::lines("Drift by feature", "none")
            .about("Population stability index of the last 1,000 to 2,000 rows of a server against training.")
            .limit(limits.drift_psi)
            .query(
                format!("max by (environment, feature) (mlci_drift_psi{{{features}}})"),
                "{{environment}} {{feature}}",
            ),
        Panel::lines("Drift of the prediction", "none")
            .limit(limits.drift_psi)
            .query(format!("max by (environment) (mlci_prediction_drift_psi{{{SERVERS}}})"), "{{environment}}"),
        Panel::lines("Values outside the range of training", "percentunit").limit(limits.out_of_range_ratio).query(
            format!(
                "sum by (environment, feature) (rate(mlci_out_of_range_total{{{features}}}[$__rate_interval])) \
                 / on (environment) group_left () {predictions}"
            ),
            "{{environment}} {{feature}}",
        ),
        Panel::lines("Predictions", "short").about("Rows a second.").query(predictions, "{{environment}}"),
        Panel::lines("Servers by model version", "short").query(
            format!("count by (environment, version) (mlci_model_info{{{SERVERS}}})"),
            "{{environment}} version {{version}}",
        ),
        Panel::lines("Held-out metrics of the last run", "short")
            .about("Pushed by the pipeline to the Pushgateway.")
            .query(format!("mlci_run_held_out{{{run}}}"), "{{branch}} {{command}} {{metric}}"),
        Panel::table("How commands ended").query(format!("mlci_run_verdict{{{run}}} == 1"), ""),
        Panel::lines("Since the last success", "s").query(
            format!("time() - mlci_run_success_timestamp_seconds{{{run}}}"),
            "{{branch}} {{command}} {{environment}}",
        ),
        Panel::lines("Duration of commands", "s")
            .query(format!("mlci_run_duration_seconds{{{run}}}"), "{{branch}} {{command}} {{environment}}"),
        Panel::lines("Duration of stages", "s")
            .query(format!("mlci_run_stage_duration_seconds{{{run}}}"), "{{branch}} {{stage}}"),
    ];
    let query = "label_values(mlci_out_of_range_total{project=\"$project\"}, feature)";
    dashboard(settings, "model", &panels, vec![variable("feature", "Feature", query, None)])
}
