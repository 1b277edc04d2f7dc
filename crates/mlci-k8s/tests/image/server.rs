//! The server in the tests' images: answers every request with its version, its host and what it was sent.
//! Compiled by the tests themselves, statically and with nothing but the standard library.
//!
//! `exit` ends at once, `exit-once` only the first time in a pod; both write why to standard error. `hog` takes memory
//! until there is no more. `find NAME` asks the Service of this name, as the pod's own DNS finds it, and ends.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    process, thread,
    time::Duration,
};

fn main() {
    let mode = env::args().nth(1).unwrap_or_default();
    // Shared memory belongs to the pod, not to the container, and outlives the container's end.
    let first = fs::File::create_new("/dev/shm/seen").is_ok();
    if mode == "exit" || (mode == "exit-once" && first) {
        for line in 1..=30 {
            eprintln!("loading, step {line}");
        }
        eprintln!("the model cannot be loaded");
        process::exit(7);
    }
    if mode == "hog" {
        let mut memory = Vec::new();
        loop {
            memory.push(vec![1_u8; 1 << 20]);
        }
    }
    if let (true, Some(name)) = (mode == "find", env::args().nth(2)) {
        for _ in 0..30 {
            if let Some(said) = find(&name) {
                println!("{said}");
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
        eprintln!("no {name}");
        process::exit(1);
    }
    let listener = TcpListener::bind(("0.0.0.0", 8080)).expect("port 8080 is free");
    println!("listening");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || answer(stream));
    }
}

fn answer(stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).ok()?;
    let version = fs::read_to_string("/version").unwrap_or_default();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let body = format!("{version} {} {}", host.trim(), String::from_utf8_lossy(&sent));
    let length = body.len();
    write!(
        reader.get_mut(),
        "HTTP/1.1 200 OK\r\nx-version: {version}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .ok()
}

/// What the server of this name says. A static program has no resolver, so it is asked for by hand.
fn find(name: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/resolv.conf").ok()?;
    let words = |key: &str| -> Vec<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    let server = words("nameserver").first()?.clone();
    let (full, address) = words("search").iter().find_map(|domain| {
        let full = format!("{name}.{domain}");
        Some((full.clone(), resolve(&server, &full)?))
    })?;
    let mut stream = TcpStream::connect((address, 80)).ok()?;
    write!(stream, "GET / HTTP/1.1\r\nhost: {name}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(format!("{full} is {address}, which says: {}", answer.lines().last()?))
}

/// RFC 1035, section 4.1: a question for an address, and the one record of the answer, which ends with it.
fn resolve(server: &str, name: &str) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut question = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).ok()?);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    socket.send_to(&question, (server, 53)).ok()?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).ok()?;
    let records = u16::from_be_bytes([answer[6], answer[7]]);
    let address: [u8; 4] = answer[..length].last_chunk().copied()?;
    (records == 1).then(|| address.into())
}
