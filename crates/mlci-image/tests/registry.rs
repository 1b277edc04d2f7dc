//! Against real registries: one with a password file, one with a token server.
//!
//! `MLCI_LAB_REGISTRY` and `MLCI_LAB_REGISTRY_TOKEN` are their hosts and ports; `config.json` in `DOCKER_CONFIG` has the
//! credentials for both. The token server gives anonymous callers `pull`, and nobody `push` for what begins with
//! `other/`.

#![cfg(feature = "registry")]
// clippy.toml lifts these inside #[test] functions only, and helpers are tests too.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "it/fixture.rs"]
mod fixture;

use std::{env, process::Command};

use fixture::{Fixture, chain};
use mlci_core::Digest;
use mlci_image::{Credential, Credentials, Layout, Reference, Registry, RegistryError};

const HTPASSWD: &str = "MLCI_LAB_REGISTRY";
const TOKEN: &str = "MLCI_LAB_REGISTRY_TOKEN";
const BOTH: [&str; 2] = [HTPASSWD, TOKEN];

fn host(variable: &str) -> String {
    env::var("DOCKER_CONFIG").unwrap_or_else(|_| panic!("DOCKER_CONFIG names the folder of a config.json"));
    env::var(variable).unwrap_or_else(|_| panic!("{variable} is the host and port of a registry"))
}

/// A repository that nobody else has, with this tag.
fn reference(variable: &str, fixture: &Fixture, rest: &str) -> Reference {
    let unique = Digest::of(fixture.folder.path().to_str().unwrap().as_bytes()).short();
    format!("{}/{}", host(variable), rest.replace('_', &unique)).parse().unwrap()
}

fn registry() -> Registry {
    Registry::builder().build().unwrap()
}

#[tokio::test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
async fn an_image_goes_there_and_back() {
    for variable in BOTH {
        let fixture = Fixture::new();
        let image = fixture.build("model");
        let reference = reference(variable, &fixture, "team/_:v1");
        let pushed = registry().push(&fixture.layout, &image.digest, &reference).await.unwrap();
        assert_eq!((pushed.digest, pushed.uploaded, pushed.unchanged), (image.digest, 3, false), "{variable}");
        assert_eq!(registry().resolve(&reference).await.unwrap(), image.digest);

        // Another process has nothing to send.
        let again = registry().push(&fixture.layout, &image.digest, &reference).await.unwrap();
        assert_eq!((again.uploaded, again.uploaded_bytes, again.unchanged), (0, 0, true), "{variable}");

        // By digest and by tag, into an empty layout each.
        for (name, reference) in [("by-digest", &pushed.reference), ("by-tag", &reference)] {
            let layout = Layout::open(&fixture.path(name)).unwrap();
            let pulled = registry().pull(reference, &layout).await.unwrap();
            assert_eq!((pulled.digest, pulled.model, pulled.reused), (image.digest, image.model, false));
            layout.verify(&image.digest).unwrap();
            assert!(registry().pull(reference, &layout).await.unwrap().reused);
            let unpacked = layout.unpack(&image.digest, &fixture.path(&format!("{name}-run"))).unwrap();
            assert_eq!(std::fs::read(unpacked.model).unwrap(), b"model");
        }
    }
}

#[tokio::test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
async fn only_what_changed_is_sent_and_the_tag_moves() {
    for variable in BOTH {
        let fixture = Fixture::new();
        let (first, second) = (fixture.build("model 1"), fixture.build("model 2"));
        let reference = reference(variable, &fixture, "team/_:production");
        let registry = registry();
        registry.push(&fixture.layout, &first.digest, &reference).await.unwrap();
        let pushed = registry.push(&fixture.layout, &second.digest, &reference).await.unwrap();
        // The model's layer and the configuration; the server's layer is there.
        assert_eq!(pushed.uploaded, 2, "{variable}");
        assert!(pushed.uploaded_bytes < second.compressed_bytes + 4096);
        assert_eq!(registry.resolve(&reference).await.unwrap(), second.digest);
        // A roll-back is a tag on what is there.
        let stable = registry.tag(&reference.with_digest(first.digest), "stable").await.unwrap();
        assert_eq!(registry.resolve(&stable).await.unwrap(), first.digest);
        let moved = registry.push(&fixture.layout, &first.digest, &reference).await.unwrap();
        assert_eq!((moved.uploaded, moved.unchanged), (0, false));
        assert_eq!(registry.resolve(&reference).await.unwrap(), first.digest);
    }
}

#[tokio::test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
async fn blobs_are_mounted_from_a_sister_repository() {
    for variable in BOTH {
        let fixture = Fixture::new();
        // A server of its own, which no other repository has.
        let image = fixture.build(fixture.folder.path().to_str().unwrap());
        let sister = reference(variable, &fixture, "team/_-a:v1");
        registry().push(&fixture.layout, &image.digest, &sister).await.unwrap();
        let mounting = Registry::builder().mount_from(sister.repository()).mount_from("team/none").build().unwrap();
        let reference = reference(variable, &fixture, "team/_-b:v1");
        let pushed = mounting.push(&fixture.layout, &image.digest, &reference).await.unwrap();
        assert_eq!((pushed.mounted, pushed.uploaded), (3, 0), "{variable}");
        let layout = Layout::open(&fixture.path("other")).unwrap();
        assert_eq!(registry().pull(&reference, &layout).await.unwrap().digest, image.digest);
    }
}

#[tokio::test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
async fn a_wrong_password_is_named_and_not_shown() {
    for variable in BOTH {
        let fixture = Fixture::new();
        let image = fixture.build("model");
        let host = host(variable);
        let wrong = Credentials::none().with(&host, Credential::password("lab", "wr0ng-passw0rd"));
        let registry = Registry::builder().credentials(wrong).build().unwrap();
        let reference = reference(variable, &fixture, "team/_:v1");
        let error = registry.push(&fixture.layout, &image.digest, &reference).await.unwrap_err();
        assert!(matches!(&error, RegistryError::Refused { answer, .. } if answer.status == 401), "{error:?}");
        let text = chain(&error);
        for words in [host.as_str(), reference.repository(), "user `lab`", "is wrong", "docker login"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!format!("{error:?} {text} {registry:?}").contains("wr0ng"), "{error:?}");
    }
}

#[tokio::test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
async fn anonymous_callers_pull_where_they_may() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let anonymous = Registry::builder().credentials(Credentials::none()).build().unwrap();
    for variable in BOTH {
        let reference = reference(variable, &fixture, "team/_:v1");
        registry().push(&fixture.layout, &image.digest, &reference).await.unwrap();
        let pulled = anonymous.resolve(&reference).await;
        if variable == TOKEN {
            assert_eq!(pulled.unwrap(), image.digest);
        } else {
            let text = pulled.unwrap_err().to_string();
            assert!(text.contains("log in with `docker login"), "{text}");
        }
        // Another digest, since what is there has not to be written.
        let other = fixture.build("another model");
        let text = anonymous.push(&fixture.layout, &other.digest, &reference).await.unwrap_err().to_string();
        assert!(text.contains(if variable == TOKEN { "may not push to" } else { "log in" }), "{text}");
    }
}

#[tokio::test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
async fn without_permission_the_repository_is_named() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let reference = reference(TOKEN, &fixture, "other/_:v1");
    let error = registry().push(&fixture.layout, &image.digest, &reference).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, RegistryError::Refused { .. }), "{error:?}");
    assert!(text.contains(&format!("user `lab` may not push to `{}`", reference.repository())), "{text}");
}

#[tokio::test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
async fn what_is_not_there_is_said() {
    for variable in BOTH {
        let fixture = Fixture::new();
        let image = fixture.build("model");
        let reference = reference(variable, &fixture, "team/_:v1");
        let (_, layout) = (registry(), Layout::open(&fixture.path("other")).unwrap());
        for reference in [reference.clone(), reference.with_digest(image.digest)] {
            let error = registry().pull(&reference, &layout).await.unwrap_err();
            assert!(matches!(error, RegistryError::NotFound { .. }), "{error:?}");
            assert!(error.to_string().contains("MANIFEST_UNKNOWN"), "{error}");
        }
        assert!(layout.images().unwrap().is_empty());
    }
}

fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Another tool pulls what is pushed here, and what it pushes can be pulled here.
#[tokio::test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
async fn skopeo_and_this_crate_understand_each_other() {
    for variable in BOTH {
        let fixture = Fixture::new();
        let image = fixture.build("model");
        let reference = reference(variable, &fixture, "team/_:v1");
        registry().push(&fixture.layout, &image.digest, &reference).await.unwrap();
        let authfile = format!("{}/config.json", env::var("DOCKER_CONFIG").unwrap());

        let copy = fixture.path("copy");
        let (from, to) = (format!("docker://{reference}"), format!("oci:{}:v1", copy.display()));
        skopeo(&["copy", "--src-tls-verify=false", "--authfile", &authfile, &from, &to]);
        assert_eq!(fixture::json(&copy.join("index.json"))["manifests"][0]["digest"], image.digest.to_string());
        assert!(Layout::open(&copy).unwrap().blob(&image.layers[1].digest).exists());

        let theirs = reference.with_tag("by-skopeo").unwrap();
        let to = format!("docker://{theirs}");
        let from = format!("oci:{}:v1", copy.display());
        skopeo(&["copy", "--dest-tls-verify=false", "--authfile", &authfile, &from, &to]);
        let layout = Layout::open(&fixture.path("other")).unwrap();
        assert_eq!(registry().pull(&theirs, &layout).await.unwrap().digest, image.digest);
        layout.verify(&image.digest).unwrap();
    }
}
