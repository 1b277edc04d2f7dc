//! A pipeline's server watched by the real Prometheus, and what the pipeline pushes.

pub(crate) mod servers;

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use self::servers::{Alertmanager, Prometheus, Webhook, content, free_port, get, tool};
use crate::{
    project::{Project, configuration, http},
    unique, variable,
};

/// A pipeline whose staging server has a fixed port, with its rules generated.
pub(crate) struct Watched {
    pub(crate) project: Project,
    pub(crate) name: String,
    pub(crate) address: String,
}

impl Watched {
    /// The sample's data under a name that no other test has, with more lines for `[monitor]`.
    pub(crate) fn new(monitor: &str) -> Self {
        let name = format!("wine-{}", unique());
        let port = free_port();
        let text = configuration()
            .replace("name = \"wine\"", &format!("name = \"{name}\""))
            .replace("[environment.staging]", &format!("[environment.staging]\nport = {port}"));
        let project = Project::with(&format!("{text}\n[monitor]\n{monitor}\n"));
        project.pass(&["ci"]);
        project.pass(&["generate", "rules"]);
        Self { project, name, address: format!("http://127.0.0.1:{port}") }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.project.path("monitoring/prometheus")
    }

    /// The rows of the data: the columns that the model takes.
    fn rows(&self) -> Vec<Vec<f64>> {
        let text = self.project.read("wine.csv");
        let row = |line: &str| {
            let mut values: Vec<f64> = line.split(',').map(|value| value.parse().unwrap()).collect();
            values.pop();
            values
        };
        text.lines().skip(1).map(row).collect()
    }

    fn predict(&self, rows: &[Vec<f64>]) {
        let (status, _, body) = http(&self.address, "POST", "/predict", &json!(rows).to_string()).unwrap();
        assert_eq!(status, 200, "{body}");
    }

    /// All of the data: what the model was trained on and held out, so no drift.
    pub(crate) fn as_in_training(&self) {
        self.predict(&self.rows());
    }

    /// The data with another column, as often as it takes to fill the window.
    fn shifted(&self, column: usize, by: f64) {
        let mut rows = self.rows();
        rows.iter_mut().for_each(|row| row[column] += by);
        self.predict(&rows);
        self.predict(&rows);
    }

    fn metrics(&self) -> String {
        http(&self.address, "GET", "/metrics", "").unwrap().2
    }
}

const ALCOHOL: usize = 10;

/// From predictions to histograms and drift in Prometheus, and through Alertmanager to a webhook.
#[test]
#[ignore = "needs Prometheus: cargo xtask test --lab prometheus"]
fn predictions_drift_and_an_alert() {
    let watched = Watched::new("");
    let folder = watched.folder();
    // The alert has to hold for 15 minutes; here it is believed at once. All else is as generated.
    let rules = fs::read_to_string(folder.join("rules.yml")).unwrap();
    assert!(rules.contains("for: 15m"), "{rules}");
    fs::write(folder.join("rules.yml"), rules.replace("for: 15m", "for: 0s")).unwrap();
    let webhook = Webhook::start();
    let alertmanager = Alertmanager::start(&folder, &webhook.url);
    let prometheus = Prometheus::start(&folder, Some(&alertmanager.host));
    let labels = format!("project=\"{}\",environment=\"staging\"", watched.name);
    let of = |metric: &str| format!("{metric}{{{labels}}}");

    // Verified, but without traffic: the golden predictions do not count, and drift has no value.
    prometheus.wait(&of("up"), |up| up == 1.0);
    prometheus.wait(&of("mlci_drift_rows"), |rows| rows == 0.0);
    assert_eq!(prometheus.value(&of("mlci_predictions_total")), Some(0.0));
    assert_eq!(prometheus.series(&of("mlci_drift_psi")), Vec::<Value>::new());

    // As in training: every feature has an index, and none is large.
    watched.as_in_training();
    prometheus.wait(&of("mlci_drift_rows"), |rows| rows == 1599.0);
    let indices = prometheus.series(&of("mlci_drift_psi"));
    assert_eq!(indices.len(), 11, "{indices:#?}");
    prometheus.wait(&format!("max({})", of("mlci_drift_psi")), |index| index < 0.02);
    prometheus.wait(&of("mlci_prediction_drift_psi"), |index| index < 0.02);
    // Again: a series that has just begun has no rate.
    watched.as_in_training();
    prometheus.wait(&of("environment:mlci_http_requests:error_ratio5m"), |ratio| ratio == 0.0);
    for metric in ["mlci_http_request_duration_seconds", "mlci_inference_duration_seconds"] {
        prometheus.wait(&of(&format!("environment:{metric}:p99_5m")), |seconds| seconds > 0.0 && seconds < 5.0);
    }
    let firing = prometheus.series("ALERTS{alertstate=\"firing\"}");
    assert_eq!(firing, Vec::<Value>::new());

    // Stronger wine: that feature and the prediction drift, no other feature does.
    watched.shifted(ALCOHOL, 3.0);
    let alcohol = format!("mlci_drift_psi{{{labels},feature=\"alcohol\"}}");
    prometheus.wait(&alcohol, |index| index > 1.0);
    prometheus.wait(&of("mlci_prediction_drift_psi"), |index| index > 0.25);
    prometheus.wait(&format!("max(mlci_drift_psi{{{labels},feature!=\"alcohol\"}})"), |index| index < 0.02);
    let alert = webhook.alert("MlciDrift");
    assert_eq!(alert["labels"]["feature"], "alcohol", "{alert:#}");
    assert_eq!(alert["labels"]["environment"], "staging", "{alert:#}");
    assert!(alert["annotations"]["summary"].as_str().unwrap().contains("other values of alcohol"), "{alert:#}");
    webhook.alert("MlciPredictionDrift");
}

/// A server that is gone is seen by the rule that was generated for it.
#[test]
#[ignore = "needs Prometheus: cargo xtask test --lab prometheus"]
fn a_server_that_is_down() {
    let watched = Watched::new("");
    let prometheus = Prometheus::start(&watched.folder(), None);
    let up = format!("up{{project=\"{}\"}}", watched.name);
    prometheus.wait(&up, |up| up == 1.0);
    watched.project.pass(&["down", "staging"]);
    prometheus.wait(&up, |up| up == 0.0);
    let pending = "ALERTS{alertname=\"MlciServerDown\",alertstate=\"pending\",severity=\"critical\"}";
    prometheus.wait(pending, |value| value == 1.0);
}

/// promtool: syntax, the unit tests of every alert with other thresholds too, and the metrics of the server.
#[test]
#[ignore = "needs Prometheus: cargo xtask test --lab prometheus"]
fn promtool_accepts_rules_tests_and_metrics() {
    let other = "error_ratio = 0.5\nerror_requests = 3000\nlatency_seconds = 5\ndrift_psi = 1.5\ndrift_rows = 201\nout_of_range_ratio = 0.001\n\
                 two_models_minutes = 120\nrunbook = \"https://example.com/run\"";
    for monitor in ["", other] {
        let watched = Watched::new(monitor);
        let folder = watched.folder();
        let promtool = |arguments: &[&str], input: &str| tool("MLCI_LAB_PROMTOOL", &folder, arguments, input);
        assert!(content(&promtool(&["check", "rules", "rules.yml"], "")).contains("23 rules found"));
        content(&promtool(&["test", "rules", "rules_test.yml"], ""));

        // With and without traffic: no complaint, not even one that does not fail.
        let silent = |output: std::process::Output| assert_eq!(content(&output).trim(), "");
        silent(promtool(&["check", "metrics"], &watched.metrics()));
        watched.as_in_training();
        let metrics = watched.metrics();
        assert!(metrics.contains("mlci_prediction_drift_psi "), "{metrics}");
        silent(promtool(&["check", "metrics"], &metrics));

        // And it would have complained.
        let wrong = promtool(&["check", "metrics"], "# TYPE a counter\na 1\n");
        assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("_total"), "{wrong:?}");
        let rules = fs::read_to_string(folder.join("rules.yml")).unwrap();
        assert!(rules.contains("> 1.5") == monitor.contains("1.5"), "{rules}");
        // An alert that never fires is found, and one that fires for others' exporters, or for a single request.
        let job = format!(",job=~\"mlci-{}(-pods)?\"", watched.name);
        let floor = if monitor.is_empty() { "* 300 >= 20\n" } else { "* 300 >= 3000\n" };
        for (from, to) in [(" == 0\n", " == 2\n"), (&job, ""), (floor, "* 300 >= 0\n")] {
            assert!(rules.contains(from), "{from}: {rules}");
            fs::write(folder.join("rules.yml"), rules.replace(from, to)).unwrap();
            let wrong = promtool(&["test", "rules", "rules_test.yml"], "");
            assert!(!wrong.status.success(), "{from:?} is not missed");
        }
    }
}

/// What `ci` and `deploy` came to, by way of the Pushgateway.
#[test]
#[ignore = "needs Prometheus: cargo xtask test --lab prometheus"]
fn runs_by_way_of_the_pushgateway() {
    let gateway = variable("MLCI_LAB_PUSHGATEWAY");
    let watched = Watched::new(&format!("pushgateway = \"{gateway}\""));
    let prometheus = Prometheus::start(&watched.folder(), None);
    let run = |metric: &str, more: &str| {
        format!("{metric}{{job=\"mlci\",project=\"{}\",command=\"ci\",branch=\"main\"{more}}}", watched.name)
    };
    prometheus.wait(&run("mlci_run_verdict", ",verdict=\"pass\""), |value| value == 1.0);
    prometheus.wait(&run("mlci_run_model_version", ""), |version| version == 1.0);
    prometheus.wait(&run("mlci_run_held_out", ",metric=\"rmse\""), |rmse| rmse > 0.3 && rmse < 0.7);
    prometheus.wait(&run("mlci_run_duration_seconds", ""), |seconds| seconds > 0.0);
    let success = prometheus.wait(&run("mlci_run_success_timestamp_seconds", ""), |time| time > 1.6e9);
    // promtool has no complaint about what was pushed either.
    let (_, text) = get(&gateway, "/metrics");
    let ours: String = text.lines().filter(|line| line.contains("mlci_run")).map(|line| format!("{line}\n")).collect();
    assert!(ours.contains("mlci_run_verdict"), "{text}");
    content(&tool("MLCI_LAB_PROMTOOL", &watched.folder(), &["check", "metrics"], &ours));

    // One that is refused: the verdict changes, the last success stays.
    watched.project.configure("max = 0.70", "max = 0.1");
    assert_eq!(watched.project.run(&["ci"]).code, 3);
    prometheus.wait(&run("mlci_run_verdict", ",verdict=\"refused\""), |value| value == 1.0);
    prometheus.wait(&run("mlci_run_verdict", ",verdict=\"pass\""), |value| value == 0.0);
    assert_eq!(prometheus.value(&run("mlci_run_success_timestamp_seconds", "")), Some(success));

    // A deployment that waits for a person.
    assert_eq!(watched.project.run(&["deploy", "production"]).code, 5);
    let deploy = format!(
        "mlci_run_verdict{{project=\"{}\",command=\"deploy\",environment=\"production\",verdict=\"waiting\"}}",
        watched.name
    );
    prometheus.wait(&deploy, |value| value == 1.0);
}

/// The gateway is away, wrong, or silent: the pipeline goes on and says so.
#[test]
#[ignore = "needs Prometheus: cargo xtask test --lab prometheus"]
fn a_gateway_that_is_not_there_holds_nothing_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let wrong = format!("{}/no/such/prefix", variable("MLCI_LAB_PUSHGATEWAY"));
    let watched = Watched::new(&format!("pushgateway = \"{nobody}\""));
    let mut before = nobody.clone();
    for (address, word) in [(nobody, "no answer"), (silent, "no answer"), (wrong, "404")] {
        watched.project.configure(&before, &address);
        before.clone_from(&address);
        let finished = watched.project.pass(&["ci"]);
        let warnings = finished.lines.iter().filter(|line| line["event"] == "warning");
        let warnings: Vec<&str> = warnings.filter_map(|line| line["message"].as_str()).collect();
        assert!(warnings.iter().any(|text| text.contains(&address) && text.contains(word)), "{address}: {warnings:?}");
        // Always the last event.
        assert_eq!(finished.lines.last().unwrap()["event"], "finished");
    }
    let refused = watched.project.run(&["config", "show"]);
    assert_eq!(refused.code, 0);
    watched.project.configure(&before, "http://user:secret@127.0.0.1:1");
    let refused = watched.project.run(&["ci"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.error().contains("password in it") && !refused.error().contains("`http://user"),
        "{}",
        refused.error()
    );
}
