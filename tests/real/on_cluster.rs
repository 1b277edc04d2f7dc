//! A pipeline whose environments are namespaces of a real cluster.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

use crate::{
    project::{Finished, Project, Watched},
    unique, variable,
};

/// Two namespaces of its own, for staging and production, which go with it.
pub(crate) struct Namespaces(pub(crate) [String; 2]);

impl Namespaces {
    pub(crate) fn new(word: &str) -> Self {
        Self(["staging", "production"].map(|name| format!("t{word}-{name}")))
    }

    /// Lets a pipeline deploy to them.
    pub(crate) fn configure(&self, project: &Project) {
        for (name, namespace) in ["staging", "production"].iter().zip(&self.0) {
            let context = variable("MLCI_LAB_KUBE_CONTEXT");
            let keys = format!(
                "[environment.{name}]\ntarget = \"kubernetes\"\ncontext = \"{context}\"\nnamespace = \"{namespace}\"\n\
                 create_namespace = true\nreplicas = 2\nready_seconds = 60"
            );
            project.configure(&format!("[environment.{name}]"), &keys);
        }
    }

    /// The pods of an environment, as the cluster says; without those that are on their way out.
    pub(crate) fn pods(&self, environment: usize) -> Vec<Value> {
        let text = kubectl(&["--namespace", &self.0[environment], "get", "pods", "--output", "json"]);
        let mut pods: Value = serde_json::from_str(&text).unwrap();
        let Value::Array(pods) = pods["items"].take() else { panic!("{text}") };
        pods.into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect()
    }

    /// The images that they run.
    pub(crate) fn images(&self, environment: usize) -> Vec<String> {
        let image = |pod: &Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
        self.pods(environment).iter().map(image).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for namespace in &self.0 {
            let _ = call(&["delete", "namespace", namespace, "--wait=false", "--ignore-not-found"]);
        }
    }
}

/// A pipeline that deploys to them.
pub(crate) struct OnCluster {
    pub(crate) project: Project,
    pub(crate) namespaces: Namespaces,
}

impl OnCluster {
    pub(crate) fn new() -> Self {
        let (project, word) = (Project::new(), unique());
        let registry = variable("MLCI_LAB_KUBE_REGISTRY");
        project.configure("[image]", &format!("[image]\nrepository = \"{registry}/team/wine-{word}\""));
        let namespaces = Namespaces::new(&word);
        namespaces.configure(&project);
        Self { project, namespaces }
    }

    /// One that goes by way of Helm.
    pub(crate) fn by_helm() -> Self {
        let on = Self::new();
        let helm = format!("target = \"helm\"\nhelm = \"{}\"", variable("MLCI_LAB_HELM"));
        on.project.configure("target = \"kubernetes\"", &helm);
        on
    }

    pub(crate) fn images(&self, environment: usize) -> Vec<String> {
        self.namespaces.images(environment)
    }

    /// A second release that is on its way to staging, by `ci` or `deploy`, with one pod of it that has come.
    pub(crate) fn under_way(&self, command: &str) -> Watched {
        let mut deploys = self.project.start(&[command, "staging"][..if command == "ci" { 1 } else { 2 }]);
        let seen =
            deploys.until(|event| event["message"].as_str().is_some_and(|text| text.contains("of the version before")));
        assert!(seen.is_some());
        deploys
    }
}

impl Watched {
    /// Waits until it ends, and says how it did.
    #[track_caller]
    pub(crate) fn end(mut self) -> Finished {
        let value = self.until(|event| event["event"] == "finished").unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        Finished { code, value, lines: Vec::new() }
    }
}

pub(crate) fn call(arguments: &[&str]) -> std::process::Output {
    let context = variable("MLCI_LAB_KUBE_CONTEXT");
    Command::new("kubectl").args(["--context", &context]).args(arguments).output().unwrap()
}

pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let output = call(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
