//! Who is asking, with a mock in the place of the registry and of its token server.

use axum::body::Body;
use axum::http::Response;
use mlci_image::{Credential, Credentials, Registry, RegistryError};

use super::{Mock, Seen, answer, builder, html};
use crate::fixture::{Fixture, chain};

const SECRET: &str = "s3cret-passw0rd";

/// A registry that wants the token `good`, whose token server answers so.
async fn mock(token: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Mock {
    Mock::with(move |seen, _| {
        if seen.path == "/token" {
            return Some(token(seen));
        }
        let authorized = seen.headers.get("authorization").is_some_and(|value| value == "Bearer good");
        (!authorized).then(|| {
            let host = seen.headers["host"].to_str().unwrap();
            let challenge = format!(
                r#"Bearer realm="http://{host}/token",service="lab, \"quoted\"",scope="repository:team/x:pull""#
            );
            answer(401, &[("www-authenticate", &challenge)], "")
        })
    })
    .await
}

fn client(mock: &Mock, credential: Credential) -> Registry {
    builder().credentials(Credentials::none().with(&mock.host, credential)).build().unwrap()
}

fn password() -> Credential {
    Credential::password("lab", SECRET)
}

#[tokio::test]
async fn mock_one_token_serves_a_whole_push() {
    let mock = mock(|_| answer(200, &[], r#"{"token":"good","expires_in":300}"#)).await;
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let registry = client(&mock, password());
    registry.push(&fixture.layout, &image.digest, &mock.reference("team/x:v1")).await.unwrap();
    let tokens: Vec<_> = mock.seen().into_iter().filter(|seen| seen.path == "/token").collect();
    assert_eq!(tokens.len(), 1);
    let query = &tokens[0].query;
    assert!(query.contains("scope=repository%3Ateam%2Fx%3Apull%2Cpush"), "{query}");
    assert!(query.contains("service=lab%2C+%22quoted%22"), "{query}");
    // Basic lab:s3cret-passw0rd.
    assert_eq!(tokens[0].headers["authorization"], "Basic bGFiOnMzY3JldC1wYXNzdzByZA==");
    // The first request finds out that a token is needed, and no other asks again.
    let refused =
        mock.seen().iter().filter(|seen| seen.path != "/token" && !seen.headers.contains_key("authorization")).count();
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn mock_a_token_that_has_run_out_is_replaced() {
    let mock = mock(|_| answer(200, &[], r#"{"access_token":"good","expires_in":0}"#)).await;
    let fixture = Fixture::new();
    let image = fixture.build("model");
    mock.hold(&fixture, &image, "v1");
    let registry = client(&mock, password());
    for _ in 0..2 {
        assert_eq!(registry.resolve(&mock.reference("team/x:v1")).await.unwrap(), image.digest);
    }
    assert_eq!(mock.count("GET", "/token"), 2);
}

#[tokio::test]
async fn mock_an_identity_token_is_a_refresh_token() {
    let mock = mock(|seen| {
        assert!(seen.is("POST", "/token"), "{seen:?}");
        answer(200, &[], r#"{"access_token":"good"}"#)
    })
    .await;
    let fixture = Fixture::new();
    let image = fixture.build("model");
    mock.hold(&fixture, &image, "v1");
    let registry = client(&mock, Credential::IdentityToken(SECRET.to_owned().into()));
    registry.resolve(&mock.reference("team/x:v1")).await.unwrap();
    let seen = mock.seen();
    let post = seen.iter().find(|seen| seen.method == "POST").unwrap();
    let body = std::str::from_utf8(&post.body).unwrap();
    for pair in ["grant_type=refresh_token", "refresh_token=s3cret-passw0rd", "scope=repository%3Ateam%2Fx%3Apull"] {
        assert!(body.contains(pair), "{body}");
    }
    assert!(post.query.is_empty() && !post.headers.contains_key("authorization"));
}

/// What a token server may say instead of giving a token, and the words for it.
#[tokio::test]
async fn mock_a_token_server_that_refuses_is_named_and_the_secret_is_not() {
    type Make = fn() -> Response<Body>;
    let cases: [(Make, &[&str], usize); 6] = [
        (
            || answer(401, &[], r#"{"details":"incorrect username or password"}"#),
            &["answered 401", "token server says `incorrect username", "user `lab` is wrong", "docker login"],
            1,
        ),
        (|| html(200), &["token server answered 200 with an HTML page titled `Sign in"], 1),
        (|| answer(200, &[], "{}"), &["token server answered 200 with no token"], 1),
        (|| answer(200, &[], "s3cret-passw0rd"), &["what is not the JSON of a token"], 1),
        (|| answer(200, &[], r#"{"token":"a\nb"}"#), &["a token that cannot stand in a header"], 1),
        (|| answer(503, &[], ""), &["answered 503", "tried 3 times", "token server"], 3),
    ];
    for (make, words, times) in cases {
        let mock = mock(move |_| make()).await;
        let registry = client(&mock, password());
        let error = registry.resolve(&mock.reference("team/x:v1")).await.unwrap_err();
        let text = chain(&error);
        for words in words.iter().copied().chain(["get a token to look up `v1`", mock.host.as_str()]) {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(mock.count("GET", "/token"), times);
        assert!(!format!("{text} {error:?} {registry:?}").contains(SECRET), "{error:?}");
    }
}

/// A token that does not help: the user has no such right.
#[tokio::test]
async fn mock_a_token_without_the_right_says_whose() {
    let mock = mock(|_| answer(200, &[], r#"{"token":"weak"}"#)).await;
    let error = client(&mock, password()).resolve(&mock.reference("team/x:v1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("user `lab` may not pull from `team/x`, or it does not exist"), "{error}");
    assert_eq!(mock.seen().len(), 3, "no endless asking");
}

#[tokio::test]
async fn mock_a_redirect_takes_no_password_elsewhere() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let elsewhere = Mock::new().await;
    elsewhere.hold(&fixture, &image, "v1");
    let host = elsewhere.host.clone();
    let mock = Mock::with(move |seen, _| {
        if !seen.headers.contains_key("authorization") {
            return Some(answer(401, &[("www-authenticate", "Basic realm=\"lab\"")], ""));
        }
        let location = format!("http://{host}{}", seen.path);
        seen.is("GET", "/blobs/").then(|| answer(307, &[("location", &location)], ""))
    })
    .await;
    mock.hold(&fixture, &image, "v1");
    let layout = mlci_image::Layout::open(&fixture.path("other")).unwrap();
    client(&mock, password()).pull(&mock.reference("team/x:v1"), &layout).await.unwrap();
    assert_eq!(elsewhere.count("GET", "/blobs/"), 3);
    assert!(elsewhere.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
}
