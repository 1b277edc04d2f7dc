//! Prometheus, Alertmanager and a webhook, each with a configuration of the test's own.

use std::{
    cell::RefCell,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    project::{header, http},
    variable,
};

/// A server that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(command: &mut Command, log: &Path) -> Self {
        let output = fs::File::create(log).unwrap();
        let errors = output.try_clone().unwrap();
        Self(command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().unwrap())
    }
}

/// A loopback port that was free just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits for something; what is slow here is a scrape, a rule and Alertmanager's grouping.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Status and body of a `GET`, whose answer may come in chunks.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let (status, head, body) = http(address, "GET", path, "").unwrap();
    if header(&head, "transfer-encoding").is_none() {
        return (status, body);
    }
    let (mut whole, mut rest) = (String::new(), body.as_str());
    while let Some((length, more)) = rest.split_once("\r\n") {
        let (chunk, after) = more.split_at(usize::from_str_radix(length, 16).unwrap());
        whole.push_str(chunk);
        rest = after.trim_start_matches("\r\n");
    }
    (status, whole)
}

/// Runs promtool or amtool in a folder.
pub(crate) fn tool(name: &str, folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(variable(name));
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What a tool has said, where it has to be content.
#[track_caller]
pub(crate) fn content(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// A Prometheus that runs in a folder with `rules.yml` and `scrape.yml`.
pub(crate) struct Prometheus {
    address: String,
    _server: Server,
}

impl Prometheus {
    /// Starts it in `folder`, with `prometheus.yml` made of both files and an interval of a second.
    pub(crate) fn start(folder: &Path, alertmanager: Option<&str>) -> Self {
        let mut text = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n".to_owned();
        text.push_str("rule_files: [rules.yml]\n");
        if let Some(host) = alertmanager {
            text.push_str(&format!("alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{host}']}}]}}]}}\n"));
        }
        text.push_str(&fs::read_to_string(folder.join("scrape.yml")).unwrap());
        fs::write(folder.join("prometheus.yml"), text).unwrap();
        content(&tool("MLCI_LAB_PROMTOOL", folder, &["check", "config", "prometheus.yml"], ""));

        let host = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(variable("MLCI_LAB_PROMETHEUS"));
        command.current_dir(folder).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address={host}"));
        let server = Server::start(&mut command, &folder.join("prometheus.log"));
        let address = format!("http://{host}");
        wait_for("Prometheus", || http(&address, "GET", "/-/ready", "").ok().filter(|(status, ..)| *status == 200));
        Self { address, _server: server }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What its API answers.
    pub(crate) fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let encode = |text: &str| {
            let byte = |byte: u8| {
                if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            };
            text.bytes().map(byte).collect::<String>()
        };
        let query: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
        let path = format!("{path}?{}", query.join("&"));
        let (status, body) = get(&self.address, &path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// The series that a query gives now.
    pub(crate) fn series(&self, query: &str) -> Vec<Value> {
        self.get("/api/v1/query", &[("query", query)])["data"]["result"].as_array().unwrap().clone()
    }

    /// The value of a query that gives one series.
    pub(crate) fn value(&self, query: &str) -> Option<f64> {
        self.series(query).first()?["value"][1].as_str()?.parse().ok()
    }

    /// Waits until a query has a value that fits.
    #[track_caller]
    pub(crate) fn wait(&self, query: &str, fits: impl Fn(f64) -> bool) -> f64 {
        wait_for(query, || self.value(query).filter(|value| fits(*value)))
    }
}

/// An Alertmanager that tells a webhook everything at once.
pub(crate) struct Alertmanager {
    pub(crate) host: String,
    _server: Server,
}

impl Alertmanager {
    pub(crate) fn start(folder: &Path, webhook: &str) -> Self {
        let text = format!(
            "route: {{receiver: test, group_wait: 0s, group_interval: 1s, group_by: [alertname]}}\n\
             receivers: [{{name: test, webhook_configs: [{{url: '{webhook}'}}]}}]\n"
        );
        fs::write(folder.join("alertmanager.yml"), text).unwrap();
        content(&tool("MLCI_LAB_AMTOOL", folder, &["check-config", "alertmanager.yml"], ""));
        let host = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(variable("MLCI_LAB_ALERTMANAGER"));
        command.current_dir(folder).args(["--config.file=alertmanager.yml", "--storage.path=alerts"]);
        // Alone, and on no other interface.
        command.args([&format!("--web.listen-address={host}"), "--cluster.listen-address="]);
        let server = Server::start(&mut command, &folder.join("alertmanager.log"));
        let address = format!("http://{host}");
        wait_for("Alertmanager", || http(&address, "GET", "/-/ready", "").ok().filter(|(status, ..)| *status == 200));
        Self { host, _server: server }
    }
}

/// Takes what is sent to it, for as long as the test runs.
pub(crate) struct Webhook {
    pub(crate) url: String,
    bodies: Receiver<Value>,
    /// What has come, in no order that could be relied on: two groups of alerts are sent beside each other, each once.
    seen: RefCell<Vec<Value>>,
}

impl Webhook {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (sender, bodies) = channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let (mut request, mut block) = (Vec::new(), [0; 4096]);
                while let Ok(count @ 1..) = stream.read(&mut block) {
                    request.extend_from_slice(&block[..count]);
                    let text = String::from_utf8_lossy(&request);
                    let body = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
                    if let Some(body) = body {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                        if sender.send(body).is_err() {
                            return;
                        }
                        break;
                    }
                }
            }
        });
        Self { url, bodies, seen: RefCell::default() }
    }

    /// Waits for a firing alert of this name.
    #[track_caller]
    pub(crate) fn alert(&self, name: &str) -> Value {
        wait_for(name, || {
            let mut seen = self.seen.borrow_mut();
            for body in self.bodies.try_iter() {
                seen.extend(body["alerts"].as_array().cloned().unwrap_or_default());
            }
            seen.iter().find(|alert| alert["labels"]["alertname"] == name && alert["status"] == "firing").cloned()
        })
    }
}
