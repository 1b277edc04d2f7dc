//! Where Prometheus finds the servers, and what it calls them by.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{Place, Settings};

const WHERE: &str = "For the list `scrape_configs` of prometheus.yml; from Prometheus 2.43 on, to be named by \
                     `scrape_config_files`.";

#[derive(Serialize)]
pub(crate) struct File {
    scrape_configs: Vec<Job>,
    #[serde(skip)]
    pub(crate) header: String,
}

#[derive(Serialize, Default)]
struct Job {
    job_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_path: Option<String>,
    /// Keeps the labels of what is scraped where they clash with the target's.
    #[serde(skip_serializing_if = "Option::is_none")]
    honor_labels: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    static_configs: Vec<Static>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kubernetes_sd_configs: Vec<Discovery>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relabel_configs: Vec<Relabel>,
}

#[derive(Serialize)]
struct Static {
    targets: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Discovery {
    role: &'static str,
    namespaces: Namespaces,
}

#[derive(Serialize)]
struct Namespaces {
    names: BTreeSet<String>,
}

#[derive(Serialize, Default)]
struct Relabel {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    source_labels: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_label: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replacement: Option<String>,
    action: &'static str,
}

/// The servers with a fixed address, and the Pushgateway.
pub(crate) fn file(settings: &Settings) -> File {
    let project = settings.project.as_str();
    let (mut jobs, mut header, mut addresses) = (Vec::new(), WHERE.to_owned(), Vec::new());
    for environment in &settings.environments {
        let name = environment.name.as_str();
        match &environment.place {
            Place::Namespace(_) => {}
            Place::Address(address) => addresses.push(Static {
                targets: vec![address.clone()],
                labels: BTreeMap::from([("project", project.to_owned()), ("environment", name.to_owned())]),
            }),
            Place::Unknown => header.push_str(&format!(
                "\n`{name}` has no fixed address and is not here: [environment.{name}] port = … gives it one."
            )),
        }
    }
    if !addresses.is_empty() {
        jobs.push(Job { job_name: settings.job(), static_configs: addresses, ..Job::default() });
    }
    if let Some((scheme, host, path)) = settings.pushgateway.as_deref().and_then(parts) {
        jobs.push(Job {
            job_name: format!("{}-pushgateway", settings.job()),
            scheme: Some(scheme.to_owned()),
            metrics_path: Some(format!("{path}/metrics")),
            honor_labels: Some(true),
            static_configs: vec![Static { targets: vec![host.to_owned()], labels: BTreeMap::new() }],
            ..Job::default()
        });
    }
    File { scrape_configs: jobs, header }
}

/// The pods in a cluster, if an environment is there. A file of its own, since not every Prometheus can read it: Debian
/// builds its own without Kubernetes.
pub(crate) fn cluster_file(settings: &Settings) -> Option<File> {
    let pods = settings.environments.iter().filter_map(|environment| match &environment.place {
        Place::Namespace(namespace) => Some((environment.name.as_str(), namespace.as_str())),
        _ => None,
    });
    let pods: Vec<_> = pods.collect();
    let header = format!("{WHERE}\nFor a Prometheus that may list the pods of these namespaces.");
    (!pods.is_empty()).then(|| File { scrape_configs: vec![in_cluster(settings, &pods)], header })
}

/// The pods of this project, whoever has deployed them: mlci, or Helm from its chart. Those of mlci state their
/// environment; of others the namespace tells it.
fn in_cluster(settings: &Settings, pods: &[(&str, &str)]) -> Job {
    let project = settings.project.as_str();
    let keep = |source_labels: Vec<&'static str>, regex: &str| Relabel {
        source_labels,
        regex: Some(regex.to_owned()),
        action: "keep",
        ..Relabel::default()
    };
    let set =
        |target: &'static str, source_labels: Vec<&'static str>, regex: Option<String>, replacement: Option<&str>| {
            Relabel {
                source_labels,
                regex,
                target_label: Some(target),
                replacement: replacement.map(str::to_owned),
                action: "replace",
            }
        };
    let mut rules = vec![
        keep(vec!["__meta_kubernetes_pod_label_mlci_project"], &project.replace('.', "\\.")),
        keep(vec!["__meta_kubernetes_pod_container_port_name"], "http"),
        // What has ended is listed until it is deleted, and what waits for a node or its image is no server yet.
        keep(vec!["__meta_kubernetes_pod_phase"], "Running"),
        set("project", vec![], None, Some(project)),
    ];
    let namespace = || vec!["__meta_kubernetes_namespace"];
    rules.extend(
        pods.iter().map(|(name, place)| set("environment", namespace(), Some((*place).to_owned()), Some(name))),
    );
    // Two environments may have namespaces of one name, each in a cluster of its own.
    rules.push(set("environment", vec!["__meta_kubernetes_pod_label_mlci_environment"], Some("(.+)".to_owned()), None));
    rules.push(set("namespace", namespace(), None, None));
    rules.push(set("pod", vec!["__meta_kubernetes_pod_name"], None, None));
    let names: BTreeSet<String> = pods.iter().map(|(_, namespace)| (*namespace).to_owned()).collect();
    Job {
        job_name: format!("{}-pods", settings.job()),
        kubernetes_sd_configs: vec![Discovery { role: "pod", namespaces: Namespaces { names } }],
        relabel_configs: rules,
        ..Job::default()
    }
}

/// Scheme, host with port, and path without a last `/`.
fn parts(address: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((scheme, host, path.trim_end_matches('/')))
}
