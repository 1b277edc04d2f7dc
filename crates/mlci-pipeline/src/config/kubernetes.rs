//! What an environment in a cluster may have besides pods and a Service.

use std::{collections::BTreeMap, fs, io, path::Path};

use mlci_core::{Digest, FileError, digest_file, open_file};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, Environment, TargetKind, clusters::Fault};

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
        let fault = |key: &'static str, help: &'static str, error: &FileError| {
            let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
            (format!("environment.{name}"), key, format!("`environment.{name}.{key}`: {error}{source}"), help)
        };
        let lists =
            [("manifests", &environment.manifests), ("patches", &environment.patches), ("values", &environment.values)];
        for (key, paths) in lists {
            for path in paths {
                let text = read(&root.join(path))
                    .map_err(|error| fault(key, "name YAML files, relative to mlci.toml", &error))?;
                environment.files.insert(path.clone(), OwnFile { digest: Digest::of(text.as_bytes()), text });
            }
        }
        if let Some(chart) = &environment.chart {
            let help = "name the folder of a chart, with its Chart.yaml, relative to mlci.toml";
            let files = chart_files(root, chart).map_err(|error| fault("chart", help, &error))?;
            environment.files.extend(files);
        }
    }
    Ok(())
}

/// The files of a chart: their digests, since Helm reads them itself. Paths are relative to the configuration's.
fn chart_files(root: &Path, chart: &str) -> Result<Vec<(String, OwnFile)>, FileError> {
    let chart = chart.trim_end_matches('/');
    open_file(&root.join(chart).join("Chart.yaml"))?;
    let (mut folders, mut found) = (vec![chart.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let place = root.join(&folder);
        for entry in fs::read_dir(&place).map_err(FileError::at("read", &place))? {
            let entry = entry.map_err(FileError::at("read", &place))?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            // A link to a folder is refused as no file: such links may go round in circles.
            if entry.file_type().map_err(FileError::at("read", &entry.path()))?.is_dir() {
                folders.push(path);
            } else {
                let (digest, _) = digest_file(&entry.path())?;
                found.push((path, OwnFile { digest, text: String::new() }));
            }
        }
    }
    Ok(found)
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
        if self.target == TargetKind::Helm {
            return self.helm_fault();
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

    /// What a chart of mlci's has no values for.
    fn helm_fault(&self) -> Option<(&'static str, &'static str, String, &'static str)> {
        for (key, is_there) in [
            ("autoscale", self.autoscale.is_some()),
            ("network", self.network.is_some()),
            ("ingress", self.ingress.is_some()),
            ("route", self.route.is_some()),
            ("service_monitor", self.service_monitor.is_some()),
            ("manifests", !self.manifests.is_empty()),
            ("patches", !self.patches.is_empty()),
        ] {
            if is_there {
                let message = format!("the target `helm` has no `{key}`");
                let help = "add it to a chart of your own: generate helm, then chart = \"charts/PROJECT\"";
                return Some(("", key, message, help));
            }
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
    fn a_chart_is_a_part_of_what_is_approved() {
        let folder = tempfile::tempdir().unwrap();
        let chart = folder.path().join("chart/templates");
        fs::create_dir_all(&chart).unwrap();
        let keys = "chart = \"chart/\"\n";
        let missing = loaded(folder.path(), keys).err().unwrap().to_string();
        assert!(missing.contains("`environment.staging.chart`") && missing.contains("Chart.yaml"), "{missing}");
        fs::write(folder.path().join("chart/Chart.yaml"), "name: wine").unwrap();
        let digest = |text: &str| {
            fs::write(chart.join("own.yaml"), text).unwrap();
            loaded(folder.path(), keys).unwrap().config.environment[0].digest()
        };
        assert_ne!(digest("a: 1"), digest("a: 2"));
        std::os::unix::fs::symlink("..", chart.join("round")).unwrap();
        let round = loaded(folder.path(), keys).err().unwrap().to_string();
        assert!(round.contains("chart/templates/round") && round.contains("no regular file"), "{round}");
    }

    #[test]
    fn what_a_chart_has_no_values_for_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |rest: &str| {
            let path = folder.path().join("mlci.toml");
            fs::write(&path, format!("{}{rest}", START.replace("kubernetes", "helm"))).unwrap();
            load(&path, None, |_| None).err().unwrap().to_string()
        };
        fs::write(folder.path().join("own.yaml"), "a: 1").unwrap();
        for (rest, key) in [
            ("manifests = [\"own.yaml\"]\n", "manifests"),
            ("[environment.staging.autoscale]\nmin = 1\nmax = 2\n", "autoscale"),
            ("[environment.staging.ingress]\nhost = \"a.b\"\n", "ingress"),
        ] {
            let error = refused(rest);
            assert!(error.contains("mlci.toml:") && error.contains(&format!("has no `{key}`")), "{error}");
        }
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
