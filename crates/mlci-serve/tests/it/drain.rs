use std::{io::ErrorKind, net::TcpStream, thread};

use crate::support::{Client, Instance, wait_for};

/// Keep-alive clients that send steadily get every answer, the last of which says that the connection closes.
#[test]
fn steady_clients_lose_nothing_at_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Instance::start(folder.path(), "1", &[]);
    let address = server.address;
    let clients: Vec<_> = (0..6)
        .map(|_| {
            thread::spawn(move || {
                let mut client = Client::new(address);
                let mut answers = 0;
                while !client.predict().unwrap_or_else(|error| panic!("request {answers}: {error}")).closes() {
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    // Under way for sure: the server itself has counted some.
    let mut watcher = Client::new(address);
    wait_for("load", || {
        let text = watcher.request("GET", "/metrics", "").unwrap().body;
        let line = text.lines().find(|line| line.starts_with("mlci_predictions_total")).unwrap();
        (line.rsplit(' ').next().unwrap().parse::<u64>().unwrap() > 200).then_some(())
    });
    server.terminate();
    for client in clients {
        assert!(client.join().unwrap() > 0);
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let log = server.log();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.contains(&format!("serving on http://{address} model=demo version=1 digest=sha256:")), "{log}");
    assert!(log.contains("stopped model=demo version=1"), "{log}");
}

#[test]
fn a_stopping_server_answers_who_is_connected() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Instance::start(folder.path(), "1", &["--drain-seconds", "30", "--limit-seconds", "60"]);
    let connected = || {
        let mut client = Client::new(server.address);
        assert!(!client.predict().unwrap().closes());
        client
    };
    let (mut idle, mut ready, mut slow) = (connected(), connected(), connected());
    slow.send("POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n{\"x\"").unwrap();
    server.terminate();
    wait_for("the listener's end", || TcpStream::connect(server.address).err());

    let reply = ready.request("GET", "/readyz", "").unwrap();
    assert_eq!((reply.status, reply.closes()), (503, true));
    assert!(idle.predict().unwrap().closes());
    slow.send(": 3}").unwrap();
    let reply = slow.receive().unwrap();
    assert_eq!((reply.status, reply.closes()), (200, true));
    // With the last connection gone nothing is waited for.
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn connections_that_never_end_do_not_keep_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Instance::start(folder.path(), "1", &["--drain-seconds", "0.1", "--limit-seconds", "0.3"]);
    let mut never = Client::new(server.address);
    never.send("POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n").unwrap();
    let mut silent = Client::new(server.address);
    silent.predict().unwrap();
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
}
