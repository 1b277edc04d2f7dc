//! What an error says: what was tried, where, what came back and what to do.

use mlci_image::RegistryError;

use super::{Mock, answer, builder, client, error, html, nobody};
use crate::fixture::{Fixture, chain};

/// One answer to the first request of `resolve`, the words that the error has to have, and how often it was asked.
#[tokio::test]
async fn mock_an_answer_is_explained_and_tried_again_only_if_that_may_help() {
    type Make = fn() -> axum::http::Response<axum::body::Body>;
    let cases: [(Make, &[&str], usize); 9] = [
        (|| error(403, "DENIED", "no"), &["answered 403", "an anonymous user may not pull from `team/x`"], 1),
        (|| error(404, "NAME_UNKNOWN", "no"), &["answered 404", "check the repository's name"], 1),
        (|| error(400, "NAME_INVALID", "bad name"), &["answered 400"], 1),
        (
            || error(429, "TOOMANYREQUESTS", "slow down"),
            &["answered 429", "tried 3 times", "log in for a higher limit"],
            3,
        ),
        (|| html(502), &["answered 502", "tried 3 times"], 3),
        (|| answer(500, &[], ""), &["answered 500", "the registry's own log"], 3),
        (|| answer(501, &[], ""), &["answered 501"], 1),
        (|| answer(401, &[], ""), &["answered 401", "is it a registry?"], 1),
        (|| answer(200, &[("docker-content-digest", "sha256:xyz")], ""), &["states the digest"], 1),
    ];
    for (make, words, times) in cases {
        let mock = Mock::with(move |_, _| Some(make())).await;
        let text = client().resolve(&mock.reference("team/x:v1")).await.unwrap_err().to_string();
        for words in words.iter().copied().chain([mock.host.as_str(), "`team/x`", "(HEAD", "look up `v1`"]) {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(mock.seen().len(), times, "{text}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

/// GET has bodies, so that code, message and page can be told.
#[tokio::test]
async fn mock_code_and_message_are_handed_on() {
    let body = |status, body: &'static str| move || answer(status, &[], body);
    let cases: [(Box<dyn Fn() -> _ + Send + Sync>, &str); 6] = [
        (Box::new(|| error(404, "MANIFEST_UNKNOWN", "not\nhere")), "answered 404 MANIFEST_UNKNOWN, not here"),
        (Box::new(|| html(404)), "answered 404, an HTML page titled `Sign in [31m` and not the JSON of a registry"),
        (Box::new(|| html(200)), "answered 200, an HTML page titled `Sign in"),
        (Box::new(body(418, "just text\nand more")), "answered 418, just text"),
        (Box::new(body(400, r#"{"error":"oops","message":"why"}"#)), "answered 400 oops, why"),
        (Box::new(body(400, "Client sent an HTTP request to an HTTPS server.")), "it may speak TLS"),
    ];
    let fixture = Fixture::new();
    for (make, words) in cases {
        let mock = Mock::with(move |_, _| Some(make())).await;
        let text = client().pull(&mock.reference("team/x:v1"), &fixture.layout).await.unwrap_err().to_string();
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn mock_too_many_requests_are_waited_for() {
    let mock = Mock::with(|_, before| (before < 2).then(|| answer(429, &[("retry-after", "0")], ""))).await;
    let fixture = Fixture::new();
    let image = fixture.build("model");
    mock.hold(&fixture, &image, "v1");
    assert_eq!(client().resolve(&mock.reference("team/x:v1")).await.unwrap(), image.digest);
    assert_eq!(mock.seen().len(), 3);
}

#[tokio::test]
async fn a_registry_that_does_not_listen_is_said_to_be_so() {
    let host = nobody();
    let error = client().resolve(&format!("{host}/team/x:v1").parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error:?}");
    let text = chain(&error);
    for words in [host.as_str(), "nothing listens there", "tried 3 times", "team/x"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // A URL may hold a token elsewhere.
    assert!(!text.contains("http://"), "{text}");
}

#[tokio::test]
async fn mock_tls_to_a_registry_without_it_is_said_to_be_so() {
    let mock = Mock::new().await;
    let registry = builder().https(&mock.host).build().unwrap();
    let error = registry.resolve(&mock.reference("team/x:v1")).await.unwrap_err();
    assert!(error.to_string().contains("speaks plain HTTP and not TLS"), "{}", chain(&error));
    assert!(!error.to_string().contains("tried"), "{error}");
    assert!(mock.seen().is_empty());
}

#[tokio::test]
async fn mock_a_registry_that_says_nothing_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let registry = builder().timeout(std::time::Duration::from_millis(1)).build().unwrap();
    let error = registry.resolve(&format!("{host}/team/x:v1").parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, RegistryError::Stalled { .. }), "{error:?}");
    drop(listener);
}

#[test]
fn a_certificate_has_to_be_one() {
    let error =
        builder().certificates(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").build().unwrap_err();
    assert!(matches!(error, RegistryError::Client { .. }), "{error:?}");
}
