//! Steady requests during a swap lose none.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::project::{Project, http};

const BODY: &str = r#"[[7.4,0.7,0,1.9,0.076,11,34,0.9978,3.51,0.56,9.4]]"#;

/// One request after the other on a connection that is kept as long as the server keeps it.
fn keep_alive(address: &str, stop: &AtomicBool, count: &AtomicUsize) -> Result<(), String> {
    let address = address.trim_start_matches("http://");
    'connect: while !stop.load(Ordering::Relaxed) {
        let stream = TcpStream::connect(address).map_err(|error| format!("connect: {error}"))?;
        let mut reader = BufReader::new(stream.try_clone().map_err(|error| error.to_string())?);
        let mut stream = stream;
        while !stop.load(Ordering::Relaxed) {
            let request = format!(
                "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
                BODY.len()
            );
            stream.write_all(request.as_bytes()).map_err(|error| format!("send: {error}"))?;
            let (mut length, mut last, mut line) = (0, false, String::new());
            loop {
                line.clear();
                let read = reader.read_line(&mut line).map_err(|error| format!("receive: {error}"))?;
                if read == 0 {
                    return Err("closed before an answer".to_owned());
                }
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().map_err(|_| lower.clone())?;
                }
                last |= lower.starts_with("connection: close");
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).map_err(|error| format!("body: {error}"))?;
            count.fetch_add(1, Ordering::Relaxed);
            if last {
                continue 'connect;
            }
        }
    }
    Ok(())
}

#[test]
fn a_swap_under_load_loses_no_request() {
    let project = Project::new();
    project.configure("max = 0.70", "max = 1.0");
    let first = project.pass(&["ci"]);
    let address = first.text("/environments/0/address").to_owned();
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients: Vec<thread::JoinHandle<Result<(), String>>> = Vec::new();
    for kept in [true, true, false, false] {
        let (address, stop, count) = (address.clone(), Arc::clone(&stop), Arc::clone(&count));
        clients.push(thread::spawn(move || {
            if kept {
                return keep_alive(&address, &stop, &count);
            }
            while !stop.load(Ordering::Relaxed) {
                let (status, _, body) = http(&address, "POST", "/predict", BODY).map_err(|error| error.to_string())?;
                if status != 200 {
                    return Err(format!("{status}: {body}"));
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }));
    }
    for seed in ["seed = 43", "seed = 44", "seed = 45"] {
        let line = project.read("mlci.toml").lines().find(|line| line.starts_with("seed")).unwrap().to_owned();
        project.configure(&line, seed);
        let before = count.load(Ordering::Relaxed);
        project.pass(&["ci"]);
        assert!(count.load(Ordering::Relaxed) > before, "there was load during the swap");
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.join().unwrap(), Ok(()));
    }
    let (_, head, _) = http(&address, "GET", "/", "").unwrap();
    assert_eq!(crate::project::header(&head, "mlci-version"), Some("4"));
}
