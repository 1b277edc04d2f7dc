//! What an environment in a cluster may have besides pods and a Service.

use std::{collections::BTreeMap, io, path::Path};

use mlci_core::{Digest, FileError, open_file};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, Environment, clusters::Fault};

/// `[environment.NAME.autoscale]`: a HorizontalPodAutoscaler, in place of `replicas`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoscale {
    /// The fewest pods.
    pub min: u32,
    /// The most pods.
    pub max: u32,
    /// The share of `cpu` that the pods are to use on average, in percent.
    #[serde(default = "Autoscale::default_cpu_percent")]
    pub cpu_percent: u32,
}

impl Autoscale {
    const fn default_cpu_percent() -> u32 {
        80
    }
}

/// `[environment.NAME.network]`: a NetworkPolicy. Only pods of the namespace itself and of those named here may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Other namespaces whose pods may ask, such as those of the ingress controller and of Prometheus.
    pub from: Vec<String>,
}

/// `[environment.NAME.ingress]`: an Ingress, which an ingress controller serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ingress {
    /// The host name.
    pub host: String,
    /// What the paths begin with. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The controller's class. Default: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The Secret with the certificate. Default: no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret: Option<String>,
    /// Annotations that the controller goes by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// `[environment.NAME.route]`: an HTTPRoute of the Gateway API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The Gateway, which is there already.
    pub gateway: String,
    /// Its namespace. Default: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The host names. Default: those of the Gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// `[environment.NAME.service_monitor]`: a ServiceMonitor of the Prometheus Operator, in place of annotations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceMonitor {
    /// How often Prometheus asks, in seconds.
    pub interval_seconds: u32,
    /// Labels by which a Prometheus chooses its monitors.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Default for ServiceMonitor {
    fn default() -> Self {
        Self { interval_seconds: 15, labels: BTreeMap::new() }
    }
}

/// A file of manifests or patches, as it was when the configuration was read: what is approved is its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnFile {
    /// The digest of the text.
    pub digest: Digest,
    /// The text.
    #[serde(skip)]
    pub text: String,
}

/// Reads the files that environments in clusters name.
pub(super) fn read_files(config: &mut Config, root: &Path) -> Result<(), Fault> {
    for (name, environment) in &mut config.environment {
        for (key, paths) in [("manifests", &environment.manifests), ("patches", &environment.patches)] {
            for path in paths {
                let fault = |error: String| {
                    let help = "name YAML files, relative to mlci.toml";
                    (format!("environment.{name}"), key, format!("`environment.{name}.{key}`: {error}"), help)
                };
                let text = read(&root.join(path)).map_err(|error| {
                    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                    fault(format!("{error}{}", source.unwrap_or_default()))
                })?;
                environment.files.insert(path.clone(), OwnFile { digest: Digest::of(text.as_bytes()), text });
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, FileError> {
    io::read_to_string(open_file(path)?).map_err(FileError::at("read", path))
}

impl Environment {
    /// Numbers that cannot be: the key, what is wrong, and what to do.
    pub(super) fn cluster_fault(&self) -> Option<(&'static str, &'static str, String, &'static str)> {
        if self.latency_ms == Some(0) {
            let help = "write a number of milliseconds, such as 200, or leave the key out";
            return Some(("", "latency_ms", "`latency_ms` is 0".to_owned(), help));
        }
        let scale = self.autoscale.as_ref()?;
        if scale.min == 0 {
            let help = "write 1 or more: without a pod nothing is verified";
            return Some((".autoscale", "min", "`autoscale.min` is 0".to_owned(), help));
        }
        if scale.max < scale.min {
            let message = format!("`autoscale.max` is {} and `autoscale.min` {}", scale.max, scale.min);
            return Some((".autoscale", "max", message, "write at least as many as `min`"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{LoadError, Loaded, load};

    const START: &str = "[project]\nname = \"wine\"\n[data]\npath = \"wine.csv\"\ntarget = \"quality\"\n\
                         [environment.staging]\ntarget = \"kubernetes\"\n";

    fn loaded(folder: &std::path::Path, rest: &str) -> Result<Loaded, LoadError> {
        let path = folder.join("mlci.toml");
        fs::write(&path, format!("{START}{rest}")).unwrap();
        load(&path, None, |_| None)
    }

    #[test]
    fn what_files_say_is_a_part_of_what_is_approved() {
        let folder = tempfile::tempdir().unwrap();
        let digest = |text: Option<&str>| {
            let rest = if text.is_some() { "manifests = [\"own.yaml\"]\n" } else { "" };
            text.inspect(|text| fs::write(folder.path().join("own.yaml"), text).unwrap());
            loaded(folder.path(), rest).unwrap().config.environment[0].digest()
        };
        let (none, one, other) = (digest(None), digest(Some("a: 1")), digest(Some("a: 2")));
        assert!(none != one && one != other && one == digest(Some("a: 1")));
    }

    #[test]
    fn what_cannot_be_is_said_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        for (rest, words) in [
            ("patches = [\"gone.yaml\"]\n", ["mlci.toml:8:11", "`environment.staging.patches`", "gone.yaml"]),
            ("[environment.staging.autoscale]\nmin = 3\nmax = 2\n", ["mlci.toml:10:7", "`autoscale.max` is 2", ""]),
            ("[environment.staging.autoscale]\nmin = 0\nmax = 2\n", ["mlci.toml:9:7", "`autoscale.min` is 0", ""]),
            ("latency_ms = 0\n", ["mlci.toml:8:14", "`latency_ms` is 0", ""]),
            ("[environment.staging.autoscale]\nmin = 1\nmaks = 2\n", ["unknown key", "autoscale.maks", ""]),
            ("[environment.staging.ingress]\npath = \"/\"\n", ["mlci.toml", "missing field `host`", ""]),
            ("[environment.staging.files]\na = 1\n", ["unknown key", "environment.staging.files", ""]),
        ] {
            let error = loaded(folder.path(), rest).err().unwrap().to_string();
            for word in words {
                assert!(error.contains(word), "no {word:?} in: {error}");
            }
        }
    }
}
