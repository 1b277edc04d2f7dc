use std::{
    fs,
    io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use mlci_core::Digest;
use mlci_model::{Column, Estimator, Golden, Kind, Linear, Model, Parts, Profile, Schema};

/// Far beyond what anything here takes, so that only a real failure reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `y = 2·x + 1`.
pub(crate) fn model_bytes() -> Vec<u8> {
    let values = [0.0, 10.0];
    let column = |name: &str| Column::observed(name, Kind::Float, None, &values).unwrap();
    let profile = Profile::of(&values).unwrap();
    let model = Model::new(Parts {
        name: "demo".parse().unwrap(),
        schema: Schema { features: vec![column("x")], target: column("y") },
        estimator: Estimator::Linear(Linear { coefficients: vec![2.0], intercept: 1.0 }),
        profiles: vec![profile.clone()],
        prediction_profile: profile,
        data: Digest::of(b"data"),
        config: Digest::of(b"config"),
        golden: vec![Golden { row: vec![3.0], prediction: 7.0 }],
    });
    model.unwrap().encode().unwrap()
}

pub(crate) fn write_model(folder: &Path) -> PathBuf {
    let path = folder.join("model.mlci");
    fs::write(&path, model_bytes()).unwrap();
    path
}

/// Watches until `check` gives something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlci-serve"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MLCI_")) {
        command.env_remove(name);
    }
    command
}

/// A server process in a folder of its own, killed when the value is dropped.
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    pub(crate) folder: PathBuf,
    child: Child,
}

impl Instance {
    /// Starts a server in `folder` on a private port, with a control socket, and waits until it is ready.
    pub(crate) fn start(folder: &Path, version: &str, more: &[&str]) -> Self {
        fs::create_dir_all(folder).unwrap();
        write_model(folder);
        let fixed = ["--model", "model.mlci", "--listen", "127.0.0.1:0", "--control", "control.sock"];
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut child = command()
            .current_dir(folder)
            .args(fixed)
            .args(["--ready-file", "ready.json", "--model-version", version])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let ready = wait_for("the ready file", || {
            assert_eq!(child.try_wait().unwrap(), None, "{}", fs::read_to_string(folder.join("log")).unwrap());
            fs::read(folder.join("ready.json")).ok()
        });
        let ready: serde_json::Value = serde_json::from_slice(&ready).unwrap();
        assert_eq!(ready["pid"], child.id());
        let address = ready["address"].as_str().unwrap().parse().unwrap();
        Self { address, folder: folder.to_owned(), child }
    }

    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the end of the server", || child.try_wait().unwrap())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP client that keeps its connection until it is told to close, and forgives nothing.
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server says that the connection ends with this reply.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }

    pub(crate) fn version(&self) -> &str {
        self.header("mlci-version").unwrap()
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    pub(crate) fn predict(&mut self) -> io::Result<Reply> {
        let reply = self.request("POST", "/predict", r#"{"x": 3}"#)?;
        if reply.status != 200 || !reply.body.contains("\"predictions\":[7.0]") {
            return Err(io::Error::other(format!("{reply:?}")));
        }
        Ok(reply)
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<Reply> {
        let length = body.len();
        self.send(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"))?;
        self.receive()
    }

    /// Sends text as it is, on a new connection where none is open.
    pub(crate) fn send(&mut self, text: &str) -> io::Result<()> {
        if self.connection.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.connection = Some(BufReader::new(stream));
        }
        self.connection.as_mut().unwrap().get_mut().write_all(text.as_bytes())
    }

    pub(crate) fn receive(&mut self) -> io::Result<Reply> {
        let reader = self.connection.as_mut().unwrap();
        let mut line = || {
            let mut line = String::new();
            match reader.read_line(&mut line)? {
                0 => Err(io::Error::from(ErrorKind::UnexpectedEof)),
                _ => Ok(line.trim_end().to_owned()),
            }
        };
        let status = line()?.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut reply = Reply { status, headers, body: String::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        reply.body = String::from_utf8(body).unwrap();
        if reply.closes() {
            self.connection = None;
        }
        Ok(reply)
    }

    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }
}
