use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::Duration,
};

use super::*;

fn read(status: u16, body: &str) -> Result<Vec<Sample>, Error> {
    answer::read("http://p/api/v1/query".to_owned(), status, body.as_bytes())
}

/// A stand-in for what a real Prometheus does not do on demand: answer badly, late or never.
fn asked(answer: String, wait: bool) -> (Result<Vec<Sample>, Error>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/prefix/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut block) = (Vec::new(), [0; 1024]);
        while !String::from_utf8_lossy(&request).contains("query=") {
            let count = stream.read(&mut block).unwrap();
            request.extend_from_slice(&block[..count]);
        }
        if wait {
            // Until the client gives up.
            while stream.read(&mut block).is_ok_and(|count| count > 0) {}
        }
        let _ = stream.write_all(answer.as_bytes());
        String::from_utf8(request).unwrap()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let prometheus = Prometheus::new(&address).unwrap().timeout(Duration::from_millis(if wait { 200 } else { 20_000 }));
    let prometheus = prometheus.variables(|name| name.ends_with("TOKEN").then(|| "s3cret".to_owned())).unwrap();
    assert!(!format!("{prometheus:?}").contains("s3cret"));
    let result = runtime.block_on(prometheus.query("up{a=~\"x|y\"} + 1"));
    // The connection is the runtime's, and ends with it.
    drop(runtime);
    (result, server.join().unwrap())
}

#[test]
fn what_is_asked_and_answered() {
    let body =
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"le":"0.1"},"value":[1.5,"3"]}]}}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (result, request) = asked(answer, false);
    assert_eq!(result.unwrap(), [Sample::new(&[("le", "0.1")], 3.0)]);
    assert!(request.starts_with("POST /prefix/api/v1/query HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer s3cret\r\n"), "{request}");
    assert!(request.ends_with("query=up%7Ba%3D%7E%22x%7Cy%22%7D+%2B+1"), "{request}");
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    let (result, _) = asked(String::new(), true);
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("0.2 s"), "{error}");
}

#[test]
fn numbers_that_are_none_are_handed_on() {
    let vector = |value: &str| {
        read(
            200,
            &format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[1,"{value}"]}}]}}}}"#
            ),
        )
    };
    assert!(vector("NaN").unwrap()[0].value.is_nan());
    assert_eq!(vector("+Inf").unwrap()[0].value, f64::INFINITY);
    assert!(matches!(vector("much"), Err(Error::Answer { .. })));
    let scalar = read(200, r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}"#).unwrap();
    assert_eq!(scalar, [Sample::new(&[], 2.5)]);
    let empty = read(200, r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#).unwrap();
    assert_eq!(empty, []);
}

/// Each says where, what came back, and what to do.
#[test]
fn what_is_no_answer_is_said() {
    for (status, body, words) in [
        (200, "<html>hi</html>", ["no whole answer", "<html>hi"]),
        (200, r#"{"status":"error","error":"x"}"#, ["no whole answer", "x"]),
        (200, r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#, ["`matrix`", "`vector`"]),
        (
            200,
            r#"{"status":"success","warnings":["one store is away"],"data":{"resultType":"vector","result":[]}}"#,
            ["it warns", "one store is away"],
        ),
        (400, r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error"}"#, ["400", "`1:5: parse error`"]),
        (401, "no\u{1b}[2J", ["MLCI_PROMETHEUS_TOKEN", "no\\u{1b}[2J"]),
        (404, "nothing here", ["without /api/v1", "nothing here"]),
        (503, "busy", ["503", "log"]),
    ] {
        let error = read(status, body).unwrap_err().to_string();
        for word in words.iter().chain(&["http://p/api/v1/query"]) {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (address, word) in [("p:9090", "http://HOST"), ("http://u:p@h", "MLCI_PROMETHEUS_USERNAME")] {
        let error = Prometheus::new(address).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains("u:p"), "{address}: {error}");
    }
    let half =
        Prometheus::new("http://h").unwrap().variables(|name| name.ends_with("USERNAME").then(|| "x".to_owned()));
    assert!(half.unwrap_err().to_string().contains("no password"));
}
