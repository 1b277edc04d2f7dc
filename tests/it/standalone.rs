//! Every library crate stands alone: a crate outside the workspace depends on it and on nothing else.

use std::{fs, process::Command};

use crate::project::repository;

/// What must not come with a crate. `mlci-core` and `mlci-model` are the shared ground.
const CRATES: [(&str, &[&str], &str); 10] = [
    ("mlci-core", &["mlci-model", "tokio", "serde_json"], "mlci_core::Digest::of(b\"\")"),
    ("mlci-model", &["tokio", "hyper", "mlci-train"], "mlci_model::FORMAT_VERSION"),
    ("mlci-train", &["tokio", "hyper", "object_store", "mlci-track"], "mlci_train::ReadOptions::new(\"y\")"),
    ("mlci-track", &["tokio", "hyper", "mlci-model", "mlci-artifact"], "mlci_track::FORMAT_VERSION"),
    ("mlci-artifact", &["hyper", "reqwest", "mlci-model", "mlci-track"], "mlci_artifact::Store::in_memory()"),
    ("mlci-image", &["tokio", "hyper", "mlci-model", "mlci-artifact"], "mlci_image::Settings::default()"),
    ("mlci-k8s", &["mlci-model", "mlci-artifact", "mlci-image"], "mlci_k8s::FIELD_MANAGER"),
    (
        "mlci-monitor",
        &["tokio", "hyper", "mlci-model", "mlci-serve"],
        "mlci_monitor::Settings::new(\"m\".parse().unwrap())",
    ),
    ("mlci-workflows", &["tokio", "hyper", "mlci-model", "mlci-artifact"], "mlci_workflows::System::ALL"),
    ("mlci-serve", &["object_store", "linfa", "mlci-train", "mlci-artifact"], "mlci_serve::ServerOptions::default()"),
];

#[test]
fn each_library_builds_outside_and_brings_only_its_own() {
    // Beside the workspace's own target folder, so that the crates are compiled once for all of these.
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("standalone");
    for (name, without, expression) in CRATES {
        let folder = tempfile::tempdir().unwrap();
        let path = repository().join("crates").join(name);
        let manifest = format!(
            "[package]\nname = \"outside\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{name} = {{ path = {path:?} }}\n\n[workspace]\n"
        );
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/main.rs"), format!("fn main() {{ let _ = {expression}; }}\n")).unwrap();
        // The same versions as here, so that nothing has to be fetched.
        fs::copy(repository().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        let cargo = |arguments: &[&str]| {
            let output = Command::new(env!("CARGO"))
                .current_dir(folder.path())
                .args(arguments)
                .arg("--offline")
                .env("CARGO_TARGET_DIR", &target)
                .env("CARGO_PROFILE_DEV_DEBUG", "0")
                .output()
                .unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        cargo(&["check", "--quiet"]);
        let tree = cargo(&["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
        for other in without {
            let drags = tree.lines().any(|line| line.split(' ').next() == Some(*other));
            assert!(!drags, "{name} drags in {other}:\n{tree}");
        }
    }
}
