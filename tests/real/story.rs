//! The whole at once: a commit goes through MLflow, S3, a registry and a cluster's staging to production; a bad second
//! version comes after it and is sent back; Prometheus and Elasticsearch know of both.

use std::{fs, io::Write as _, path::PathBuf, sync::Mutex, time::Instant};

use serde_json::{Value, json};

use crate::{
    elk::{
        node::{Node, Shipper},
        stream,
    },
    mlflow::seen,
    on_cluster::{Namespaces, kubectl},
    project::{Project, eventually, http},
    prometheus::servers::Prometheus,
    push::{Pushed, systems},
    unique, variable,
};

/// What the jobs get as secrets, and what as plain variables of the definition.
const SECRETS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const VARIABLES: [&str; 4] = ["AWS_ENDPOINT_URL", "AWS_REGION", "MLFLOW_TRACKING_URI", "KUBECONFIG"];

/// Past what the test harness keeps to itself while tests pass.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "story: {line}");
}

/// The times of the chapters, which are printed at the end.
struct Chapters {
    started: Instant,
    last: Mutex<Instant>,
}

impl Chapters {
    fn new() -> Self {
        Self { started: Instant::now(), last: Mutex::new(Instant::now()) }
    }

    fn over(&self, what: &str) {
        let mut last = self.last.lock().unwrap();
        say(&format!("{:>6.1} s  {what}", last.elapsed().as_secs_f64()));
        *last = Instant::now();
    }
}

impl Drop for Chapters {
    fn drop(&mut self) {
        say(&format!("{:>6.1} s  in all", self.started.elapsed().as_secs_f64()));
    }
}

/// A pipeline on everything real.
fn project(word: &str, namespaces: &Namespaces) -> Project {
    let project = Project::new();
    project.configure("name = \"wine\"", &format!("name = \"wine-{word}\""));
    project.configure("allow_dirty = true\n", "");
    let list = |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let variables: Vec<String> = VARIABLES.iter().map(|name| format!("{name} = {:?}", variable(name))).collect();
    let secrets = list(&SECRETS);
    let tables = format!(
        "[track]\nmlflow = \"${{MLFLOW_TRACKING_URI}}\"\n\n[artifact]\nstore = \"s3://{}/story/{word}\"\n\n\
         [ci]\nsecrets = [{secrets}]\nvariables = {{ {} }}\nenvironments = {{ staging = [{secrets}], production = [{secrets}] }}\n\n\
         [image]\nrepository = \"{}/team/wine-{word}\"",
        variable("MLCI_LAB_S3_BUCKET"),
        variables.join(", "),
        variable("MLCI_LAB_KUBE_REGISTRY"),
    );
    let tables = format!("[monitor]\npushgateway = \"{}\"\n\n{tables}", variable("MLCI_LAB_PUSHGATEWAY"));
    project.configure("[image]", &tables);
    namespaces.configure(&project);
    project.configure("ready_seconds = 60", "ready_seconds = 60\nlog_requests = \"all\"");
    project.pass(&["generate", "elk"]);
    project.pass(&["generate", "rules"]);
    project
}

/// Prometheus with the generated rules. Debian's finds no pods by itself, so it is told of them by a file.
struct Watch<'s> {
    prometheus: Prometheus,
    folder: PathBuf,
    namespaces: &'s Namespaces,
    project: String,
}

impl<'s> Watch<'s> {
    fn start(project: &Project, namespaces: &'s Namespaces, word: &str) -> Self {
        // Beside what is checked in, which is not to change.
        let (from, folder) = (project.path("monitoring/prometheus"), project.path(".mlci/watch"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(from.join("rules.yml"), folder.join("rules.yml")).unwrap();
        let scrape = project.read("monitoring/prometheus/scrape.yml");
        let (before, jobs) = scrape.split_once("scrape_configs:\n").unwrap();
        let indent = &jobs[..jobs.len() - jobs.trim_start().len()];
        // Called as those are that a Prometheus with Kubernetes in it finds, since the alerts go by it.
        let job = format!("mlci-wine-{word}-pods");
        let pods = format!("{indent}- {{job_name: {job}, file_sd_configs: [{{files: [pods.json]}}]}}\n");
        fs::write(folder.join("scrape.yml"), format!("{before}scrape_configs:\n{pods}{jobs}")).unwrap();
        fs::write(folder.join("pods.json"), "[]").unwrap();
        let prometheus = Prometheus::start(&folder, None);
        Self { prometheus, folder, namespaces, project: format!("wine-{word}") }
    }

    /// Tells of the pods that are there now.
    fn look_again(&self) {
        let targets: Vec<_> = ["staging", "production"]
            .into_iter()
            .enumerate()
            .map(|(index, environment)| {
                let pods = self.namespaces.pods(index);
                let address = |pod: &Value| format!("{}:8080", pod["status"]["podIP"].as_str().unwrap_or_default());
                let addresses: Vec<_> = pods.iter().map(address).collect();
                json!({"targets": addresses, "labels": {"project": self.project, "environment": environment}})
            })
            .collect();
        // Prometheus must never read half of it.
        fs::write(self.folder.join("pods.new"), json!(targets).to_string()).unwrap();
        fs::rename(self.folder.join("pods.new"), self.folder.join("pods.json")).unwrap();
    }

    /// Waits until both pods of production serve this version, as they say themselves.
    fn serves(&self, version: u64) {
        self.look_again();
        let of = |more: &str| {
            format!("count(mlci_model_info{{project=\"{}\",environment=\"production\"{more}}})", self.project)
        };
        self.prometheus.wait(&of(&format!(",version=\"{version}\"")), |pods| pods == 2.0);
        self.prometheus.wait(&of(""), |pods| pods == 2.0);
    }

    fn wait(&self, metric: &str, fits: impl Fn(f64) -> bool) {
        let series = format!("sum({metric}{{project=\"{}\",environment=\"production\"}})", self.project);
        self.prometheus.wait(&series, fits);
    }
}

#[test]
#[ignore = "needs MLflow, S3, a cluster, act, Prometheus, Elasticsearch and rsyslog: cargo xtask test --lab story"]
fn from_a_commit_to_production_and_back() {
    let (chapters, word) = (Chapters::new(), unique());
    let namespaces = Namespaces::new(&word);
    let pushed = Pushed::of(&systems::GITHUB, project(&word, &namespaces), tempfile::tempdir().unwrap(), &SECRETS);
    let jobs = |production: bool| [("verify", true), ("build", true), ("staging", true), ("production", production)];

    let first = pushed.push("first", false);
    pushed.check(&first, &jobs(false));
    assert!(pushed.log().contains("waits for an approval of"), "{}", pushed.log());
    chapters.over("a commit is pushed: trained, tracked, stored, built, in staging; production waits");

    pushed.project.pass(&["approve", "production"]);
    let through = pushed.push("approved", false);
    pushed.check(&through, &jobs(true));
    let good = namespaces.images(1);
    assert_eq!((good.len(), &good), (1, &namespaces.images(0)));
    let there = seen(&format!("wine-{word}"));
    assert_eq!(there["aliases"], json!({"staging": 1, "production": 1}), "{there:#}");
    chapters.over("approved, and pushed again: in production");

    let watch = Watch::start(&pushed.project, &namespaces, &word);
    watch.serves(1);
    let node = Node::elasticsearch();
    let _indexed = node.load(&pushed.project);
    let logs = PathBuf::from(variable("MLCI_LAB_KUBE_POD_LOGS")).join(format!("{}_*/*/*.log", namespaces.0[1]));
    let _shipper = Shipper::start(&pushed.project, &node, &logs);
    let index = stream(&pushed.project);
    let predicted = |version: u64| {
        let query = format!("service.environment:production AND event.action:predict AND mlci.model.version:{version}");
        let query = json!({"size": 0, "query": {"query_string": {"query": query}}});
        node.count(&index);
        node.search(&index, &query)["hits"]["total"]["value"].as_u64().unwrap_or(0)
    };
    // The golden predictions that verify a release are among what is logged.
    eventually("the first lines to be indexed", || node.count(&index) > 0);
    let before = predicted(1);
    predict(&namespaces, &word, ORDINARY, 400);
    eventually("a line of every prediction", || predicted(1) >= before + 400);
    // Golden predictions are no traffic.
    watch.wait("mlci_drift_rows", |rows| rows == 400.0);
    watch.wait("mlci_predictions_total", |rows| rows == 400.0);
    chapters.over("predictions through the Service: counted in Prometheus, a line of each in Elasticsearch");

    // Somebody loosens the gate, and a worse model goes all the way.
    pushed.project.configure(
        "[gate.limits]\nrmse = { max = 0.70 }",
        "[gate]\nmargin = 0.9\n\n[gate.limits]\nrmse = { max = 0.9 }",
    );
    pushed.project.configure("target = \"quality\"", "target = \"quality\"\nfeatures = [\"pH\"]");
    let second = pushed.push("fewer features, and a gate that lets them through", false);
    pushed.check(&second, &jobs(false));
    pushed.project.pass(&["approve", "production"]);
    pushed.check(&pushed.push("approved too", false), &jobs(true));
    let bad = namespaces.images(1);
    assert_eq!((bad.len(), &bad), (1, &namespaces.images(0)));
    assert_ne!(bad, good);
    watch.serves(2);
    predict(&namespaces, &word, "[[3.51]]", 20);
    eventually("lines of the second version", || predicted(2) >= 20);
    chapters.over("a bad second version, approved: in production");

    let back = pushed.project.pass(&["rollback", "production", "--reason", "predicts everybody the same"]);
    assert_eq!(back.environment("production")["model_version"], 1, "{:#}", back.value);
    assert_eq!((namespaces.images(0), namespaces.images(1)), (bad, good));
    let there = seen(&format!("wine-{word}"));
    assert_eq!(there["aliases"], json!({"staging": 2, "production": 1}), "{there:#}");
    watch.serves(1);
    let runs = format!("count(mlci_run_timestamp_seconds{{project=\"wine-{word}\"}})");
    watch.prometheus.wait(&runs, |runs| runs > 0.0);
    chapters.over("sent back: the first version serves again, as its pods and Prometheus say");
}

/// A row as those that the model was trained on.
const ORDINARY: &str = "[[7.4,0.7,0,1.9,0.076,11,34,0.9978,3.51,0.56,9.4]]";

/// Asks the model in production, through its Service.
fn predict(namespaces: &Namespaces, word: &str, body: &str, times: usize) {
    let path = "jsonpath={.spec.clusterIP}";
    let service = format!("wine-{word}");
    let address = kubectl(&["--namespace", &namespaces.0[1], "get", "service", &service, "--output", path]);
    for _ in 0..times {
        let (status, _, answer) = http(&format!("http://{address}:80"), "POST", "/predict", body).unwrap();
        assert_eq!(status, 200, "{answer}");
    }
}
