use std::{io::ErrorKind, net::SocketAddr, thread, time::Duration};

use mlci_serve::{ServedModel, Server, ServerOptions};
use tokio::sync::oneshot;

use crate::support::{Client, model_bytes};

/// Runs a server in this process while `test` talks to it.
fn with_server(options: ServerOptions, test: impl FnOnce(SocketAddr)) {
    let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..options };
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let server = thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let served = ServedModel::from_bytes(&model_bytes(), None).unwrap();
            let server = Server::bind(served, options).await.unwrap();
            tell.send(server.address()).unwrap();
            server.run(stopped).await.unwrap();
        });
    });
    test(told.recv().unwrap());
    drop(stop);
    server.join().unwrap();
}

fn quick() -> ServerOptions {
    let short = Duration::from_millis(100);
    ServerOptions { idle_timeout: short, body_timeout: short, drain: short, limit: short, ..ServerOptions::default() }
}

#[test]
fn a_head_that_does_not_end() {
    with_server(quick(), |address| {
        let mut client = Client::new(address);
        client.send("GET /livez HTTP/1.1\r\nhost: ").unwrap();
        assert!(matches!(client.receive(), Err(error) if error.kind() == ErrorKind::UnexpectedEof));
    });
}

#[test]
fn a_body_that_does_not_end() {
    with_server(quick(), |address| {
        let mut client = Client::new(address);
        client.send("POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
        let reply = client.receive().unwrap();
        assert_eq!(reply.status, 408, "{reply:?}");
        assert!(reply.body.contains("not complete within 0.1 s"), "{reply:?}");
    });
}

#[test]
fn bodies_beyond_the_limit() {
    let options = ServerOptions { body_limit: 1000, ..ServerOptions::default() };
    with_server(options, |address| {
        let mut client = Client::new(address);
        let reply = client.request("POST", "/predict", &"x".repeat(3000)).unwrap();
        assert_eq!(reply.status, 413, "{reply:?}");
        assert!(!reply.closes());
        // Without a length, in two chunks of 600 bytes (258 in hexadecimal).
        let chunk = format!("258\r\n{}\r\n", " ".repeat(600));
        let head = "POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        client.send(&format!("{head}{chunk}{chunk}0\r\n\r\n")).unwrap();
        assert_eq!(client.receive().unwrap().status, 413);
        // Asked first, the server declines before anything is sent.
        client
            .send("POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n")
            .unwrap();
        assert_eq!(client.receive().unwrap().status, 413);
    });
}

/// As large as it may be, and as large as to be refused; the rest of an endless one is not waited for.
#[test]
fn heads_beyond_the_limit() {
    with_server(ServerOptions::default(), |address| {
        let head = |length: usize, end: &str| {
            let start = "GET /livez HTTP/1.1\r\nhost: x\r\ncookie: ";
            format!("{start}{}{end}", "c".repeat(length - start.len() - end.len()))
        };
        for (text, status) in [(head((64 << 10) - 1, "\r\n\r\n"), 200), (head(64 << 10, ""), 431)] {
            let mut client = Client::new(address);
            client.send(&text).unwrap();
            assert_eq!(client.receive().unwrap().status, status);
        }
        Client::new(address).predict().unwrap();
    });
}

#[test]
fn what_is_no_http_harms_nobody() {
    with_server(ServerOptions::default(), |address| {
        for noise in ["\x16\x03\x01\x02\0\x01", "GET\r\n\r\n", "POST /predict HTTP/1.1\r\ncontent-length: -5\r\n\r\n"] {
            let mut client = Client::new(address);
            client.send(noise).unwrap();
            client.disconnect();
        }
        let mut client = Client::new(address);
        client.send("CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert!(client.receive().unwrap().status >= 400);
        Client::new(address).predict().unwrap();
    });
}

/// A client that sends all of a large body before it reads sees why it was refused, and keeps its connection.
#[test]
fn refused_requests_with_large_bodies_get_their_answer() {
    with_server(ServerOptions::default(), |address| {
        let mut client = Client::new(address);
        let body = "x".repeat(8 << 20);
        for (method, path, status) in [("POST", "/none", 404), ("PUT", "/predict", 405), ("POST", "/predict", 400)] {
            let reply = client.request(method, path, &body).unwrap();
            assert_eq!((reply.status, reply.closes()), (status, false), "{reply:?}");
        }
    });
}
