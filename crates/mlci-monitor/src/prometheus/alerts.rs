use std::collections::BTreeMap;

use super::unit_tests::{Example, Series};
use crate::Settings;

/// Something to be woken or told for, with an example that makes it fire and one that does not.
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    pub(crate) severity: &'static str,
    /// How long it has to hold.
    pub(crate) minutes: u32,
    pub(crate) expr: String,
    summary: &'static str,
    description: String,
    pub(crate) fires: Example,
    pub(crate) silent: Vec<Series>,
}

/// How the value stands in a description; an example has the text that comes of it.
pub(crate) const NUMBER: &str = "{{ printf \"%.2f\" $value }}";

impl Alert {
    pub(crate) fn annotations(&self, settings: &Settings) -> BTreeMap<&'static str, String> {
        let mut annotations =
            BTreeMap::from([("summary", self.summary.to_owned()), ("description", self.description.clone())]);
        if let Some(runbook) = &settings.runbook {
            // As headings become anchors.
            annotations.insert("runbook_url", format!("{runbook}#{}", self.name.to_lowercase()));
        }
        annotations
    }
}

pub(crate) fn all(settings: &Settings) -> Vec<Alert> {
    let mut all = availability(settings);
    all.extend(service(settings));
    all.extend(model(settings));
    all
}

fn availability(settings: &Settings) -> Vec<Alert> {
    let project = settings.selector();
    let up = |values: &str| Series::of(settings, "up", "job=\"mlci\"", values);
    vec![
        Alert {
            name: "MlciServerDown",
            severity: "critical",
            minutes: 2,
            expr: format!("up{{{project}}} == 0"),
            summary: "A server of {{ $labels.project }} in {{ $labels.environment }} does not answer",
            description: "{{ $labels.instance }} has not answered Prometheus for 2 minutes.".to_owned(),
            fires: Example::of(up("1+0x10 0+0x20"), &[("instance", "a:80"), ("job", "mlci")], "0"),
            silent: vec![up("1+0x30")],
        },
        Alert {
            name: "MlciServerMissing",
            severity: "critical",
            minutes: 5,
            expr: format!(
                "group by (project, environment) (present_over_time(up{{{project}}}[1d])) \
                 unless group by (project, environment) (up{{{project}}})"
            ),
            summary: "{{ $labels.project }} has no server in {{ $labels.environment }} any more",
            description: "Prometheus has scraped a server there within the last day and finds none now.".to_owned(),
            fires: Example::of(up("1+0x5"), &[], "1"),
            silent: vec![up("1+0x30")],
        },
        Alert {
            name: "MlciNotScraped",
            severity: "warning",
            minutes: 10,
            expr: format!("absent(up{{{project}}})"),
            summary: "Nothing of {{ $labels.project }} is scraped",
            description: "Prometheus has no target with the label project=\"{{ $labels.project }}\": see scrape.yml."
                .to_owned(),
            fires: Example { environment: None, ..Example::of(Series::foreign(), &[], "1") },
            silent: vec![up("1+0x30")],
        },
    ]
}

fn service(settings: &Settings) -> Vec<Alert> {
    let project = settings.selector();
    let (errors, latency) = (settings.thresholds.error_ratio, settings.thresholds.latency_seconds);
    let requests = |status: &str, values: &str| {
        let labels = format!("path=\"/predict\",method=\"POST\",status=\"{status}\"");
        Series::of(settings, "mlci_http_requests_total", &labels, values)
    };
    // All observations in one bucket.
    let bucket = |le: &str, values: &str| {
        let labels = format!("path=\"/predict\",method=\"POST\",status=\"200\",le=\"{le}\"");
        Series::of(settings, "mlci_http_request_duration_seconds_bucket", &labels, values)
    };
    let slow = [bucket("5", "0+0x30"), bucket("10", "0+60x30"), bucket("+Inf", "0+60x30")];
    let fast = [bucket("0.0001", "0+60x30"), bucket("10", "0+60x30"), bucket("+Inf", "0+60x30")];
    vec![
        Alert {
            name: "MlciErrors",
            severity: "critical",
            minutes: 5,
            expr: format!("environment:mlci_http_requests:error_ratio5m{{{project}}} > {errors}"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} fails requests",
            description: format!(
                "A share of {NUMBER} of the requests for predictions is answered with 5xx; the limit is {errors}."
            ),
            fires: Example::of(requests("500", "0+60x30"), &[], "1.00"),
            silent: vec![
                requests("200", "0+1000000x30"),
                requests("503", &format!("0+{}x30", 500_000.0 * errors)),
                // What the client did wrong is no failure of the server's.
                requests("400", "0+1000000x30"),
            ],
        },
        Alert {
            name: "MlciSlow",
            severity: "warning",
            minutes: 10,
            expr: format!("environment:mlci_http_request_duration_seconds:p99_5m{{{project}}} > {latency}"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} is slow",
            description: format!(
                "One in a hundred requests for predictions takes {NUMBER} s or more; the limit is {latency} s."
            ),
            // Between 5 and 10 s, evenly: 5 + 0.99 · 5.
            fires: Example { series: slow.into(), ..Example::of(Series::foreign(), &[], "9.95") },
            silent: fast.into(),
        },
    ]
}

fn model(settings: &Settings) -> Vec<Alert> {
    let project = settings.selector();
    let limits = &settings.thresholds;
    let (psi, rows, range) = (limits.drift_psi, limits.drift_rows, limits.out_of_range_ratio);
    let constant =
        |metric: &str, labels: &str, value: f64| Series::of(settings, metric, labels, &format!("{value}+0x30"));
    let drift = |value: f64| constant("mlci_drift_psi", "feature=\"age\"", value);
    let prediction = |value: f64| constant("mlci_prediction_drift_psi", "", value);
    let window = |rows: u32| constant("mlci_drift_rows", "", f64::from(rows));
    let predictions = |an_hour: u32| {
        Series::of(settings, "mlci_predictions_total", "", &format!("0+{}x90", f64::from(an_hour) / 60.0))
    };
    let outside = |an_hour: f64| {
        Series::of(settings, "mlci_out_of_range_total", "feature=\"age\"", &format!("0+{}x90", an_hour / 60.0))
    };
    let served = |digest: &str, minutes: u32| {
        let labels = format!("name=\"m\",version=\"1\",digest=\"{digest}\"");
        Series::of(settings, "mlci_model_info", &labels, &format!("1+0x{minutes}"))
    };
    // What stays silent is in another environment too, so that one window is not taken for the other's.
    let few = [drift(5.0).elsewhere(), prediction(5.0).elsewhere(), window(rows - 1).elsewhere()];
    let little = [drift(psi / 2.0), prediction(psi / 2.0), window(rows)];
    let quiet: Vec<Series> = few.into_iter().chain(little).collect();
    let index = format!("the population stability index against training is {NUMBER}, the limit {psi}");
    let minutes = limits.two_models_minutes;
    vec![
        Alert {
            name: "MlciDrift",
            severity: "warning",
            minutes: 15,
            expr: format!("environment_feature:mlci_drift_psi:max{{{project}}} > {psi}"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} gets other values of {{ $labels.feature }} than in training",
            description: format!("Over the last {rows} rows or more {index}."),
            fires: Example {
                series: vec![drift(5.0), window(rows)],
                ..Example::of(Series::foreign(), &[("feature", "age")], "5.00")
            },
            silent: quiet.clone(),
        },
        Alert {
            name: "MlciPredictionDrift",
            severity: "warning",
            minutes: 15,
            expr: format!("environment:mlci_prediction_drift_psi:max{{{project}}} > {psi}"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} predicts other values than in training",
            description: format!("Over the last {rows} rows or more {index}."),
            fires: Example {
                series: vec![prediction(5.0), window(rows)],
                ..Example::of(Series::foreign(), &[], "5.00")
            },
            silent: quiet,
        },
        Alert {
            name: "MlciOutOfRange",
            severity: "warning",
            minutes: 15,
            expr: format!("environment_feature:mlci_out_of_range:ratio1h{{{project}}} > {range}"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} gets values of {{ $labels.feature }} outside the range of training",
            description: format!("A share of {NUMBER} of the last hour's values is outside; the limit is {range}."),
            fires: Example {
                series: vec![predictions(6000), outside(6000.0)],
                ..Example::of(Series::foreign(), &[("feature", "age")], "1.00")
            },
            silent: vec![
                predictions(6000),
                outside(3000.0 * range),
                predictions(rows / 2).elsewhere(),
                outside(f64::from(rows / 2)).elsewhere(),
            ],
        },
        Alert {
            name: "MlciTwoModels",
            severity: "warning",
            minutes,
            expr: format!("environment:mlci_models:count{{{project}}} > 1"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} serves more than one model",
            description: format!("Servers there have different digests, and have had them for {minutes} minutes."),
            fires: Example {
                series: vec![served("sha256:a", minutes + 30), served("sha256:b", minutes + 30)],
                ..Example::of(Series::foreign(), &[], "2")
            },
            silent: vec![
                served("sha256:a", minutes + 30),
                served("sha256:a", minutes + 30).elsewhere(),
                served("sha256:b", 0),
            ],
        },
    ]
}
