//! `[image] repository`: the pipeline's image in a registry.

use crate::{project::Project, unique, variable};

/// A pipeline whose images go to a repository that nobody else has.
fn pushing_to(host: &str) -> Project {
    let project = Project::new();
    project.configure("[image]", &format!("[image]\nrepository = \"{host}/team/wine-{}\"", unique()));
    project
}

/// With a password file, and with tokens as Docker Hub has them.
#[test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
fn an_image_is_pushed_once_and_by_digest() {
    for host in ["MLCI_LAB_REGISTRY", "MLCI_LAB_REGISTRY_TOKEN"].map(variable) {
        let project = pushing_to(&host);
        let first = project.pass(&["ci"]);
        let (pushed, digest) = (first.text("/image/pushed"), first.text("/image/digest"));
        assert!(pushed.starts_with(&host) && pushed.ends_with(&format!("@{digest}")), "{pushed}");
        let again = project.pass(&["ci"]);
        assert_eq!((again.stage("image"), again.text("/image/pushed")), ("cached", pushed));

        // A new model: the server's layer is there already.
        project.configure("seed = 42", "seed = 43");
        let second = project.pass(&["ci"]);
        let told = second.lines.iter().filter(|line| line["event"] == "progress");
        let told: Vec<&str> = told.filter_map(|line| line["message"].as_str()).collect();
        assert!(told.iter().any(|text| text.contains("0.0 MB were missing")), "{told:?}");
        assert_ne!(second.text("/image/pushed"), pushed);
    }
}

#[test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
fn without_the_password_nothing_is_done() {
    let project = pushing_to(&variable("MLCI_LAB_REGISTRY"));
    project.write("docker/config.json", "{}");
    let docker = project.path("docker");
    let output = project.command(&["ci", "--format", "json"]).env("DOCKER_CONFIG", docker).output().unwrap();
    let refused = crate::project::finished(&output);
    assert_eq!((refused.code, refused.stage("image")), (1, "failed"), "{:#}", refused.value);
    for part in [variable("MLCI_LAB_REGISTRY"), "401".to_owned()] {
        assert!(refused.error().contains(&part), "{part}: {}", refused.error());
    }
    // With it, the next command goes on from there.
    let second = project.pass(&["ci"]);
    assert_eq!((second.stage("train"), second.stage("image")), ("cached", "done"));
}

#[test]
#[ignore = "needs a registry: cargo xtask test --lab registry"]
fn a_registry_that_does_not_answer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let project = pushing_to(&nobody);
    let refused = project.run(&["ci"]);
    assert_eq!((refused.code, refused.stage("image")), (1, "failed"));
    assert!(refused.error().contains(&nobody), "{}", refused.error());
}
