//! A canary on a real cluster, judged by what the real Prometheus has counted of real requests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    on_cluster::{Namespaces, call, kubectl},
    project::{Finished, Project, eventually, http},
    prometheus::servers::{Prometheus, free_port},
    unique, variable,
};

/// A pipeline to a cluster with two pods, and the Prometheus that scrapes them.
struct Trial {
    project: Project,
    namespaces: Arc<Namespaces>,
    prometheus: Prometheus,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Trial {
    /// With these keys of the canary's.
    fn new(keys: &str) -> Self {
        let (project, word) = (Project::new(), unique());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.yml"), "groups: []\n").unwrap();
        fs::write(folder.path().join("pods.json"), "[]").unwrap();
        let scrape = "scrape_configs: [{job_name: pods, file_sd_configs: [{files: [pods.json]}]}]\n";
        fs::write(folder.path().join("scrape.yml"), scrape).unwrap();
        let prometheus = Prometheus::start(folder.path(), None);
        let registry = variable("MLCI_LAB_KUBE_REGISTRY");
        project.configure("[image]", &format!("[image]\nrepository = \"{registry}/team/wine-{word}\""));
        let namespaces = Arc::new(Namespaces::new(&word));
        namespaces.configure(&project);
        let table = format!(
            "[environment.staging.canary]\nprometheus = \"{}\"\nshare = 0.5\n{keys}\n\n[environment.production]",
            prometheus.address()
        );
        project.configure("[environment.production]", &table);
        let stop = Arc::new(AtomicBool::new(false));
        let mut trial = Self { project, namespaces, prometheus, stop, threads: Vec::new(), _folder: folder };
        trial.tell_of_pods();
        trial
    }

    fn go_on(&mut self, every: Duration, mut work: impl FnMut() + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        self.threads.push(std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                work();
                std::thread::sleep(every);
            }
        }));
    }

    /// Debian's Prometheus finds no pods by itself: a file tells it of them, as they come and go.
    fn tell_of_pods(&mut self) {
        let (namespaces, folder): (_, PathBuf) = (Arc::clone(&self.namespaces), self._folder.path().to_owned());
        self.go_on(Duration::from_millis(300), move || {
            let output = call(&["--namespace", &namespaces.0[0], "get", "pods", "--output", "json"]);
            let Ok(pods) = serde_json::from_slice::<Value>(&output.stdout) else { return };
            let target = |pod: &Value| {
                let address = format!("{}:8080", pod["status"]["podIP"].as_str()?);
                Some(json!({"targets": [address], "labels": {"pod": pod["metadata"]["name"]}}))
            };
            let targets: Vec<_> = pods["items"].as_array().into_iter().flatten().filter_map(target).collect();
            write(&folder, &json!(targets));
        });
    }

    /// Asks the model through its Service until the test is over: for all rows that it was trained on at once, which costs
    /// the server some milliseconds.
    fn ask(&mut self) {
        let path = "jsonpath={.spec.clusterIP}";
        let address = kubectl(&["--namespace", &self.namespaces.0[0], "get", "service", "wine", "--output", path]);
        let text = self.project.read("wine.csv");
        let row = |line: &str| line.rsplit_once(',').unwrap().0.split(',').map(|it| it.parse().unwrap()).collect();
        let rows: Vec<Vec<f64>> = text.lines().skip(1).map(row).collect();
        let body = json!(rows).to_string();
        for _ in 0..3 {
            let (address, body) = (format!("http://{address}:80"), body.clone());
            self.go_on(Duration::from_millis(2), move || {
                // What a canary does badly is what is tested.
                let _ = http(&address, "POST", "/predict", &body);
            });
        }
    }

    fn deployments(&self) -> String {
        kubectl(&["--namespace", &self.namespaces.0[0], "get", "deployments", "--output", "name"])
    }

    /// Only what serves is there, with this image.
    #[track_caller]
    fn serves(&self, image: &str) {
        assert_eq!(self.deployments(), "deployment.apps/wine\n");
        eventually("the canary's pods to go", || self.namespaces.images(0) == [image]);
        assert_eq!(self.namespaces.pods(0).len(), 2);
    }

    /// A command that is in the middle of watching.
    fn watching(&self) -> crate::project::Watched {
        let mut watched = self.project.start(&["ci"]);
        let seen =
            watched.until(|event| event["message"].as_str().is_some_and(|text| text.contains("canary: watched")));
        assert!(seen.is_some());
        watched
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Prometheus must never read half of it.
fn write(folder: &Path, targets: &Value) {
    let new = folder.join("pods.new");
    if fs::write(&new, targets.to_string()).is_ok() {
        let _ = fs::rename(new, folder.join("pods.json"));
    }
}

fn said(finished: &Finished, words: &str) -> bool {
    finished.lines.iter().any(|event| event["message"].as_str().is_some_and(|text| text.contains(words)))
}

/// Five times what the others take is more than a busy machine makes of it.
const KEYS: &str = "watch_seconds = 30\nlatency_ratio = 5.0";

#[test]
#[ignore = "needs a Kubernetes cluster and Prometheus: cargo xtask test --lab canary"]
fn a_good_one_is_promoted_and_one_that_fails_a_check_is_removed() {
    let mut trial = Trial::new(KEYS);
    let first = trial.project.pass(&["ci"]);
    assert!(said(&first, "no canary: nothing runs there"), "{:#?}", first.lines);
    trial.ask();

    trial.project.configure("seed = 42", "seed = 43");
    let second = trial.project.pass(&["ci"]);
    for words in [
        "canary: 1 of 3 pods",
        "canary: errors: pass",
        "canary: latency: pass",
        "canary: drift: pass",
        "canary: passed",
    ] {
        assert!(said(&second, words), "no {words:?} in {:#?}", second.lines);
    }
    // Each check shows what was asked, what came, and of how many.
    assert!(
        said(&second, "mlci_http_requests_total{path=~") && said(&second, "sample: canary "),
        "{:#?}",
        second.lines
    );
    // For a machine too, at each look.
    let checks = |finished: &Finished, last: bool| -> Vec<Value> {
        let of_looks = finished.lines.iter().filter(|event| event["event"] == "canary_check" && event["last"] == last);
        of_looks.cloned().collect()
    };
    let last = checks(&second, true);
    let names: Vec<_> = last.iter().map(|event| event["check"].as_str().unwrap()).collect();
    assert_eq!(names, ["errors", "latency", "drift"], "{last:#?}");
    for event in &last {
        assert_eq!((&event["verdict"], &event["environment"]), (&"pass".into(), &"staging".into()), "{event:#}");
        let query = event["asked"][0]["query"].as_str().unwrap();
        assert!(query.contains("mlci_") && event["sample"].as_str().unwrap().contains("canary "), "{event:#}");
    }
    assert!(checks(&second, false).iter().all(|event| event["verdict"] == "no data"), "{:#?}", second.lines);
    assert!(checks(&second, false).len() > 10);
    assert_eq!(second.environment("staging")["status"], "verified");
    trial.serves(second.text("/image/pushed"));

    // A check of the team's own, of what Prometheus really has, that no canary fulfils.
    let query = "query = \"count(mlci_model_info{$canary}) / count(mlci_model_info{$stable})\"";
    let own = format!("{KEYS}\n[[environment.staging.canary.query]]\nname = \"as many\"\n{query}\nmin = 1.0");
    trial.project.configure(KEYS, &own);
    trial.project.configure("seed = 43", "seed = 44");
    let third = trial.project.run(&["ci"]);
    assert_eq!((third.code, third.stage("deploy")), (4, "failed"), "{:#?}", third.lines);
    for words in
        ["what served before still does", "its canary failed after", "as many: fail, it is 0.5", "sample: canary"]
    {
        assert!(third.error().contains(words), "no {words:?} in {}", third.error());
    }
    let failed: Vec<_> = checks(&third, true).into_iter().filter(|event| event["verdict"] == "fail").collect();
    assert_eq!((failed.len(), &failed[0]["check"]), (1, &"as many".into()), "{failed:#?}");
    trial.serves(second.text("/image/pushed"));
    let report = trial.project.read(".mlci/report/report.md");
    assert!(report.contains("its canary failed"), "{report}");
    // It stays failed until something changes.
    assert_eq!(trial.project.run(&["ci"]).code, 4);
}

/// A hundredth of a processor: slower, for no reason of the model's.
#[test]
#[ignore = "needs a Kubernetes cluster and Prometheus: cargo xtask test --lab canary"]
fn a_slow_one_is_removed() {
    let mut trial = Trial::new(KEYS);
    let first = trial.project.pass(&["ci"]);
    trial.ask();
    trial.project.configure("ready_seconds = 60", "ready_seconds = 60\ncpu = \"10m\"\ncpu_limit = \"10m\"");
    trial.project.configure("seed = 42", "seed = 43");
    let slow = trial.project.run(&["ci"]);
    assert_eq!((slow.code, slow.stage("deploy")), (4, "failed"), "{:#?}", slow.lines);
    for words in ["its canary failed after", "latency: fail", "sample: canary", "histogram_quantile(0.99"] {
        assert!(slow.error().contains(words), "no {words:?} in {}", slow.error());
    }
    trial.serves(first.text("/image/pushed"));
}

/// Nobody asks, or nobody has counted: nothing is decided, promoted or rejected, and nothing stays.
#[test]
#[ignore = "needs a Kubernetes cluster and Prometheus: cargo xtask test --lab canary"]
fn without_data_nothing_is_promoted_or_rejected() {
    let trial = Trial::new("watch_seconds = 4");
    let first = trial.project.pass(&["ci"]);
    trial.project.configure("seed = 42", "seed = 43");
    let none = trial.project.run(&["ci"]);
    assert_eq!((none.code, none.stage("deploy")), (3, "failed"), "{:#}", none.value);
    for words in ["there is no data to judge it by", "each has to have 300", "it is not rejected", "watch_seconds"] {
        assert!(none.error().contains(words), "no {words:?} in {}", none.error());
    }
    trial.serves(first.text("/image/pushed"));

    // A Prometheus that is away.
    let nobody = format!("http://127.0.0.1:{}", free_port());
    trial.project.configure(trial.prometheus.address(), &nobody);
    let away = trial.project.run(&["ci"]);
    assert_eq!(away.code, 3, "{:#}", away.value);
    assert!(away.error().contains("is a Prometheus there?") && away.error().contains(&nobody), "{}", away.error());
    trial.serves(first.text("/image/pushed"));
    let status = trial.project.pass(&["status"]);
    assert_eq!(status.environment("staging")["status"], "verified", "{:#}", status.value);

    // Not rejected: without the canary it goes there.
    let text = trial.project.read("mlci.toml");
    let (before, rest) = text.split_once("[environment.staging.canary]").unwrap();
    let (_, after) = rest.split_once("[environment.production]").unwrap();
    trial.project.write("mlci.toml", &format!("{before}[environment.production]{after}"));
    let second = trial.project.pass(&["ci"]);
    trial.serves(second.text("/image/pushed"));
}

/// Killed, and stopped by a signal, in the middle of the watch.
#[test]
#[ignore = "needs a Kubernetes cluster and Prometheus: cargo xtask test --lab canary"]
fn however_it_ends_nothing_is_left() {
    let trial = Trial::new("watch_seconds = 600");
    let first = trial.project.pass(&["ci"]);
    trial.project.configure("seed = 42", "seed = 43");
    let watched = trial.watching();
    let status = trial.project.pass(&["status", "staging"]);
    let staging = status.environment("staging");
    assert_eq!(staging["status"], "verified", "what serves is asked past the canary: {:#}", status.value);
    assert!(staging["note"].as_str().unwrap().contains("a canary is up"), "{:#}", status.value);
    watched.kill();
    assert_eq!(trial.deployments(), "deployment.apps/wine\ndeployment.apps/wine-canary\n");

    // Its release is given up meanwhile, so that there is nothing to deploy: what was left is found all the same.
    trial.project.configure("seed = 43", "seed = 42");
    let again = trial.project.pass(&["ci"]);
    assert!(said(&again, "what it left running is stopped"), "{:#?}", again.lines);
    trial.serves(first.text("/image/pushed"));

    trial.project.configure("seed = 42", "seed = 43");
    let mut watched = trial.watching();
    assert_eq!(trial.deployments(), "deployment.apps/wine\ndeployment.apps/wine-canary\n");
    let pid = watched.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(watched.until(|event| event["event"] == "finished").is_some_and(|event| event["exit_code"] == 130));
    assert_eq!(watched.child.wait().unwrap().code(), Some(130));
    trial.serves(first.text("/image/pushed"));

    // Given up by somebody else, who has not to know that it is a canary.
    let mut watched = trial.watching();
    let given_up = trial.project.pass(&["abort", "staging", "--reason", "looks odd"]);
    assert_eq!(given_up.environment("staging")["status"], "verified", "{:#}", given_up.value);
    assert!(watched.until(|event| event["event"] == "finished").is_some_and(|event| event["exit_code"] == 1));
    assert_eq!(watched.child.wait().unwrap().code(), Some(1));
    trial.serves(first.text("/image/pushed"));
    let refused = trial.project.run(&["abort", "staging"]);
    assert!(refused.code == 2 && refused.error().contains("nothing to give up"), "{}", refused.error());
    // What a person has sent back is not tried again.
    let passed = trial.project.pass(&["ci"]);
    assert_eq!(passed.environment("staging")["model_digest"], first.value["model"]["digest"], "{:#}", passed.value);
}
