use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::*;
use crate::{ImageReference, Name, Workload};

/// A cluster whose API server gives these answers in turn, the last one for ever. The number counts them.
async fn cluster(answers: Vec<(u16, Value)>) -> (Cluster, Arc<AtomicUsize>) {
    asked(answers, |_| true).await
}

/// As [`cluster`], for these requests only: otherwise nothing is there, and all is taken.
async fn asked(answers: Vec<(u16, Value)>, which: fn(&Request<Body>) -> bool) -> (Cluster, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (status, answer) = if request.uri().path() != "/version" && !which(&request) {
            if is_patch(&request) {
                (200, json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {} }))
            } else {
                status(404, "NotFound", "not found", &json!({}))
            }
        } else if request.uri().path() == "/version" {
            let version = json!({
                "major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "", "buildDate": "",
                "goVersion": "", "compiler": "", "platform": "",
            });
            (200, version)
        } else {
            let number = counter.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            answers[number].clone()
        };
        let answer = Response::builder().status(status).body(Body::from(answer.to_string().into_bytes())).unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    let place = Place { context: "test".to_owned(), server: "https://192.0.2.1".to_owned() };
    let cluster = Cluster::with_client(Client::new(service, "default"), place, Duration::from_secs(30)).await.unwrap();
    (cluster, count)
}

fn status(code: u16, reason: &str, message: &str, details: &Value) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
        "details": details,
    });
    (code, status)
}

fn workload() -> Workload {
    let image = ImageReference::new("registry.example.com/wine", mlci_core::Digest::of(b"image")).unwrap();
    Workload::new("staging".parse().unwrap(), Name::legal("wine"), image)
}

fn is_patch(request: &Request<Body>) -> bool {
    request.method() == "PATCH"
}

/// What applying says when the API server answers so.
async fn applied(answer: (u16, Value)) -> Error {
    let (cluster, _) = asked(vec![answer], is_patch).await;
    cluster.apply(&workload(), &crate::ApplyOptions::default()).await.unwrap_err()
}

#[track_caller]
fn says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

#[tokio::test]
async fn answers_of_the_server_say_what_was_tried_where_and_what_to_do() {
    let place = "context `test` (https://192.0.2.1)";
    let none = json!({});
    let error = applied(status(401, "Unauthorized", "Unauthorized", &none)).await;
    assert!(matches!(error, Error::Unauthorized { .. }));
    says(&error, &["patch configmaps `wine` in namespace `staging`", place, "expired"]);

    let message = "configmaps \"wine\" is forbidden: User \"u\" cannot patch resource \"configmaps\"";
    let error = applied(status(403, "Forbidden", message, &none)).await;
    assert!(matches!(&error, Error::Forbidden { verb: "patch", resource, .. } if resource == "configmaps"));
    says(&error, &["`patch`", "`configmaps`", "namespace `staging`", place, "Role", "User \"u\""]);

    let error = applied(status(403, "Forbidden", "is forbidden: exceeded quota: small", &none)).await;
    assert!(matches!(error, Error::Refused { .. }));
    says(&error, &["exceeded quota: small", place]);

    let causes = json!({ "causes": [{ "reason": "NamespaceTerminating", "message": "", "field": "" }] });
    let error = applied(status(403, "Forbidden", "unable to create new content", &causes)).await;
    assert!(matches!(error, Error::NamespaceTerminating { .. }));

    let error =
        applied(status(404, "NotFound", "namespaces \"staging\" not found", &json!({ "kind": "namespaces" }))).await;
    assert!(matches!(error, Error::NamespaceMissing { .. }));
    says(&error, &["namespace `staging`", place, "create it"]);

    let error = applied(status(422, "Invalid", "spec.ports: Invalid value", &none)).await;
    assert!(matches!(error, Error::Refused { .. }));

    let error = applied((200, json!("<html>"))).await;
    assert!(matches!(error, Error::Answer { .. }));
    says(&error, &["is it a Kubernetes API server?"]);
}

fn is_account(request: &Request<Body>) -> bool {
    is_patch(request) && request.uri().path().contains("/serviceaccounts/")
}

#[tokio::test]
async fn a_conflict_names_manager_and_field_and_is_not_forced() {
    let cause = |manager: &str, field: &str| json!({ "reason": "FieldManagerConflict", "message": format!("conflict with \"{manager}\" using v1"), "field": field });
    let details = json!({ "causes": [cause("kubectl-edit", ".spec.type"), cause("mlci", ".spec.ports")] });
    let (cluster, count) =
        asked(vec![status(409, "Conflict", "Apply failed with 2 conflicts", &details)], is_account).await;
    let error = cluster.apply(&workload(), &crate::ApplyOptions::default()).await.unwrap_err();
    says(&error, &["`.spec.type` is managed by `kubectl-edit`", "staging"]);
    // Asked once: neither tried again nor forced.
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_what_does_not_is_given_up() {
    let busy = |code: u16| status(code, "", "busy", &json!({}));
    let found = (200, json!({ "metadata": {}, "items": [] }));
    let (namespace, name) = (workload().namespace, workload().name);
    let (passing, count) = cluster(vec![busy(429), busy(500), busy(503), found]).await;
    assert_eq!(passing.logs(&namespace, &name, 1).await.unwrap(), []);
    assert_eq!(count.load(Ordering::Relaxed), 4);

    let (lasting, count) = cluster(vec![busy(500)]).await;
    let error = lasting.logs(&namespace, &name, 1).await.unwrap_err();
    assert!(matches!(error, Error::Api { status: 500, .. }), "{error}");
    assert_eq!(count.load(Ordering::Relaxed), TRIES as usize);

    // Away, such as while it is started anew: for as long as a call may take.
    let (lasting, count) = cluster(vec![busy(503)]).await;
    let error = lasting.logs(&namespace, &name, 1).await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { last: Some(last), .. } if last.contains("503")), "{error}");
    assert!(count.load(Ordering::Relaxed) > TRIES as usize);

    // Back after a while, it does not know at once who may do what; one that was never away does.
    let forbidden = || status(403, "Forbidden", "pods is forbidden: User \"u\" cannot list", &json!({}));
    let found = (200, json!({ "metadata": {}, "items": [] }));
    let (away, refusing) = (vec![busy(503); TRIES as usize + 2], vec![forbidden(); TRIES as usize - 1]);
    let (back, _) = cluster([away, refusing, vec![found.clone()]].concat()).await;
    assert_eq!(back.logs(&namespace, &name, 1).await.unwrap(), []);
    let (refusing, count) = cluster(vec![forbidden(), found]).await;
    assert!(matches!(refusing.logs(&namespace, &name, 1).await, Err(Error::Forbidden { .. })));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up_at_the_limit() {
    let service = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let place = Place { context: "test".to_owned(), server: "https://192.0.2.1".to_owned() };
    let error = Cluster::with_client(Client::new(service, ""), place, Duration::from_secs(7)).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }));
    says(&error, &["/version", "7s", "context `test`"]);
}

#[test]
fn certificates_are_told_from_lost_connections() {
    let explained = |text: &str| {
        let place = Arc::new(Place { context: "c".to_owned(), server: "s".to_owned() });
        explain_connection(text.into(), "get x".to_owned(), place)
    };
    for (text, words) in [
        ("invalid peer certificate: certificate expired: verification time 2", "renew"),
        ("invalid peer certificate: UnknownIssuer", "certificate-authority-data"),
        ("invalid peer certificate: certificate not valid for name \"a\"", "tls-server-name"),
    ] {
        let error = explained(text);
        assert!(matches!(error, Error::Certificate { .. }), "{error}");
        says(&error, &[words]);
    }
    assert!(matches!(explained("tcp connect error: Connection refused"), Error::Unreachable { .. }));
}
