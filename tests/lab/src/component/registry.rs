use std::{fs, path::Path, process::Command, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use mlci_core::{FileError, write_atomic};
use serde_json::json;

use super::{Component, Kind};
use crate::{
    error::{Error, Result, tail},
    install::{Install, require},
    place::Place,
    tokens::{PASSWORD, USER},
};

/// Two registries: one with a password file, one that takes the tokens of a server of ours, as Docker Hub's does.
pub(super) static REGISTRY: Component = Component {
    name: "registry",
    about: "Docker's registry 2.8 (Debian), with a password file and with token authentication",
    kind: Kind::Real,
    installs: &[Install::Debian { packages: &["docker-registry", "apache2-utils", "libapr1", "libaprutil1"] }],
    root: false,
    programs: &["openssl"],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_REGISTRY", "MLCI_LAB_REGISTRY_TOKEN", "DOCKER_CONFIG"],
    start: |place| {
        let program = place.program("root/usr/bin/docker-registry")?;
        let (passwords, certificate) = (password_file(place)?, certificate(&place.state)?);
        let token_port = place.port()?;
        let own = std::env::current_exe().map_err(|source| Error::Run { program: "mlci-lab".to_owned(), source })?;
        let mut tokens = Command::new(own);
        tokens.args(["stand-in-tokens", "--port", &token_port.to_string(), "--folder"]).arg(&place.state);
        place.spawn("tokens", tokens)?;
        let by_password = json!({"htpasswd": {"realm": "lab", "path": passwords}});
        let realm = format!("http://127.0.0.1:{token_port}/token");
        let by_token = json!({"token":
            {"realm": realm, "service": "lab-registry", "issuer": "lab", "rootcertbundle": certificate}});
        let mut hosts = Vec::new();
        for (name, auth) in [("registry", by_password), ("registry-token", by_token)] {
            let port = place.port()?;
            let data = place.folder(&format!("{name}-data"))?;
            // JSON is YAML, which is what the registry reads.
            let configuration = json!({
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": data}, "delete": {"enabled": true}},
                "http": {"addr": format!("127.0.0.1:{port}")},
                "auth": auth,
            });
            let path = place.state.join(format!("{name}.yml"));
            write_atomic(&path, configuration.to_string().as_bytes())?;
            let mut command = Command::new(&program);
            command.arg("serve").arg(&path).current_dir(&place.state);
            place.spawn(name, command)?;
            place.wait_http(name, port, "/v2/", &[401], Duration::from_secs(30))?;
            hosts.push(format!("127.0.0.1:{port}"));
        }
        place.wait_http("tokens", token_port, "/", &[404], Duration::from_secs(10))?;
        let auth = BASE64.encode(format!("{USER}:{PASSWORD}"));
        let auths: serde_json::Map<_, _> = hosts.iter().map(|host| (host.clone(), json!({"auth": auth}))).collect();
        let folder = place.folder("docker-config")?;
        write_atomic(&folder.join("config.json"), json!({"auths": auths}).to_string().as_bytes())?;
        let mut hosts = hosts.into_iter();
        place.set("MLCI_LAB_REGISTRY", hosts.next().unwrap_or_default());
        place.set("MLCI_LAB_REGISTRY_TOKEN", hosts.next().unwrap_or_default());
        place.set("DOCKER_CONFIG", folder.display().to_string());
        Ok(())
    },
};

/// A password file as the registry wants it, with bcrypt, by the program that is made for it.
fn password_file(place: &Place<'_>) -> Result<std::path::PathBuf> {
    let libraries = place.program("root/usr/lib")?;
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|name| libraries.join(name).display().to_string());
    let mut command = Command::new(place.program("root/usr/bin/htpasswd")?);
    command.args(["-Bbn", USER, PASSWORD]).env("LD_LIBRARY_PATH", folders.join(":"));
    let output = command.output().map_err(|source| Error::Run { program: "htpasswd".to_owned(), source })?;
    let path = place.state.join("htpasswd");
    fs::write(&path, &output.stdout).map_err(FileError::at("write", &path))?;
    if output.status.success() {
        return Ok(path);
    }
    Err(Error::Other(format!("htpasswd failed: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// A key in `key.pem`, and a certificate for it, with which the registry checks tokens.
fn certificate(state: &Path) -> Result<std::path::PathBuf> {
    require("openssl")?;
    let log = state.join("openssl.log");
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=mlci-lab"]);
    command.args(["-keyout", "key.pem", "-out", "certificate.pem"]).current_dir(state);
    crate::install::step(&mut command, &log).map_err(|error| match error {
        Error::Step { status, log, command, .. } => Error::Step { tail: tail(&log), status, log, command },
        other => other,
    })?;
    Ok(state.join("certificate.pem"))
}
