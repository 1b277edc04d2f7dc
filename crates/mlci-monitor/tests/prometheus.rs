//! A canary judged by what the real Prometheus answers. `MLCI_LAB_PROMETHEUS` names its program. What it scrapes are
//! stand-ins with the server's metrics, since a server does not fail or slow down on demand.

// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use mlci_monitor::{
    Verdict,
    canary::{Analysis, Check, Judgement, Look, OwnCheck, Pods},
    query::Prometheus,
};

/// What a pod has counted: requests answered with 200 and with 503, and how many of all took longer than 0.25 s.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    answered: u32,
    failed: u32,
    slow: u32,
}

impl Counts {
    fn text(self) -> String {
        let all = self.answered + self.failed;
        let mut text = format!("mlci_http_requests_total{{path=\"/predict\",status=\"200\"}} {}\n", self.answered);
        text.push_str("mlci_http_requests_total{path=\"/livez\",status=\"500\"} 100000\n");
        // As in the server, a series begins with the first request of its kind.
        if self.failed > 0 {
            text.push_str(&format!("mlci_http_requests_total{{path=\"/predict\",status=\"503\"}} {}\n", self.failed));
        }
        let faster = all - self.slow;
        for (le, count) in [("0.01", all / 2), ("0.1", faster), ("0.25", faster), ("10.0", all), ("+Inf", all)] {
            let name = "mlci_http_request_duration_seconds_bucket";
            text.push_str(&format!("{name}{{path=\"/predict\",le=\"{le}\"}} {count}\n"));
        }
        text
    }
}

/// A stand-in for a pod.
struct Pod {
    address: String,
    counts: Arc<Mutex<Counts>>,
}

impl Pod {
    fn start(counts: Counts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, counts) = (listener.local_addr().unwrap().to_string(), Arc::new(Mutex::new(counts)));
        let shown = Arc::clone(&counts);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let text = shown.lock().unwrap().text();
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/plain; version=0.0.4";
                let _ = stream.read(&mut [0; 4096]);
                let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
            }
        });
        Self { address, counts }
    }

    fn add(&self, answered: u32, failed: u32, slow: u32) {
        let mut counts = self.counts.lock().unwrap();
        *counts =
            Counts { answered: counts.answered + answered, failed: counts.failed + failed, slow: counts.slow + slow };
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Prometheus that scrapes a canary and two others every second.
struct Lab {
    canary: Pod,
    stable: [Pod; 2],
    prometheus: Prometheus,
    runtime: tokio::runtime::Runtime,
    started: Instant,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn start() -> Self {
        let before = Counts { answered: 5000, failed: 700, slow: 300 };
        let (canary, stable) = (Pod::start(Counts::default()), [Pod::start(before), Pod::start(before)]);
        let target = |pod: &Pod, name: &str| format!("{{targets: ['{}'], labels: {{pod: {name}}}}}", pod.address);
        let targets = [target(&canary, "w-canary-1-a"), target(&stable[0], "w-2-b"), target(&stable[1], "w-2-c")];
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs: [{{job_name: pods, static_configs: [{}]}}]\n",
            targets.join(", ")
        );
        fs::write(folder.path().join("prometheus.yml"), text).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = std::env::var("MLCI_LAB_PROMETHEUS").expect("MLCI_LAB_PROMETHEUS has to name a Prometheus");
        let mut command = Command::new(program);
        command.current_dir(folder.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server(command.spawn().unwrap());
        let prometheus = Prometheus::new(&format!("http://127.0.0.1:{port}")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let started = Instant::now();
        let mut lab = Self { canary, stable, prometheus, runtime, started, _server: server, _folder: folder };
        // What was counted before has to be there a while before the watch begins.
        lab.wait("min(count_over_time(mlci_http_requests_total{status=\"200\"}[1m]))", |scrapes| scrapes >= 4.0);
        lab.started = Instant::now();
        lab
    }

    #[track_caller]
    fn wait(&self, query: &str, fits: impl Fn(f64) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let samples = self.runtime.block_on(self.prometheus.query(query));
            if samples.as_ref().is_ok_and(|samples| samples.first().is_some_and(|sample| fits(sample.value))) {
                return;
            }
            assert!(Instant::now() < end, "{query}: {samples:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Judges once Prometheus has heard of everything.
    fn judge(&self, analysis: &Analysis, look: Look) -> Judgement {
        for (pod, name) in [(&self.canary, "w-canary-1-a"), (&self.stable[0], "w-2-b"), (&self.stable[1], "w-2-c")] {
            let counts = *pod.counts.lock().unwrap();
            let all = f64::from(counts.answered + counts.failed);
            let query = format!("mlci_http_request_duration_seconds_bucket{{pod=\"{name}\",le=\"+Inf\"}}");
            self.wait(&query, |found| found == all);
        }
        let pods = Pods {
            canary: vec!["w-canary-1-a".to_owned()],
            stable: vec!["w-2-b".to_owned(), "w-2-c".to_owned(), "w-2-gone".to_owned()],
        };
        // Whole seconds are asked for: none of what came is to be left out.
        let watched = self.started.elapsed() + Duration::from_secs(1);
        self.runtime.block_on(analysis.look(&self.prometheus, &pods, watched, look))
    }
}

fn analysis() -> Analysis {
    let mut analysis = Analysis::default();
    analysis.checks = vec![Check::Errors, Check::Latency];
    analysis
}

#[test]
#[ignore = "needs Prometheus: cargo xtask test --lab prometheus"]
fn a_canary_that_fails_more_requests_fails() {
    let lab = Lab::start();
    let none = lab.judge(&analysis(), Look::Last);
    assert_eq!(none.verdict, Verdict::NoData, "{none}");
    // What was counted before the watch is none of its sample.
    assert!(none.to_string().contains("canary 0 requests, stable 0"), "{none}");

    lab.canary.add(360, 40, 0);
    lab.stable.iter().for_each(|pod| pod.add(2000, 0, 0));
    let failed = lab.judge(&analysis(), Look::Early);
    assert_eq!(failed.verdict, Verdict::Fail, "{failed}");
    let failed = lab.judge(&analysis(), Look::Last);
    assert_eq!(failed.verdict, Verdict::Fail, "{failed}");
    let text = failed.to_string();
    for words in ["errors: fail, the canary failed 40 of 400, the stable pods 0 of 4000", "latency: pass, 0 of"] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
#[ignore = "needs Prometheus: cargo xtask test --lab prometheus"]
fn a_canary_that_is_as_good_passes_and_a_slow_one_fails() {
    let lab = Lab::start();
    let mut own = analysis();
    let mut share = OwnCheck::new("share", "0 * sum(mlci_http_requests_total{$canary}) + 3");
    share.min = Some(2.0);
    own.own.push(share);
    // Errors that both have.
    lab.canary.add(995, 5, 0);
    lab.stable.iter().for_each(|pod| pod.add(4975, 25, 0));
    let good = lab.judge(&own, Look::Last);
    assert_eq!(good.verdict, Verdict::Pass, "{good}");
    assert!(good.to_string().contains("share: pass, it is 3"), "{good}");

    lab.canary.add(1000, 0, 200);
    let slow = lab.judge(&analysis(), Look::Last);
    assert_eq!(slow.verdict, Verdict::Fail, "{slow}");
    assert!(slow.to_string().contains("latency: fail, 200 of the canary's 2000 requests took longer than"), "{slow}");

    // What it does not understand is no data, with its own words.
    let mut wrong = analysis();
    let mut own = OwnCheck::new("wrong", "sum(rate(x{$canary}[$window])");
    own.max = Some(1.0);
    wrong.own.push(own);
    wrong.checks = vec![Check::Errors];
    let judged = lab.judge(&wrong, Look::Last);
    assert_eq!(judged.verdict, Verdict::NoData, "{judged}");
    assert!(judged.to_string().contains("parse error") && judged.to_string().contains("400"), "{judged}");
}
