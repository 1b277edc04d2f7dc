use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use mlci_track::mlflow::{Client, Error};

use crate::{Mock, Reply, sync, well};

#[track_caller]
fn check_server(error: &Error, expected: u16, tried: u32, parts: &[&str]) {
    let Error::Server { status, attempts, .. } = error else { panic!("{error:?}") };
    assert_eq!((*status, *attempts), (expected, tried));
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

/// 5xx is tried again within bounds, and the error says how often; 4xx is not.
#[tokio::test]
async fn mock_failures_are_tried_again_within_bounds() {
    for (status, body, parts) in [
        (500, r#"{"error_code":"INTERNAL_ERROR","message":"disk full"}"#, ["disk full", "tried 3 times"]),
        (503, "<html><title>Service Unavailable</title></html>", ["titled `Service Unavailable`", "tried 3 times"]),
    ] {
        let mock = Mock::start(move |_, _| Reply::Status(status, body)).await;
        let error = sync(&mock.builder().retries(2).build().unwrap(), b"model").await.unwrap_err();
        check_server(&error, status, 3, &parts);
        assert!(error.is_transient());
        assert_eq!(mock.seen().len(), 3);
    }

    // Twice away in the middle: the sync does not fail.
    let mock = Mock::start(|seen, before| match seen.path.ends_with("log-batch") && before < 2 {
        true => Reply::Status(502, ""),
        false => well(seen),
    })
    .await;
    sync(&mock.builder().build().unwrap(), b"model").await.unwrap();

    let refusal = r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid \u001b[31m name"}"#;
    let mock = Mock::start(move |_, _| Reply::Status(400, refusal)).await;
    let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
    let Error::Refused { code, status: 400, .. } = &error else { panic!("{error:?}") };
    assert_eq!(code, "INVALID_PARAMETER_VALUE");
    assert!(!error.is_transient() && !error.to_string().contains('\u{1b}'), "{error}");
    assert_eq!(mock.seen().len(), 1);
}

/// 429 is tried again when `Retry-After` says, in both its forms; one beyond a minute is left to the caller.
#[tokio::test]
async fn mock_retry_after_is_kept() {
    for value in ["1", "0", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        let mock = Mock::start(move |seen, before| match seen.path.ends_with("runs/search") && before == 0 {
            true => Reply::Header(429, "retry-after", value),
            false => well(seen),
        })
        .await;
        let start = Instant::now();
        sync(&mock.builder().build().unwrap(), b"model").await.unwrap();
        assert_eq!(mock.count("runs/search"), 2);
        // No sooner than asked for; how much later is not said.
        assert!(value != "1" || start.elapsed() >= Duration::from_secs(1));
    }
    for value in ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"] {
        let mock = Mock::start(move |_, _| Reply::Header(429, "retry-after", value)).await;
        let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
        check_server(&error, 429, 1, &["429", "tried once"]);
        let Error::Server { retry_after: Some(after), .. } = error else { panic!("{error:?}") };
        assert!(after >= Duration::from_secs(3600));
    }
}

/// What is not MLflow is told so, and what does not let the client in says what to look at. Nothing is tried again.
#[tokio::test]
async fn mock_other_services_and_closed_doors() {
    let html = "<!DOCTYPE html><html><head><title>Log in to\n the proxy</title></head></html>";
    for (status, body, parts) in [
        (200, html, ["HTML page titled `Log in to the proxy`", "tracking URI"]),
        (200, "OK", ["`OK`", "tracking URI"]),
        (404, "", ["nothing", "prefix"]),
        (413, html, ["HTML page", "size"]),
        (200, r#"{"experiment":{"experiment_id":1}}"#, ["MLflow does not say", "experiments/get-by-name"]),
        (401, "You are not authenticated.", ["not authenticated", "MLFLOW_TRACKING_PASSWORD"]),
        (403, "Permission denied", ["Permission denied", "permission"]),
        (403, "Invalid Host header - possible DNS rebinding attack detected", ["Invalid Host", "--allowed-hosts"]),
    ] {
        let mock = Mock::start(move |_, _| Reply::Status(status, body)).await;
        let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert_eq!(matches!(error, Error::Denied { .. }), matches!(status, 401 | 403), "{error:?}");
        assert_eq!(mock.seen().len(), 1, "{text}");
    }
    let mock = Mock::start(|_, _| Reply::Header(308, "location", "https://elsewhere/ml")).await;
    let error = sync(&mock.builder().build().unwrap(), b"model").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("308") && text.contains("redirect to https://elsewhere/ml"), "{text}");
}

/// Credentials go into the header and nowhere else.
#[tokio::test]
async fn mock_credentials_are_sent_and_not_shown() {
    // base64 of `ann:s3cret` (RFC 4648 §4).
    const BASIC: &str = "Basic YW5uOnMzY3JldA==";
    let address = |mock: &Mock| mock.uri.replace("http://", "http://ann:s3cret@");
    for (kind, expected) in [("uri", BASIC), ("basic", BASIC), ("token", "Bearer s3cret")] {
        let mock = Mock::start(|_, _| Reply::Status(401, "who are you?")).await;
        let builder = match kind {
            "uri" => mock.builder().tracking_uri(address(&mock)),
            "basic" => mock.builder().basic_auth("ann", "s3cret"),
            _ => mock.builder().token("s3cret"),
        };
        let client = builder.build().unwrap();
        let error = sync(&client, b"model").await.unwrap_err();
        assert_eq!(mock.seen()[0].authorization, expected, "{kind}");
        let shown = format!("{error} {error:?} {client:?} {}", client.tracking_uri());
        assert!(!shown.contains("s3cret") && !shown.contains("YW5u"), "{shown}");
    }
}

/// Nobody listens: the error says where, how often, and why. From another task, as a pipeline may do it.
#[tokio::test]
async fn mock_a_server_that_is_not_there() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::builder().tracking_uri(format!("http://u:s3cret@{address}")).retries(1).build().unwrap();
    let error = tokio::spawn(async move { sync(&client, b"model").await }).await.unwrap().unwrap_err();
    assert!(error.is_transient() && matches!(error, Error::Unreachable { attempts: 2, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("tried 2 times") && text.contains(&format!("server at http://{address}/ up?")), "{text}");
    let mut chain = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain += &format!(": {error}");
        cause = error.source();
    }
    assert!(chain.contains("refused") && !chain.contains("s3cret"), "{chain}");
}
