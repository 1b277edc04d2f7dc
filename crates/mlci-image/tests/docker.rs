//! Against a real Docker Engine, at `DOCKER_HOST`.

#![cfg(feature = "docker")]
// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "it/fixture.rs"]
mod fixture;

use std::{
    env, fs,
    io::Read as _,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use fixture::{Fixture, chain};
use mlci_core::Digest;
use mlci_image::{Credential, Credentials, Engine, EngineError, ImageSpec, Network, Reference, RunOptions};

/// A program without libraries, as an image needs it: it serves the model's content, lists a folder, or fails.
const PROGRAM: &str = r#"
use std::{env, fs, io::Write, net::TcpListener, path::Path, process::exit};

fn list(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { list(&path) } else { println!("found {}", path.display()) }
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list", folder] => list(Path::new(folder)),
        ["exit", code] => { eprintln!("about to fail"); exit(code.parse().unwrap()) }
        _ => {
            let model = fs::read(env::var("MLCI_MODEL").unwrap()).unwrap();
            let listener = TcpListener::bind(env::var("MLCI_LISTEN").unwrap()).unwrap();
            println!("listening");
            for stream in listener.incoming() { let _ = stream.unwrap().write_all(&model); }
        }
    }
}
"#;

fn program(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("program.rs"), folder.join("program"));
    fs::write(&source, PROGRAM).unwrap();
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--target", "x86_64-unknown-linux-gnu", "-C", "target-feature=+crt-static", "-O", "-o"])
        .args([&program, &source])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

async fn engine() -> Engine {
    env::var("DOCKER_HOST").unwrap_or_else(|_| panic!("DOCKER_HOST is where the engine is"));
    Engine::connect().await.unwrap()
}

/// A tag that nobody else has.
fn tag(registry: &str, folder: &Path) -> Reference {
    format!("{registry}/mlci-test/{}:v1", Digest::of(folder.to_str().unwrap().as_bytes()).short()).parse().unwrap()
}

/// What an address sends, once somebody listens there.
async fn read(address: SocketAddr) -> String {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address) {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            return text;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
#[ignore = "needs a Docker Engine: cargo xtask test --lab docker"]
async fn an_image_is_loaded_and_run() {
    let fixture = Fixture::new();
    fs::write(fixture.path("model"), "what the model says").unwrap();
    let image = fixture.layout.build(&ImageSpec::new(program(fixture.folder.path()), fixture.path("model"))).unwrap();
    let (engine, tag) = (engine().await, tag("localhost", fixture.folder.path()));
    let id = engine.load(&fixture.layout, &image.digest, &tag).await.unwrap();
    assert_eq!(id, image.config.to_string());
    // Nothing is sent a second time: a layer that is not there any more is not missed.
    fs::rename(fixture.layout.blob(&image.layers[0].digest), fixture.path("away")).unwrap();
    let second = tag.with_tag("v2").unwrap();
    assert_eq!(engine.load(&fixture.layout, &image.digest, &second).await.unwrap(), id);

    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let env = vec![("MLCI_LISTEN".to_owned(), address.to_string())];
    let options = RunOptions { network: Network::Host, env, arguments: Vec::new() };
    let container = engine.run(&second.to_string(), &options).await.unwrap();
    assert_eq!(read(address).await, "what the model says");
    assert_eq!(container.logs().await.unwrap(), "listening\n");
    assert!(container.is_running().await.unwrap());
    assert_eq!(container.address().await.unwrap(), None);
    container.stop(0).await.unwrap();
    assert!(!container.is_running().await.unwrap());
    container.remove().await.unwrap();
    assert!(matches!(container.logs().await, Err(EngineError::Request { .. })));

    // What it ends with is handed on.
    let arguments = vec!["exit".to_owned(), "7".to_owned()];
    let container = engine.run(&id, &RunOptions { arguments, ..RunOptions::default() }).await.unwrap();
    assert_eq!(container.wait().await.unwrap(), 7);
    assert_eq!(container.logs().await.unwrap(), "about to fail\n");
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a Docker Engine: cargo xtask test --lab docker"]
async fn an_image_that_is_not_there_is_named() {
    let error = engine().await.run("localhost/mlci-test/none:v1", &RunOptions::default()).await.unwrap_err();
    let text = chain(&error);
    for words in ["run `localhost/mlci-test/none:v1`", "load the image first", "No such image"] {
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
#[ignore = "needs a Docker Engine: cargo xtask test --lab docker"]
async fn a_damaged_layer_is_not_loaded() {
    let fixture = Fixture::new();
    let image = fixture.build(fixture.folder.path().to_str().unwrap());
    let path = fixture.layout.blob(&image.layers[1].digest);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    let (engine, tag) = (engine().await, tag("localhost", fixture.folder.path()));
    assert!(engine.load(&fixture.layout, &image.digest, &tag).await.is_err());
    fs::write(&path, &bytes[..middle]).unwrap();
    let error = engine.load(&fixture.layout, &image.digest, &tag).await.unwrap_err();
    assert!(matches!(error, EngineError::Layout(mlci_image::Error::Damaged { .. })), "{error:?}");
}

/// The build context's files, as a step of the build sees them (case A12).
#[tokio::test]
#[ignore = "needs a Docker Engine: cargo xtask test --lab docker"]
async fn a_dockerfile_is_built_with_what_is_not_ignored() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path());
    for file in ["docker/application/Dockerfile", "docker/x", "dir/file1", "dir/file2", "dir/file3", "secret"] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    fs::write(
        folder.path().join("Dockerfile"),
        "FROM scratch\nCOPY program /p\nCOPY . /c/\nRUN [\"/p\", \"list\", \"/c\"]\n",
    )
    .unwrap();
    let (engine, tag) = (engine().await, tag("localhost", folder.path()));
    for (ignore, expected) in [
        ("*\n!program\n!docker/*/Dockerfile\n", &["docker/application/Dockerfile", "program"][..]),
        ("*\n!program\n!dir\ndir\n!dir*/file1\n!dir/file2\n", &["dir/file1", "dir/file2", "program"]),
    ] {
        fs::write(folder.path().join(".dockerignore"), ignore).unwrap();
        let mut lines = Vec::new();
        let id = engine
            .build(folder.path(), Path::new("Dockerfile"), &tag, |line| lines.push(line.to_owned()))
            .await
            .unwrap();
        assert!(id.starts_with("sha256:"), "{id}");
        let mut found: Vec<_> = lines.iter().filter_map(|line| line.split("found /c/").nth(1)).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{lines:#?}");
    }
    let container = engine
        .run(
            &tag.to_string(),
            &RunOptions {
                arguments: vec!["/p".to_owned(), "exit".to_owned(), "3".to_owned()],
                ..RunOptions::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(container.wait().await.unwrap(), 3);
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a Docker Engine: cargo xtask test --lab docker"]
async fn a_step_that_fails_fails_the_build() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path());
    let dockerfile = folder.path().join("Dockerfile");
    fs::write(&dockerfile, "FROM scratch\nCOPY program /p\nRUN [\"/p\", \"exit\", \"7\"]\n").unwrap();
    let (engine, tag) = (engine().await, tag("localhost", folder.path()));
    let mut lines = Vec::new();
    let error = engine
        .build(folder.path(), Path::new("Dockerfile"), &tag, |line| lines.push(line.to_owned()))
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("returned a non-zero code: 7"), "{error}");
    assert!(lines.iter().any(|line| line.contains("about to fail")), "{lines:?}");
    // So does one that cannot be read.
    fs::write(&dockerfile, "FORM scratch\n").unwrap();
    let error = engine.build(folder.path(), Path::new("Dockerfile"), &tag, |_| {}).await.unwrap_err();
    assert!(chain(&error).contains("FORM"), "{}", chain(&error));
}

#[tokio::test]
#[ignore = "needs a Docker Engine and a registry: cargo xtask test --lab docker registry"]
async fn the_engine_pushes_and_the_registry_confirms() {
    let host = env::var("MLCI_LAB_REGISTRY")
        .unwrap_or_else(|_| panic!("MLCI_LAB_REGISTRY is the host and port of a registry"));
    env::var("DOCKER_CONFIG").unwrap_or_else(|_| panic!("DOCKER_CONFIG names the folder of a config.json"));
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let (engine, tag) = (engine().await, tag(&host, fixture.folder.path()));
    engine.load(&fixture.layout, &image.digest, &tag).await.unwrap();

    // A user who is not known, then nobody, then the right one.
    let wrong = Credentials::none().with(&host, Credential::password("lab", "wr0ng-passw0rd"));
    for credentials in [wrong, Credentials::none()] {
        let error = engine.push(&tag, &credentials).await.unwrap_err();
        assert!(matches!(error, EngineError::Failed { .. }), "{error:?}");
        assert!(error.to_string().contains("docker login") && !format!("{error:?}").contains("wr0ng"), "{error}");
    }
    let pushed = engine.push(&tag, &Credentials::docker()).await.unwrap();
    assert_eq!(pushed.name(), tag.name());
    #[cfg(feature = "registry")]
    {
        let registry = mlci_image::Registry::builder().build().unwrap();
        assert_eq!(registry.resolve(&tag).await.unwrap(), pushed.digest().unwrap());
    }
    // What is not there cannot be pushed.
    let error = engine.push(&tag.with_tag("none").unwrap(), &Credentials::docker()).await.unwrap_err();
    assert!(
        error.to_string().contains("tag does not exist") || error.to_string().contains("does not exist locally"),
        "{error}"
    );
}
