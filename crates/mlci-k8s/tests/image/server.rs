//! The server in the tests' images: answers every request with its version, its host and what it was sent.
//! Compiled by the tests themselves, statically and with nothing but the standard library.
//!
//! `exit` ends at once, `exit-once` only the first time in a pod; both write why to standard error. `hog` takes memory
//! until there is no more.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process, thread,
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
