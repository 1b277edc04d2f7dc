use std::collections::BTreeMap;

use super::unit_tests::{ELSEWHERE, Example, HERE, Series};
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
    let (servers, job) = (settings.servers(), settings.job());
    let up = |server, job: &str, values: &str| Series::of(settings, server, "up", &format!("job=\"{job}\""), values);
    let here = |values: &str| up(HERE, &job, values);
    let foreign = |values: &str| Series::foreign(settings, values);
    let pods = format!("{job}-pods");
    vec![
        Alert {
            name: "MlciServerDown",
            severity: "critical",
            minutes: 2,
            expr: format!("up{{{servers}}} == 0"),
            summary: "A server of {{ $labels.project }} in {{ $labels.environment }} does not answer",
            description: "{{ $labels.instance }} has not answered Prometheus for 2 minutes.".to_owned(),
            fires: Example::of(vec![here("1+0x10 0+0x20")], &[("instance", "a:80"), ("job", &job)], "0"),
            silent: vec![here("1+0x30"), foreign("0+0x30")],
        },
        Alert {
            name: "MlciServerMissing",
            severity: "critical",
            minutes: 5,
            expr: format!(
                "group by (project, environment) (present_over_time(up{{{servers}}}[1d])) \
                 unless group by (project, environment) (up{{{servers}}})"
            ),
            summary: "{{ $labels.project }} has no server in {{ $labels.environment }} any more",
            description: "Prometheus has scraped a server there within the last day and finds none now.".to_owned(),
            // Nobody else is taken for a server that is there, or was.
            fires: Example::of(vec![here("1+0x5"), foreign("1+0x30")], &[], "1"),
            silent: vec![up(HERE, &pods, "1+0x30"), up(ELSEWHERE, "node", "1+0x5")],
        },
        Alert {
            name: "MlciNotScraped",
            severity: "warning",
            minutes: 10,
            expr: format!("absent(up{{{servers}}})"),
            summary: "Nothing of {{ $labels.project }} is scraped",
            description: format!(
                "Prometheus has no target with the label project=\"{{{{ $labels.project }}}}\" in the job {job} or {pods}: \
                 see scrape.yml and scrape-kubernetes.yml."
            ),
            fires: Example { environment: None, ..Example::of(vec![foreign("1+0x30")], &[], "1") },
            silent: vec![up(HERE, &pods, "1+0x30")],
        },
    ]
}

fn service(settings: &Settings) -> Vec<Alert> {
    let project = settings.selector();
    let (errors, latency) = (settings.thresholds.error_ratio, settings.thresholds.latency_seconds);
    let least = settings.thresholds.error_requests;
    let requests = |server, status: &str, a_minute: f64| {
        let labels = format!("path=\"/predict\",method=\"POST\",status=\"{status}\"");
        Series::of(settings, server, "mlci_http_requests_total", &labels, &format!("0+{a_minute}x30"))
    };
    // All observations in one bucket.
    let bucket = |le: &str, values: &str| {
        let labels = format!("path=\"/predict\",method=\"POST\",status=\"200\",le=\"{le}\"");
        Series::of(settings, HERE, "mlci_http_request_duration_seconds_bucket", &labels, values)
    };
    let slow = [bucket("5", "0+0x30"), bucket("10", "0+60x30"), bucket("+Inf", "0+60x30")];
    let fast = [bucket("0.0001", "0+60x30"), bucket("10", "0+60x30"), bucket("+Inf", "0+60x30")];
    vec![
        Alert {
            name: "MlciErrors",
            severity: "critical",
            minutes: 5,
            // Of one request at night a failure is all.
            expr: format!(
                "environment:mlci_http_requests:error_ratio5m{{{project}}} > {errors} \
                 and environment:mlci_http_requests:rate5m{{{project}}} * 300 >= {least}"
            ),
            summary: "{{ $labels.project }} in {{ $labels.environment }} fails requests",
            description: format!(
                "A share of {NUMBER} of the requests for predictions is answered with 5xx; the limit is {errors}."
            ),
            fires: Example::of(vec![requests(HERE, "500", f64::from(least))], &[], "1.00"),
            silent: vec![
                requests(HERE, "200", 1e6),
                requests(HERE, "503", 5e5 * errors),
                // What the client did wrong is no failure of the server's.
                requests(HERE, "400", 1e6),
                // One too few.
                requests(ELSEWHERE, "500", f64::from(least - 1) / 5.0),
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
            fires: Example::of(slow.into(), &[], "9.95"),
            silent: fast.into(),
        },
    ]
}

fn model(settings: &Settings) -> Vec<Alert> {
    let project = settings.selector();
    let limits = &settings.thresholds;
    let (psi, rows, range) = (limits.drift_psi, limits.drift_rows, limits.out_of_range_ratio);
    let constant = |server, metric: &str, labels: &str, value: f64| {
        Series::of(settings, server, metric, labels, &format!("{value}+0x30"))
    };
    let drift = |server, value: f64| constant(server, "mlci_drift_psi", "feature=\"age\"", value);
    let prediction = |server, value: f64| constant(server, "mlci_prediction_drift_psi", "", value);
    let window = |server, rows: u32| constant(server, "mlci_drift_rows", "", f64::from(rows));
    let counter = |server, metric: &str, labels: &str, an_hour: f64| {
        Series::of(settings, server, metric, labels, &format!("0+{}x90", an_hour / 60.0))
    };
    let predictions = |server, an_hour: u32| counter(server, "mlci_predictions_total", "", f64::from(an_hour));
    let outside = |server, an_hour: f64| counter(server, "mlci_out_of_range_total", "feature=\"age\"", an_hour);
    let served = |server, digest: &str, minutes: u32| {
        let labels = format!("name=\"m\",version=\"1\",digest=\"{digest}\"");
        Series::of(settings, server, "mlci_model_info", &labels, &format!("1+0x{minutes}"))
    };
    let few = [drift(ELSEWHERE, 5.0), prediction(ELSEWHERE, 5.0), window(ELSEWHERE, rows - 1)];
    let little = [drift(HERE, psi / 2.0), prediction(HERE, psi / 2.0), window(HERE, rows)];
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
            fires: Example::of(vec![drift(HERE, 5.0), window(HERE, rows)], &[("feature", "age")], "5.00"),
            silent: quiet.clone(),
        },
        Alert {
            name: "MlciPredictionDrift",
            severity: "warning",
            minutes: 15,
            expr: format!("environment:mlci_prediction_drift_psi:max{{{project}}} > {psi}"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} predicts other values than in training",
            description: format!("Over the last {rows} rows or more {index}."),
            fires: Example::of(vec![prediction(HERE, 5.0), window(HERE, rows)], &[], "5.00"),
            silent: quiet,
        },
        Alert {
            name: "MlciOutOfRange",
            severity: "warning",
            minutes: 15,
            expr: format!("environment_feature:mlci_out_of_range:ratio1h{{{project}}} > {range}"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} gets values of {{ $labels.feature }} outside the range of training",
            description: format!("A share of {NUMBER} of the last hour's values is outside; the limit is {range}."),
            fires: Example::of(vec![predictions(HERE, 6000), outside(HERE, 6000.0)], &[("feature", "age")], "1.00"),
            silent: vec![
                predictions(HERE, 6000),
                outside(HERE, 3000.0 * range),
                predictions(ELSEWHERE, rows / 2),
                outside(ELSEWHERE, f64::from(rows / 2)),
            ],
        },
        Alert {
            name: "MlciTwoModels",
            severity: "warning",
            minutes,
            expr: format!("environment:mlci_models:count{{{project}}} > 1"),
            summary: "{{ $labels.project }} in {{ $labels.environment }} serves more than one model",
            description: format!("Servers there have different digests, and have had them for {minutes} minutes."),
            fires: Example::of(
                vec![served(HERE, "sha256:a", minutes + 30), served(HERE, "sha256:b", minutes + 30)],
                &[],
                "2",
            ),
            // One in each environment, and one that is gone.
            silent: vec![
                served(HERE, "sha256:a", minutes + 30),
                served(ELSEWHERE, "sha256:c", minutes + 30),
                served(HERE, "sha256:b", 0),
            ],
        },
    ]
}
