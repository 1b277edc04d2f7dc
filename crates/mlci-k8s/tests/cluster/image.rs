//! Builds the test server and pushes it to the registry that the nodes pull from.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    sync::OnceLock,
};

use mlci_core::Digest;
use mlci_k8s::ImageReference;

/// The static server, compiled once a test run.
fn server() -> &'static [u8] {
    static SERVER: OnceLock<Vec<u8>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (program, source) = (folder.path().join("server"), folder.path().join("server.rs"));
        std::fs::write(&source, include_str!("../image/server.rs")).unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let output = Command::new(rustc)
            .args([
                "--edition=2024",
                "-O",
                "-Ctarget-feature=+crt-static",
                "-Cstrip=symbols",
                "--target",
                &target,
                "-o",
            ])
            .args([&program, &source])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(program).unwrap()
    })
}

/// Pushes an image whose server answers with this version (OCI Distribution Specification 1.1, "Push").
pub(crate) fn push(version: &str) -> ImageReference {
    let mut layer = tar::Builder::new(Vec::new());
    for (path, content, mode) in [("server", server(), 0o755), ("version", version.as_bytes(), 0o644)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        layer.append_data(&mut header, path, content).unwrap();
    }
    let layer = layer.into_inner().unwrap();
    let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Entrypoint": ["/server"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let descriptor = |kind: &str, content: &[u8]| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        serde_json::json!({ "mediaType": media_type, "digest": Digest::of(content), "size": content.len() })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", &config),
        "layers": [descriptor("layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    for blob in [&layer, &config] {
        let begun = http("POST", "/v2/mlci-k8s-test/blobs/uploads/", "application/octet-stream", b"");
        let location =
            begun.lines().find_map(|line| line.to_lowercase().starts_with("location:").then(|| line[9..].trim()));
        let location = location.unwrap_or_else(|| panic!("{begun}"));
        // The location may be a whole URL.
        let path = location.split_once("://").map_or(location, |(_, rest)| &rest[rest.find('/').unwrap()..]);
        let separator = if path.contains('?') { '&' } else { '?' };
        http("PUT", &format!("{path}{separator}digest={}", Digest::of(blob)), "application/octet-stream", blob);
    }
    let digest = Digest::of(&manifest);
    http(
        "PUT",
        &format!("/v2/mlci-k8s-test/manifests/{digest}"),
        "application/vnd.oci.image.manifest.v1+json",
        &manifest,
    );
    ImageReference::new(&format!("{}/mlci-k8s-test", registry()), digest).unwrap()
}

pub(crate) fn registry() -> String {
    std::env::var("MLCI_LAB_KUBE_REGISTRY")
        .expect("MLCI_LAB_KUBE_REGISTRY has to name a registry that the nodes pull from")
}

fn http(method: &str, path: &str, content_type: &str, body: &[u8]) -> String {
    let registry = registry();
    let mut stream = TcpStream::connect(&registry).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {registry}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{method} {path}: {answer}");
    answer
}
