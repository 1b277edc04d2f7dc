//! A Docker Engine in this process, for what a real one does not do on demand. The real one is in `tests/docker.rs`.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, Response},
};
use futures::stream;
use mlci_core::Digest;
use mlci_image::{Credential, Credentials, Engine, EngineError, Network, Reference, RunOptions};

use crate::fixture::{Fixture, chain};

const SECRET: &str = "s3cret-passw0rd";

type Answer = Box<dyn Fn(&str) -> Option<Response<Body>> + Send + Sync>;

/// An engine that answers so to a path, and the credentials of all pushes and the bodies of all containers.
async fn mock(
    answer: impl Fn(&str) -> Option<Response<Body>> + Send + Sync + 'static,
) -> (Engine, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let logins = Arc::new(Mutex::new(Vec::new()));
    let (answer, seen): (Arc<Answer>, _) = (Arc::new(Box::new(answer)), Arc::clone(&logins));
    let app = Router::new().fallback(move |request: Request<Body>| {
        let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
        async move {
            let path = request.uri().to_string();
            if let Some(login) = request.headers().get("x-registry-auth") {
                seen.lock().unwrap().push(login.to_str().unwrap().to_owned());
            }
            let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
            if path.starts_with("/containers/create") {
                seen.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
            }
            answer(&path).unwrap_or_else(|| Response::new(Body::from("OK")))
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (Engine::connect_to(&host).await.unwrap(), logins)
}

fn digest() -> Digest {
    Digest::of(b"pushed")
}

fn distribution(digest: &str) -> Response<Body> {
    let json = serde_json::json!({"Descriptor": {"mediaType": "m", "digest": digest, "size": 1}, "Platforms": []});
    Response::builder().header("content-type", "application/json").body(Body::from(json.to_string())).unwrap()
}

fn success() -> String {
    format!(
        "{{\"status\":\"The push refers to repository [reg.local/team/x]\"}}\r\n{{\"status\":\"v1: digest: {0} size: 1\"}}\r\n\
         {{\"progressDetail\":{{}},\"aux\":{{\"Tag\":\"v1\",\"Digest\":\"{0}\",\"Size\":1}}}}\r\n",
        digest()
    )
}

async fn push(report: String, cut: bool, seen: String) -> Result<Reference, EngineError> {
    let (engine, logins) = mock(move |path| {
        if path.starts_with("/images/reg.local/team/x/push?tag=v1") {
            let end = if cut { vec![Err(std::io::Error::other("cut"))] } else { Vec::new() };
            let chunks = [Ok(Bytes::from(report.clone()))].into_iter().chain(end);
            return Some(Response::new(Body::from_stream(stream::iter(chunks.collect::<Vec<_>>()))));
        }
        path.starts_with("/distribution/reg.local/team/x:v1/json").then(|| distribution(&seen))
    })
    .await;
    let credentials = Credentials::none().with("reg.local", Credential::password("lab", SECRET));
    let pushed = engine.push(&"reg.local/team/x:v1".parse().unwrap(), &credentials).await;
    // {"username":"lab", …
    assert!(logins.lock().unwrap()[0].starts_with("eyJ1c2VybmFtZSI6ImxhYiIs"));
    pushed
}

#[tokio::test]
async fn mock_a_push_is_its_digest() {
    let pushed = push(success(), false, digest().to_string()).await.unwrap();
    assert_eq!(pushed.to_string(), format!("reg.local/team/x@{}", digest()));
}

/// Case A10: answers with status 200 that are no success.
#[tokio::test]
async fn mock_a_push_that_failed_says_so() {
    let status = "{\"status\":\"Pushing\"}\n";
    for (report, cut, words) in [
        (r#"{"errorDetail":{"message":"denied"},"error":"denied"}"#.to_owned(), false, &["denied", "docker login"][..]),
        (r#"{"error":"unauthorized"}"#.to_owned(), false, &["unauthorized", "docker login"]),
        // The same at the end of a line, in the middle of a report, and after a digest.
        (format!("{status}{{\"error\":\"unauthorized\"}}\n{status}"), false, &["unauthorized"]),
        (success() + r#"{"error":"lost\u001b[2J"}"#, false, &["lost"]),
        (r#"{"errorDetail":{"code":5}}"#.to_owned(), false, &["errorDetail"]),
        // Cut before the line with the digest, with and without notice.
        (status.to_owned(), false, &["without a digest", "the last of it was `Pushing`"]),
        (status.to_owned(), true, &["the connection to it broke off"]),
        ("{\"status\":\"v1: dige".to_owned(), false, &["without a digest"]),
        (String::new(), false, &["without a digest"]),
    ] {
        let error = push(report.clone(), cut, digest().to_string()).await.unwrap_err();
        let text = chain(&error);
        for words in words.iter().copied().chain(["push `reg.local/team/x:v1`", "tcp://127.0.0.1"]) {
            assert!(text.contains(words), "{report:?}: {words}: {text}");
        }
        assert!(!text.contains('\u{1b}') && !format!("{error:?} {text}").contains(SECRET), "{text:?}");
    }
}

#[tokio::test]
async fn mock_the_registry_has_the_last_word() {
    for (seen, words) in
        [(Digest::of(b"other").to_string(), Digest::of(b"other").to_string()), (String::new(), "nothing".to_owned())]
    {
        let error = push(success(), false, seen).await.unwrap_err();
        assert!(matches!(&error, EngineError::Unconfirmed { found, .. } if *found == words), "{error:?}");
    }
}

/// A build's report: what makes it a success, and what does not.
#[tokio::test]
async fn mock_a_build_is_its_image() {
    let id = r#"{"aux":{"ID":"sha256:00"}}"#;
    for (report, expected) in [
        (format!("{{\"stream\":\"Step 1\\nStep \"}}\n{{\"stream\":\"2\\n\"}}\n{id}\n"), Ok(&["Step 1", "Step 2"][..])),
        (
            "{\"stream\":\"Step 1\\n\"}\n{\"errorDetail\":{\"message\":\"code: 7\"},\"error\":\"code: 7\"}\n"
                .to_owned(),
            Err("code: 7"),
        ),
        ("{\"stream\":\"Step 1\\n\"}\n".to_owned(), Err("without the id of an image, the last of it was `Step 1`")),
        ("{\"error\":\"no space\"}\n".to_owned(), Err("without the id of an image")),
        ("{\"stream\":\"Step 1".to_owned(), Err("did not build")),
    ] {
        let shown = report.clone();
        let (engine, _) =
            mock(move |path| path.starts_with("/build?").then(|| Response::new(Body::from(report.clone())))).await;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Dockerfile"), "FROM scratch").unwrap();
        let mut lines = Vec::new();
        let tag = "team/x:v1".parse().unwrap();
        let built =
            engine.build(folder.path(), Path::new("Dockerfile"), &tag, |line| lines.push(line.to_owned())).await;
        match (built, expected) {
            (Ok(built), Ok(expected)) => assert_eq!(
                (built.as_str(), lines.as_slice()),
                ("sha256:00", &expected.iter().map(|&line| line.to_owned()).collect::<Vec<_>>()[..])
            ),
            (Err(error), Err(words)) => assert!(chain(&error).contains(words), "{shown}: {}", chain(&error)),
            (built, _) => panic!("{shown}: {built:?}"),
        }
    }
}

/// An engine that says that all is well and has something else.
#[tokio::test]
async fn mock_a_load_is_looked_at() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let (engine, _) = mock(|path| {
        let json = if path.starts_with("/images/load") {
            r#"{"stream":"Loaded image: team/x:v1"}"#
        } else if path.contains("team/x:v1/json") {
            r#"{"Id":"sha256:00","RootFS":{"Type":"layers","Layers":["sha256:11"]}}"#
        } else if path.contains("/json") {
            return Some(Response::builder().status(404).body(Body::from(r#"{"message":"no such image"}"#)).unwrap());
        } else {
            return None;
        };
        Some(Response::new(Body::from(json)))
    })
    .await;
    let error = engine.load(&fixture.layout, &image.digest, &"team/x:v1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, EngineError::Other { .. }), "{error:?}");
    let untagged: Reference = format!("team/x@{}", image.digest).parse().unwrap();
    let error = engine.load(&fixture.layout, &image.digest, &untagged).await.unwrap_err();
    assert!(matches!(error, EngineError::NoTag { .. }), "{error:?}");
}

/// The lab's engine has no bridge to publish a port on.
#[tokio::test]
async fn mock_a_port_is_published_on_loopback_alone() {
    let (engine, bodies) = mock(|path| {
        let json = if path.starts_with("/containers/create") {
            r#"{"Id":"0123456789abcdef","Warnings":[]}"#
        } else if path.starts_with("/containers/0123456789abcdef/json") {
            r#"{"NetworkSettings":{"Ports":{"8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"49153"}]}}}"#
        } else {
            return None;
        };
        Some(Response::new(Body::from(json)))
    })
    .await;
    let options = RunOptions { network: Network::Publish(8080), ..RunOptions::default() };
    let container = engine.run("team/x:v1", &options).await.unwrap();
    assert_eq!(container.address().await.unwrap(), Some("127.0.0.1:49153".parse().unwrap()));
    let body: serde_json::Value = serde_json::from_str(&bodies.lock().unwrap()[0]).unwrap();
    assert_eq!(body["HostConfig"]["PortBindings"]["8080/tcp"][0]["HostIp"], "127.0.0.1");
    assert_eq!(body["HostConfig"]["SecurityOpt"][0], "no-new-privileges");
    assert!(body.get("Cmd").is_none(), "the image's own arguments stay: {body}");
}

/// What was created and cannot be started is not left behind.
#[tokio::test]
async fn mock_a_container_that_does_not_start_is_removed() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let (engine, _) = mock(move |path| {
        log.lock().unwrap().push(path.to_owned());
        let (status, json) = match path.split('?').next().unwrap() {
            "/containers/create" => (201, r#"{"Id":"0123","Warnings":[]}"#),
            "/containers/0123/start" => (500, r#"{"message":"exec format error"}"#),
            "/containers/0123" => (204, ""),
            _ => return None,
        };
        Some(Response::builder().status(status).body(Body::from(json)).unwrap())
    })
    .await;
    let error = engine.run("team/x:v1", &RunOptions::default()).await.unwrap_err();
    assert!(
        chain(&error).contains("did not run `team/x:v1`: Docker responded with status code 500: exec format error"),
        "{}",
        chain(&error)
    );
    let requests = requests.lock().unwrap();
    let last = requests.last().unwrap();
    assert!(last.starts_with("/containers/0123?") && last.contains("force=true"), "{requests:?}");
}

#[tokio::test]
async fn where_no_engine_is_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed.sock");
    drop(std::os::unix::net::UnixListener::bind(&closed).unwrap());
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    for (host, words) in [
        (
            format!("unix://{}", folder.path().join("none.sock").display()),
            "start it, or say in DOCKER_HOST where it is",
        ),
        (format!("unix://{}", closed.display()), "nobody listens: start the engine"),
        (format!("tcp://127.0.0.1:{port}"), "check the address"),
        ("ssh://host".to_owned(), "write `unix:///PATH` or `tcp://HOST:PORT`"),
        ("nonsense".to_owned(), "write `unix:///PATH`"),
    ] {
        let error = Engine::connect_to(&host).await.unwrap_err();
        assert!(error.to_string().contains(words) && error.to_string().contains(&host), "{}", chain(&error));
    }
}
