use std::sync::{Condvar, Mutex};

use axum::{body::Body, http};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::{app::App, body::Limits, refusal::Refusal, routes, tests::served};

const PATIENCE: Duration = Duration::from_secs(30);

/// Where lines go: kept, held up while `shut`, or refused while `broken`.
#[derive(Clone, Default)]
struct Out(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    text: Vec<u8>,
    shut: bool,
    broken: bool,
    /// Whether a write waits.
    waits: bool,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.waits = state.shut;
        changed.notify_all();
        let mut state = changed.wait_while(state, |state| state.shut).unwrap();
        state.waits = false;
        if state.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn wait(&self, until: impl Fn(&State) -> bool) {
        let state = self.0.0.lock().unwrap();
        let (_state, late) = self.0.1.wait_timeout_while(state, PATIENCE, |state| !until(state)).unwrap();
        assert!(!late.timed_out());
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().text.clone()).unwrap()
    }
}

fn ecs(requests: LogRequests) -> LogOptions {
    LogOptions { format: LogFormat::Ecs, requests, environment: Some("staging".to_owned()) }
}

/// What is logged of these requests: method, path, header `x-request-id`, body.
async fn logged(options: LogOptions, requests: &[(&str, &str, &str, &str)]) -> String {
    let out = Out::default();
    let log = Log::new(options, out.clone()).unwrap();
    let router = routes::with_app(App::new(served(), Limits::default(), Some(log.clone())));
    for (method, path, id, body) in requests {
        let request = http::Request::builder().method(*method).uri(*path).header("x-request-id", *id);
        let request = request.header("content-length", body.len()).body(Body::from((*body).to_owned())).unwrap();
        router.clone().oneshot(request).await.unwrap();
    }
    assert!(log.close(PATIENCE));
    out.text()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

const GOOD: (&str, &str, &str, &str) = ("POST", "/predict?token=geheim", "r-1", "[[1, 2, 4], [2, 2, 4]]");
const REFUSED: (&str, &str, &str, &str) = ("POST", "/predict", "r-2", r#"[{"a": 1, "b acid": "x", "n": 1}]"#);
const NOWHERE: (&str, &str, &str, &str) = ("GET", "/nowhere", "r-3", "");

#[tokio::test]
async fn a_line_for_those_that_are_wanted() {
    for (requests, ids) in [
        (LogRequests::None, &[][..]),
        (LogRequests::Errors, &["r-2", "r-3"]),
        (LogRequests::All, &["r-1", "r-2", "r-3"]),
    ] {
        let probes = ["/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"];
        let probes = probes.map(|path| ("GET", path, "probe", ""));
        let text = logged(ecs(requests), &[&[GOOD, REFUSED, NOWHERE][..], &probes].concat()).await;
        let found: Vec<Value> = lines(&text).iter().map(|line| line["http"]["request"]["id"].clone()).collect();
        assert_eq!(found, ids, "{requests:?}");
    }
}

#[tokio::test]
async fn what_a_line_says() {
    let text = logged(ecs(LogRequests::All), &[GOOD, REFUSED, NOWHERE]).await;
    assert!(!text.contains("geheim"), "{text}");
    let lines = lines(&text);
    let digest = served().digest().to_string();
    for line in &lines {
        let parsed: jiff::Timestamp = line["@timestamp"].as_str().unwrap().parse().unwrap();
        assert!(parsed.duration_until(jiff::Timestamp::now()).as_secs() < 60, "{line}");
        assert!(line["event"]["duration"].as_u64().is_some_and(|nanoseconds| nanoseconds > 0), "{line}");
        assert_eq!(line["service"], json!({"name": "demo", "version": "3", "environment": "staging"}));
        assert_eq!(line["mlci"]["model"], json!({"name": "demo", "version": "3", "digest": digest}));
        assert_eq!((&line["ecs.version"], &line["event"]["dataset"]), (&json!(ECS_VERSION), &json!("mlci.serve")));
    }
    let check = |line: &Value, expected: &[(&str, Value)]| {
        for (pointer, value) in expected {
            assert_eq!(line.pointer(pointer), Some(value), "{pointer} in {line}");
        }
    };
    check(
        &lines[0],
        &[
            ("/log.level", json!("info")),
            ("/message", json!("POST /predict 200")),
            ("/event/action", json!("predict")),
            ("/event/outcome", json!("success")),
            ("/http/request/body/bytes", json!(GOOD.3.len())),
            ("/http/response/status_code", json!(200)),
            ("/url", json!({"path": "/predict"})),
            ("/mlci/route", json!("/predict")),
            ("/mlci/rows", json!(2)),
        ],
    );
    check(
        &lines[1],
        &[
            ("/log.level", json!("warn")),
            ("/event/outcome", json!("failure")),
            ("/error/type", json!("Bad Request")),
            ("/error/message", json!("row 0, field `b acid`: expected a finite number, got the text \"x\"")),
            ("/mlci/refused", json!({"field": "b acid", "row": 0})),
            ("/http/request/body/bytes", json!(REFUSED.3.len())),
        ],
    );
    check(
        &lines[2],
        &[
            ("/event/action", json!("request")),
            ("/mlci/route", json!("unmatched")),
            ("/error/type", json!("Not Found")),
        ],
    );
}

#[tokio::test]
async fn what_clients_send_is_bounded_and_makes_no_lines() {
    let (path, id) = (format!("/{}", "é".repeat(5000)), "i".repeat(5000));
    let escaped = path.replace('é', "%C3%A9");
    let field = format!(r#"[{{"a": 1, "b acid": 2, "n": 1, "new\nline{}": 1}}]"#, "\\u0007ü".repeat(5000));
    let requests = [("GET", escaped.as_str(), id.as_str(), ""), ("POST", "/predict", "x", field.as_str())];
    for format in [LogFormat::Text, LogFormat::Ecs] {
        let text = logged(LogOptions { format, ..ecs(LogRequests::All) }, &requests).await;
        assert_eq!(text.lines().count(), requests.len(), "{text}");
        // Container runtimes cut a line in two from here on.
        assert!(text.lines().all(|line| line.len() < 16 << 10), "{text}");
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
    }
}

/// What waits in the queue is small, also where a client sends as much as it may: all that is held is in `Debug`.
#[test]
fn a_note_holds_no_more_than_its_line() {
    let long = "x".repeat(30_000);
    let request = http::Request::get(format!("/{long}?{long}")).header("x-request-id", &long).header("other", &long);
    let asked = Asked::of(&request.body(Body::empty()).unwrap());
    let mut response = axum::response::IntoResponse::into_response(Refusal::value(Some(1), &long, "x", &long));
    let note = asked.answered("GET", "unmatched", Duration::ZERO, &mut response);
    assert_eq!((note.path.len(), note.id.as_ref().map(String::len)), (256, Some(128)));
    assert!(format!("{note:?}").len() < 2000);
    let refused = note.refused.unwrap();
    let texts = [note.path, note.id.unwrap(), refused.error, refused.field.unwrap()];
    assert!(texts.iter().all(|text| text.capacity() == text.len()), "{texts:?}");
}

/// What no index takes as a length is left out; who verifies is told from who asks.
#[test]
fn odd_lengths_and_golden_predictions() {
    let note = |name: &str, value: &str| {
        let request = http::Request::post("/predict").header(name, value).body(Body::empty()).unwrap();
        let mut response = axum::response::Response::new(Body::empty());
        Asked::of(&request).answered("POST", "/predict", Duration::ZERO, &mut response)
    };
    for (length, expected) in
        [("7", Some(7)), ("9223372036854775807", Some(i64::MAX as u64)), ("9223372036854775808", None)]
    {
        assert_eq!(note("content-length", length).bytes, expected, "{length}");
    }
    let context = super::ecs::Context { service: None, environment: None };
    for (header, action) in [(crate::VERIFICATION_HEADER, "verify"), ("x-request-id", "predict")] {
        let line: Value = serde_json::from_str(&super::ecs::request(&note(header, "1"), &context)).unwrap();
        assert_eq!(line["event"]["action"], action);
    }
    assert!(
        super::text::request(&note("x-request-id", "1 rows=5: all is well")).contains(r#" id="1 rows=5: all is well""#)
    );
}

#[tokio::test]
async fn text_is_for_people() {
    let text = logged(LogOptions { format: LogFormat::Text, ..ecs(LogRequests::Errors) }, &[REFUSED]).await;
    let (time, rest) = text.split_once(' ').unwrap();
    time.parse::<jiff::Timestamp>().unwrap();
    assert!(
        rest.starts_with("warn POST /predict 400 ") && rest.contains(" ms id=\"r-2\": row 0, field `b acid`"),
        "{rest}"
    );
}

/// Whoever has started the server does not read its pipe.
#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let out = Out::default();
    out.set(|state| state.shut = true);
    let log = Log::new(ecs(LogRequests::All), out.clone()).unwrap();
    log.failed("first", "x");
    out.wait(|state| state.waits);
    let more = 2 * QUEUE as u64;
    (0..more).for_each(|_| log.failed("more", "x"));
    let dropped = log.dropped().get();
    assert_eq!(dropped, more - QUEUE as u64);
    assert!(!log.close(Duration::from_millis(1)), "nothing could be written");
    out.set(|state| state.shut = false);
    assert!(log.close(PATIENCE));
    let lines = lines(&out.text());
    let told: Vec<&Value> = lines.iter().filter_map(|line| line["mlci"].get("dropped_lines")).collect();
    assert_eq!(told, [&json!(dropped)]);
    // It may have been a full disk as well: what is known is said.
    assert!(out.text().contains(&format!("{dropped} lines of this log were not written")), "{}", out.text());
    assert_eq!(lines.len() as u64, 1 + more - dropped + told.len() as u64);
}

/// The disk is full, or whoever read the pipe is gone.
#[test]
fn a_log_that_cannot_be_written_counts() {
    let out = Out::default();
    out.set(|state| state.broken = true);
    let log = Log::new(ecs(LogRequests::All), out.clone()).unwrap();
    log.failed("lost", "x");
    let end = std::time::Instant::now() + PATIENCE;
    while log.dropped().get() == 0 && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    out.set(|state| state.broken = false);
    log.failed("kept", "x");
    assert!(log.close(PATIENCE));
    // The last write may have ended within a line, so the next one begins with a new one.
    let text = out.text();
    let lines = lines(text.strip_prefix('\n').expect(&text));
    let actions: Vec<&Value> = lines.iter().map(|line| &line["event"]["action"]).collect();
    assert_eq!(actions, [&json!("kept"), &json!("drop")]);
    assert_eq!(lines[1]["mlci"]["dropped_lines"], 1);
}
