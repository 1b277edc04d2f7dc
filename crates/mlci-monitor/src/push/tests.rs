use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread::JoinHandle,
    time::Duration,
};

use super::*;

/// A server that gives one answer and hands back the request.
fn server(answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let request = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut block) = (Vec::new(), [0; 1024]);
        loop {
            let count = stream.read(&mut block).unwrap();
            request.extend_from_slice(&block[..count]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if count == 0 || body.len() >= length.parse().unwrap() {
                stream.write_all(answer.as_bytes()).unwrap();
                return text;
            }
        }
    });
    (address, request)
}

fn gauges() -> Gauges {
    let mut gauges = Gauges::default();
    gauges.set("run_seconds", "How long", &[("stage", "a\"b\\c\n")], 1.5);
    gauges.set("run_seconds", "How long", &[("stage", "d")], 2.0);
    gauges.set("other", "Another", &[], f64::NAN);
    gauges
}

fn push(gateway: &Pushgateway) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(gateway.push(&Group::new("mlci").label("project", "wine").label("branch", "feat/x"), &gauges()))
}

const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn what_arrives() {
    let (address, request) = server(TAKEN);
    let gateway = Pushgateway::new(&format!("{address}/prefix/")).unwrap();
    let gateway = gateway.variables(|name| (name == TOKEN).then(|| "s3cret".to_owned())).unwrap();
    assert!(!format!("{gateway:?}").contains("s3cret"));
    push(&gateway).unwrap();
    let request = request.join().unwrap();
    // `feat/x` in base64, padded (RFC 4648 §5).
    assert!(
        request.starts_with("POST /prefix/metrics/job/mlci/project/wine/branch@base64/ZmVhdC94 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("authorization: Bearer s3cret\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    for line in
        ["# TYPE run_seconds gauge", r#"run_seconds{stage="a\"b\\c\n"} 1.5"#, "run_seconds{stage=\"d\"} 2", "other NaN"]
    {
        assert!(body.lines().any(|found| found.trim_end_matches(".0") == line), "{line}\nis not in\n{body}");
    }
    assert_eq!(body.matches("# TYPE run_seconds").count(), 1, "{body}");
}

#[test]
fn the_path_of_a_group() {
    let last = |value: &str| Group::new("j").label("x", value).segments().split_off(3).join("/");
    for (value, path) in [
        ("main", "x/main"),
        ("a.b-c_d~1", "x/a.b-c_d~1"),
        ("", "x@base64/="),
        ("..", "x@base64/Li4="),
        ("ä", "x@base64/w6Q="),
        ("a b", "x@base64/YSBi"),
    ] {
        assert_eq!(last(value), path, "{value}");
    }
}

/// Each says what was tried, where, what came back, and what to do.
#[test]
fn what_goes_wrong_is_said() {
    let check = |answer: &'static str, words: &[&str]| {
        let (address, request) = server(answer);
        let error = push(&Pushgateway::new(&address).unwrap()).unwrap_err().to_string();
        request.join().unwrap();
        for word in [&["POST", address.as_str()], words].concat() {
            assert!(error.contains(word), "{word}: {error}");
        }
    };
    check("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno", &["401", "`no`", USERNAME, TOKEN]);
    check("HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\n\r\n<html>\n</html", &["404", "`<html> </html`", "address"]);
    check("HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<html>hi</html>", &["<html>hi", "no Pushgateway's"]);
    check("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", &["302", "redirects"]);
    check("HTTP/1.1 400 Bad\r\ncontent-length: 8\r\n\r\n\u{1b}[2Jbad!", &["400", "\\u{1b}[2Jbad!", "delete the group"]);
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    // It takes the connection (the system does), and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let error = push(&Pushgateway::new(&address).unwrap().timeout(Duration::from_millis(100))).unwrap_err();
    assert!(matches!(&error, Error::Unreachable { url, .. } if url.starts_with(&address)), "{error}");
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (address, word) in
        [("", "relative URL"), ("ftp://h", "http://HOST"), ("http://u:p@h", USERNAME), ("http://", "empty host")]
    {
        let error = Pushgateway::new(address).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains("u:p"), "{address}: {error}");
    }
    let gateway = Pushgateway::new("http://h").unwrap();
    for (names, word) in [(&[USERNAME][..], "no password"), (&[PASSWORD][..], "no user")] {
        let error = gateway.clone().variables(|name| names.contains(&name).then(|| "x".to_owned())).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = gateway.variables(|name| (name == TOKEN).then(|| "a b".to_owned())).unwrap_err().to_string();
    assert!(error.contains("spaces") && !error.contains("a b"), "{error}");
}
