use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    process::Stdio,
};

use mlci_core::Digest;
use mlci_serve::control::{Addresses, Control, ControlError, SOCKET};

use crate::support::{Client, Instance, command, model_bytes, wait_for};

#[test]
fn status_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Instance::start(folder.path(), "7", &[]);
    let socket = folder.path().join(SOCKET);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let control = Control::connect(folder.path()).unwrap();
    let status = control.status().unwrap();
    assert_eq!((status.model.as_str(), status.version.as_str(), status.ready), ("demo", "7", true));
    assert_eq!(status.digest, Digest::of(&model_bytes()));
    assert_eq!(status.addresses, Addresses { private: Some(server.address), public: None });
    let reply = Client::new(server.address).predict().unwrap();
    assert_eq!(reply.header("mlci-instance"), Some(status.pid.to_string().as_str()));

    control.stop().unwrap();
    assert_eq!(server.wait().code(), Some(0));
    assert!(!socket.exists());
    assert!(matches!(control.status(), Err(ControlError::Connect { .. })));
    assert!(matches!(Control::connect(folder.path()), Err(ControlError::Connect { .. })));
}

#[test]
fn a_public_listener_comes_once_and_can_be_shared() {
    let folder = tempfile::tempdir().unwrap();
    let server = Instance::start(folder.path(), "1", &[]);
    let control = Control::connect(folder.path()).unwrap();
    let refused = |error: ControlError, says: &str| {
        assert!(matches!(&error, ControlError::Refused { reason, .. } if reason.contains(says)), "{error}");
    };
    refused(control.share().unwrap_err(), "no public listener");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(control.serve(&listener).unwrap(), address);
    assert_eq!(Client::new(address).predict().unwrap().version(), "1");
    assert_eq!(control.status().unwrap().addresses.public, Some(address));
    assert_eq!(control.share().unwrap().local_addr().unwrap(), address);
    refused(control.serve(&listener).unwrap_err(), &format!("the public address {address} already"));
    assert_eq!(Client::new(server.address).predict().unwrap().version(), "1");
}

#[test]
fn what_is_no_command_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _server = Instance::start(folder.path(), "1", &[]);
    let socket = folder.path().join(SOCKET);
    // A client that connects and says nothing keeps nobody waiting.
    let _silent = UnixStream::connect(&socket).unwrap();
    for (command, says) in
        [("restart\n", "unknown command"), ("serve\n", "needs one listening socket"), ("\n", "unknown")]
    {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(command.as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(answer.starts_with("{\"error\":") && answer.contains(says), "{answer}");
    }
    // More than a command can be, without an end.
    let mut stream = UnixStream::connect(&socket).unwrap();
    let _ = stream.write_all(&[b'x'; 100_000]);
    assert!(Control::connect(folder.path()).unwrap().status().unwrap().ready);
}

#[test]
fn a_socket_that_is_not_listening_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Instance::start(folder.path(), "1", &[]);
    let control = Control::connect(folder.path()).unwrap();
    let connected = std::net::TcpStream::connect(server.address).unwrap();
    let error = control.serve(&TcpListener::from(std::os::fd::OwnedFd::from(connected))).unwrap_err();
    assert!(error.to_string().contains("no listening socket"), "{error}");
    let unix = UnixListener::bind(folder.path().join("other.sock")).unwrap();
    let error = control.serve(&TcpListener::from(std::os::fd::OwnedFd::from(unix))).unwrap_err();
    assert!(error.to_string().contains("cannot be listened on"), "{error}");
    assert_eq!(control.status().unwrap().addresses.public, None);
}

#[test]
fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
    let folder = tempfile::tempdir().unwrap();
    // Dropping the listener leaves its file, as a killed server does.
    drop(UnixListener::bind(folder.path().join(SOCKET)).unwrap());
    // Another test's child, between its fork and its exec, may hold the socket open for a moment.
    wait_for("a socket that nobody listens on", || {
        matches!(Control::connect(folder.path()), Err(ControlError::Connect { .. })).then_some(())
    });
    let first = Instance::start(folder.path(), "1", &[]);

    let second = ["--model", "model.mlci", "--listen", "127.0.0.1:0", "--control", SOCKET];
    let output = command().current_dir(folder.path()).args(second).stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("cannot make the control socket `control.sock`: another server answers on it"), "{error}");
    let status = Control::connect(folder.path()).unwrap().status().unwrap();
    assert_eq!((status.version.as_str(), status.addresses.private), ("1", Some(first.address)));
}

#[test]
fn a_file_in_the_sockets_place_stays() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.mlci"), model_bytes()).unwrap();
    let before = fs::read(folder.path().join("model.mlci")).unwrap();
    let arguments = ["--model", "model.mlci", "--listen", "127.0.0.1:0", "--control", "model.mlci"];
    let output = command().current_dir(folder.path()).args(arguments).stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("no socket"), "{error}");
    assert_eq!(fs::read(folder.path().join("model.mlci")).unwrap(), before);
}

/// The name of a Unix socket has room for 108 bytes; folders have longer paths.
#[test]
fn folders_with_long_paths() {
    let folder = tempfile::tempdir().unwrap();
    let mut deep = folder.path().to_owned();
    while deep.as_os_str().len() < 300 {
        deep.push("a-folder-with-a-name-of-some-length");
    }
    // Relative in the server, as the pipeline starts it; by the long path in this client.
    let server = Instance::start(&deep, "1", &[]);
    let control = Control::connect(&deep).unwrap();
    assert_eq!(control.status().unwrap().addresses.private, Some(server.address));
    drop(server);

    // And by the long path in the server too.
    let long = deep.join("other.sock");
    let server = Instance::start(&deep.join("inner"), "2", &[]);
    drop(server);
    let ready = deep.join("ready2.json");
    let mut child = command()
        .args(["--listen", "127.0.0.1:0", "--model"])
        .arg(deep.join("model.mlci"))
        .arg("--control")
        .arg(&long)
        .arg("--ready-file")
        .arg(&ready)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    crate::support::wait_for("the ready file", || fs::read(&ready).ok());
    let control = Control::connect_to(&long).unwrap();
    assert_eq!(control.status().unwrap().pid, child.id());
    control.stop().unwrap();
    assert!(child.wait().unwrap().success());
}
