use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use mlci_model::{Golden, Parts};

use super::*;
use crate::{ServedModel, Server, ServerOptions};

const LIMIT: Duration = Duration::from_secs(30);

/// `y = 2·a - b + 0.5·n + 1`, with two predictions that were kept: 3 and 5.
fn model(name: &str) -> Model {
    let golden = [1.0, 2.0].map(|a| Golden { row: vec![a, 2.0, 4.0], prediction: 2.0 * a - 2.0 + 0.5 * 4.0 + 1.0 });
    Model::new(Parts { golden: golden.to_vec(), ..crate::tests::model(name).parts().clone() }).unwrap()
}

fn served(model: &Model) -> ServedModel {
    ServedModel::from_bytes(&model.encode().unwrap(), Some("3".to_owned())).unwrap()
}

/// Serves a model until the test is over.
async fn serving(served: ServedModel) -> String {
    let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() };
    let server = Server::bind(served, options).await.unwrap();
    let address = format!("http://{}", server.address());
    tokio::spawn(server.run(std::future::pending::<()>()));
    address
}

/// A server that answers each connection with the next of these texts, and then no more.
fn answering(replies: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for reply in replies {
            let (mut stream, _) = listener.accept().unwrap();
            // Head and body of these requests come at once, or the head's end is waited for.
            let mut seen = Vec::new();
            while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
                let mut part = [0; 4096];
                match stream.read(&mut part).unwrap() {
                    0 => break,
                    length => seen.extend_from_slice(&part[..length]),
                }
            }
            stream.write_all(reply.as_bytes()).unwrap();
        }
    });
    address
}

fn reply(status: &str, expected: &Expected<'_>, body: &str) -> String {
    let (digest, length) = (expected.digest, body.len());
    format!(
        "HTTP/1.1 {status}\r\nmlci-model-digest: {digest}\r\nmlci-version: 3\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Golden rows hold positions and days; what is asked of the server is levels and dates.
#[tokio::test]
async fn golden_rows_of_levels_and_dates() {
    let model = crate::tests::coloured(mlci_model::Unseen::Refuse);
    let served = served(&model);
    let expected = Expected::new(&model, served.digest());
    let verified = verify(&serving(served).await, &expected, LIMIT).await.unwrap();
    assert_eq!(verified.predictions, 2);
}

#[tokio::test]
async fn the_server_that_was_meant() {
    let model = model("demo");
    let served = served(&model);
    let mut expected = Expected::new(&model, served.digest());
    let address = serving(served).await;
    for (version, pid) in [(None, None), (Some("3"), Some(std::process::id()))] {
        (expected.version, expected.pid) = (version.map(str::to_owned), pid);
        let verified = verify(&address, &expected, LIMIT).await.unwrap();
        assert_eq!((verified.predictions, verified.version.as_str()), (2, "3"));
    }
}

#[tokio::test]
async fn a_model_without_golden_predictions_is_told_by_its_digest_alone() {
    let (plain, other) = (crate::tests::model("demo"), crate::tests::model("other"));
    let address = serving(served(&plain)).await;
    let verified = verify(&address, &Expected::new(&plain, served(&plain).digest()), LIMIT).await.unwrap();
    assert_eq!(verified.predictions, 0);
    let error = verify(&address, &Expected::new(&other, served(&other).digest()), LIMIT).await.unwrap_err();
    assert!(matches!(error, VerifyError::Other { header: "mlci-model-digest", .. }), "{error}");
}

#[tokio::test]
async fn another_model_version_or_process() {
    let (one, two) = (model("demo"), model("other"));
    let address = serving(served(&one)).await;
    let check = async |change: &dyn Fn(&mut Expected<'_>), header: &str, wanted: &str| {
        let mut expected = Expected::new(&one, served(&one).digest());
        change(&mut expected);
        let error = verify(&address, &expected, LIMIT).await.unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains(header) && error.contains(wanted), "{error}");
    };
    let digest = served(&two).digest();
    check(&|it| it.digest = digest, "mlci-model-digest", &format!("not `{digest}`")).await;
    check(&|it| it.version = Some("4".to_owned()), "mlci-version", "`3`, not `4`").await;
    check(&|it| it.pid = Some(1), "mlci-instance", "not `1`").await;
}

/// What a server says that is not one of ours, or is broken.
#[tokio::test]
async fn answers_that_are_wrong() {
    let model = model("demo");
    let expected = Expected::new(&model, served(&model).digest());
    let infer = |data: &str| format!(r#"{{"outputs":[{{"name":"y","data":{data}}}]}}"#);
    let ready = || reply("200 OK", &expected, "{}");
    for (replies, says) in [
        (vec![reply("503 Service Unavailable", &expected, "stops\nnow")], "/readyz answered 503: stops now"),
        (vec!["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()], "its mlci-model-digest is ``"),
        (vec!["no HTTP\r\n\r\n".to_owned()], "got no answer: "),
        (vec![ready()], "POST "),
        (vec![ready(), reply("200 OK", &expected, "[]")], "line 1, column"),
        (vec![ready(), reply("200 OK", &expected, &infer("[3.0]"))], "gave 1 predictions for 2 rows"),
        (vec![ready(), reply("200 OK", &expected, &infer("[3.0, 5.1]"))], "does not predict what the model did"),
        (vec![ready(), ready().replace(&expected.digest.hex(), "0")], "not what was expected"),
        // Fewer bytes than were announced.
        (vec![ready(), "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned()], "got no answer: "),
    ] {
        let address = answering(replies);
        let error = told(&verify(&address, &expected, LIMIT).await.unwrap_err());
        assert!(error.contains(says) && error.contains(&address), "{error}\ndoes not say {says}");
        assert!(!error.contains('\n'), "{error}");
    }
    // The same replies with the right values, so that what failed above is what was wrong there.
    let address = answering(vec![ready(), reply("200 OK", &expected, &infer("[3.0, 5.0]"))]);
    assert_eq!(verify(&address, &expected, LIMIT).await.unwrap().predictions, 2);
}

#[tokio::test]
async fn nobody_answers_or_only_too_late() {
    let model = model("demo");
    let expected = Expected::new(&model, served(&model).digest());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // The kernel takes the connection, and nobody ever reads from it.
    let error = verify(&address, &expected, Duration::from_millis(50)).await.unwrap_err();
    assert!(error.to_string().contains("got no answer within 0.05 s"), "{error}");
    drop(listener);
    let error = told(&verify(&address, &expected, LIMIT).await.unwrap_err());
    assert!(error.contains(&address) && error.contains("refused"), "{error}");
}
