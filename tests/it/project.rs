//! A project in a temporary folder, and the command line in it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A static server for images, built once a test run as the image stage builds it.
pub(crate) fn server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| built_server(&[]))
}

/// A static server with these arguments of Cargo's.
pub(crate) fn built_server(features: &[&str]) -> PathBuf {
    // Cargo puts both at the same place, so that each is taken from there before the other is built.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .current_dir(repository())
        .args(["build", "--locked", "--quiet", "--release", "--package", "mlci-serve", "--bin", "mlci-serve"])
        .args(features)
        .args(["--target", &target, "--message-format", "json"])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .envs((!features.is_empty()).then_some(("CARGO_PROFILE_RELEASE_LTO", "off")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut paths = lines.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    let built = paths.next_back().expect("cargo names the executable");
    // By content, so that runs of the tests share it.
    let digest = mlci_core::digest_file(&built).unwrap().0;
    let kept = built.with_file_name(format!("mlci-serve-{}", &digest.hex()[..16]));
    if !kept.exists() {
        let new = built.with_file_name(format!(".mlci-serve-{}", std::process::id()));
        fs::copy(&built, &new).unwrap();
        fs::rename(&new, &kept).unwrap();
    }
    kept
}

/// A folder with a configuration. What runs in it is stopped when the test is over, also when it fails.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    /// The configuration that it began with.
    first: String,
}

/// What the sample's pipeline is without its own tests and with a server that is there.
pub(crate) fn configuration() -> String {
    format!(
        r#"[project]
name = "wine"

[data]
path = "wine.csv"
target = "quality"

[train]
seed = 42

[gate.limits]
rmse = {{ max = 0.70 }}

[image]
server = "{}"

[environment.staging]
drain_seconds = 0.2

[environment.production]
approval = "required"
drain_seconds = 0.2
allow_dirty = true
"#,
        server().display()
    )
}

impl Project {
    /// The sample's data with [`configuration`].
    pub(crate) fn new() -> Self {
        Self::with(&configuration())
    }

    /// The sample's data with another configuration.
    pub(crate) fn with(configuration: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap(), first: configuration.to_owned() };
        fs::copy(repository().join("tests/data/winequality-red.csv"), project.path("wine.csv")).unwrap();
        project.write("mlci.toml", configuration);
        project
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Changes the configuration.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let old = self.read("mlci.toml");
        assert!(old.contains(from), "{old}");
        self.write("mlci.toml", &old.replace(from, to));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlci-under-test"));
        command.current_dir(self.root()).args(arguments);
        // Whether the tests themselves run in a CI job must not matter.
        let branches = ["GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BRANCH_NAME", "CIRCLE_BRANCH"];
        let people = ["CI", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID", "CIRCLE_USERNAME"];
        for name in people.iter().chain(&branches) {
            command.env_remove(name);
        }
        command
            .env("USER", "tester")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CEILING_DIRECTORIES", std::env::temp_dir());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command with `--format json` and checks that its last line and its exit code agree.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finished(&self.output(&[arguments, &["--format", "json"]].concat()))
    }

    /// Runs a command that has to pass.
    #[track_caller]
    pub(crate) fn pass(&self, arguments: &[&str]) -> Finished {
        let finished = self.run(arguments);
        assert_eq!(finished.code, 0, "{arguments:?}: {:#}", finished.value);
        finished
    }

    /// Starts `ci --format json`, to be watched and killed.
    pub(crate) fn start(&self, arguments: &[&str]) -> Watched {
        let mut command = self.command(&[arguments, &["--format", "json"]].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Watched { child, lines }
    }

    /// All files below a folder, as paths relative to it.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        fn walk(top: &Path, folder: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().unwrap().is_dir() {
                    walk(top, &path, found);
                } else {
                    found.push(path.strip_prefix(top).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let (top, mut found) = (self.path(folder), Vec::new());
        walk(&top, &top, &mut found);
        found.sort();
        found
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let down = || self.command(&["down", "--all"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if self.path(".mlci/environments").exists() && !down().is_ok_and(|status| status.success()) {
            // The test has left a configuration that cannot be read; what it started is to be stopped all the same.
            let _ = fs::write(self.path("mlci.toml"), &self.first);
            let stopped = down().is_ok_and(|status| status.success());
            assert!(stopped || std::thread::panicking(), "a server of the test's is left in {}", self.root().display());
        }
    }
}

/// The last line of a command, and its exit code.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) value: Value,
    pub(crate) lines: Vec<Value>,
}

#[track_caller]
pub(crate) fn finished(output: &Output) -> Finished {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let value = lines.last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr))).clone();
    assert_eq!(value["event"], "finished", "{text}");
    let code = output.status.code().unwrap_or(-1);
    assert_eq!(value["exit_code"], code, "the last line and the exit code disagree");
    Finished { code, value, lines }
}

impl Finished {
    pub(crate) fn stage(&self, name: &str) -> &str {
        let stages = self.value["stages"].as_array().unwrap();
        stages.iter().find(|stage| stage["name"] == name).and_then(|stage| stage["status"].as_str()).unwrap_or("absent")
    }

    pub(crate) fn environment(&self, name: &str) -> &Value {
        let environments = self.value["environments"].as_array().unwrap();
        environments.iter().find(|environment| environment["name"] == name).expect("an environment of this name")
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {:#}", self.value))
    }

    pub(crate) fn version(&self) -> u64 {
        self.value["model"]["version"].as_u64().unwrap()
    }

    /// Message, causes and help, as one text.
    pub(crate) fn error(&self) -> String {
        let error = &self.value["error"];
        let causes = error["causes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let all = error["message"].as_str().into_iter().chain(causes).chain(error["help"].as_str());
        all.collect::<Vec<_>>().join("\n")
    }
}

/// A command that runs, and what it says.
pub(crate) struct Watched {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watched {
    /// Reads events until one fits. `None`: the command ended before.
    pub(crate) fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let event: Value = serde_json::from_str(&line).unwrap();
            if fits(&event) {
                return Some(event);
            }
        }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// An HTTP exchange on a connection of its own: status, head, body.
pub(crate) fn http(address: &str, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String, String)> {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let broken = || std::io::Error::other(format!("no HTTP: {reply:?}"));
    let (head, body) = reply.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(broken)?;
    Ok((status, head.to_owned(), body.to_owned()))
}

/// A header of a reply's head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes whose executable lies below a folder.
pub(crate) fn processes_in(folder: &Path) -> Vec<u32> {
    let folder = fs::canonicalize(folder).unwrap();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.starts_with(&folder)))
        .collect()
}
