use std::{fs, net::TcpListener, process::Output};

use mlci_core::Digest;

use crate::support::{Client, Instance, command, model_bytes, wait_for, write_model};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command().args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn check_prints_what_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_model(folder.path());
    let digest = Digest::of(&model_bytes());
    let (code, out, _) = run(&["--check", "--model", path.to_str().unwrap()]);
    assert_eq!((code, out), (Some(0), format!("demo {} {digest} golden=1\n", digest.short())));
}

#[test]
fn a_model_that_cannot_be_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_model(folder.path());
    let mut bytes = model_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    for (model, says) in [(path.to_str().unwrap(), "is damaged"), ("no/such.mlci", "No such file")] {
        let (code, _, error) = run(&["--model", model]);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.starts_with(&format!("error: cannot load the model `{model}`: ")), "{error}");
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn wrong_usage() {
    let (code, _, error) = run(&["--modell", "x"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("did you mean --model?"), "{error}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_model(folder.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, error) = run(&["--model", path.to_str().unwrap(), "--listen", &address]);
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("cannot listen on {address}: stop what uses it")), "{error}");
    assert!(error.contains("in use"), "{error}");
}

/// The page says what the program says: its help, and its metrics.
#[test]
fn the_page_says_what_the_program_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/serving.md");
    let page = fs::read_to_string(page).unwrap();
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    let shown = format!("```console\n$ mlci-serve --help\n{help}```\n");
    assert!(page.contains(&shown), "docs/src/serving.md has to hold\n{shown}");

    let folder = tempfile::tempdir().unwrap();
    let server = Instance::start(folder.path(), "3", &[]);
    let mut client = Client::new(server.address);
    // Metrics of requests begin with one.
    client.predict().unwrap();
    let metrics = client.request("GET", "/metrics", "").unwrap().body;
    let mut exported: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let named = |row: &str| {
        let mut cells = row.strip_prefix("| `mlci_")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        // `gauge, 1`: with a value that does not change.
        Some(format!("mlci_{name} {}", cells.next()?.split(',').next()?))
    };
    let mut listed: Vec<_> = page.lines().filter_map(named).collect();
    exported.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, exported, "docs/src/serving.md, \"Metrics\"");
}

/// Lines of JSON from the first to the last, also where the server does not come to serve.
#[test]
fn a_log_for_machines() {
    let parsed = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    };
    let (code, _, error) = run(&["--model", "no/such.mlci", "--log-format", "ecs"]);
    let lines = parsed(&error);
    assert_eq!((code, lines.len(), lines[0]["log.level"].as_str()), (Some(1), 1, Some("error")), "{error}");
    assert!(lines[0]["error"]["message"].as_str().unwrap().contains("no/such.mlci"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let more = ["--log-format", "ecs", "--environment", "here", "--drain-seconds", "0"];
    let mut server = Instance::start(folder.path(), "3", &more);
    let mut client = Client::new(server.address);
    client.predict().unwrap();
    assert_eq!(client.request("POST", "/predict", "[]]").unwrap().status, 400);
    server.terminate();
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let lines = parsed(&server.log());
    let said: Vec<_> = lines.iter().map(|line| line["event"]["action"].as_str().unwrap_or_default()).collect();
    assert_eq!(said, ["start", "predict", "stop"], "{}", server.log());
    assert!(lines.iter().all(|line| line["service"]["environment"] == "here"), "{}", server.log());
}

/// A pipe that is closed, and one that is full.
#[test]
fn nobody_reads_the_log() {
    for close in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        write_model(folder.path());
        let mut command = command();
        command.current_dir(folder.path()).args(["--model", "model.mlci", "--listen", "127.0.0.1:0"]);
        command.args(["--ready-file", "ready.json", "--drain-seconds", "0", "--log-requests", "all"]);
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let pipe = child.stderr.take().unwrap();
        let pipe = if close { None } else { Some(pipe) };
        let ready = wait_for("the ready file", || fs::read(folder.path().join("ready.json")).ok());
        let ready: serde_json::Value = serde_json::from_slice(&ready).unwrap();
        let mut client = Client::new(ready["address"].as_str().unwrap().parse().unwrap());
        // More than a pipe and the queue hold.
        for _ in 0..4000 {
            client.predict().unwrap();
        }
        let metrics = client.request("GET", "/metrics", "").unwrap().body;
        let dropped = metrics.lines().find_map(|line| line.strip_prefix("mlci_log_lines_dropped_total "));
        assert!(dropped.and_then(|count| count.parse().ok()).is_some_and(|count: u64| count > 0), "{metrics}");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(wait_for("the end of the server", || child.try_wait().unwrap()).code(), Some(0));
        drop(pipe);
    }
}

/// A program of its own asks another: what the test of a Helm chart does.
#[test]
fn a_running_server_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let server = Instance::start(folder.path(), "7", &[]);
    let url = format!("http://{}", server.address);
    let path = folder.path().join("model.mlci");
    let verify = |more: &[&str]| run(&[&["--model", path.to_str().unwrap(), "--verify", &url], more].concat());
    for more in [&[] as &[&str], &["--model-version", "7"]] {
        let (code, out, error) = verify(more);
        assert_eq!(code, Some(0), "{error}");
        let says = format!("{url} serves demo 7 {} golden=1 ms=", Digest::of(&model_bytes()));
        assert!(out.starts_with(&says) && out.lines().count() == 1, "{out}");
    }
    let (code, out, error) = verify(&["--model-version", "8"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(error, format!("error: {url} is not what was expected: its mlci-version is `7`, not `8`\n"));
    let secret = ["--model", path.to_str().unwrap(), "--verify", "http://user:s3cret@localhost"];
    let (code, _, error) = run(&secret);
    assert!(code == Some(2) && error.contains("no password") && !error.contains("s3cret"), "{error}");
    let (code, _, error) = run(&["--model", path.to_str().unwrap(), "--verify", "https://localhost"]);
    assert!(code == Some(2) && error.contains("`https://localhost` is no address"), "{error}");
    drop(server);
    let (code, _, error) = verify(&[]);
    assert!(code == Some(1) && error.starts_with(&format!("error: GET {url}/readyz got no answer: ")), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}
