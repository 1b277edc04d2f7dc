//! `[environment.NAME.canary]`: a new release beside the one that serves, before it takes its place.

use mlci_monitor::canary::{Analysis, Check, OwnCheck};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Environment, TargetKind, address};

/// `[environment.NAME.canary]`: a few pods of a new release are watched beside those that serve, and judged by what a
/// Prometheus has counted of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Canary {
    /// The address of the Prometheus that scrapes the pods: `http://HOST:PORT`. Credentials come from
    /// `MLCI_PROMETHEUS_USERNAME` and `MLCI_PROMETHEUS_PASSWORD`, or `MLCI_PROMETHEUS_TOKEN`.
    pub prometheus: String,
    /// How many pods it has, as a share of those that serve, above 0 and at most 1; at least one.
    pub share: f64,
    /// For how many seconds it is watched: 1 to 86400.
    pub watch_seconds: u32,
    /// The label that holds a pod's name in Prometheus.
    pub pod_label: String,
    /// The requests for predictions that the canary and the other pods each have to have answered meanwhile; below, there is
    /// no data.
    pub min_requests: u32,
    /// What is checked.
    pub checks: Vec<CanaryCheck>,
    /// `errors`: how much more of its requests the canary may fail (5xx) than the others, above 0 and below 1.
    pub error_ratio: f64,
    /// `latency`: how many times the others' 99th percentile the canary's may be, above 1.
    pub latency_ratio: f64,
    /// `drift`: the population stability index that the canary's predictions may have: 0.01 to 4.
    pub drift_psi: f64,
    /// Checks of your own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<CanaryQuery>,
}

/// A check of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CanaryCheck {
    /// Failed requests.
    Errors,
    /// How long requests take.
    Latency,
    /// Whether predictions are spread as in training.
    Drift,
}

/// `[[environment.NAME.canary.query]]`: a PromQL expression whose answer has to be one number within limits. `$canary` and
/// `$stable` in it stand for a matcher of the pods, `$window` for the time watched, as in `rate(x_total{$canary}[$window])`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanaryQuery {
    /// Its name.
    pub name: String,
    /// The expression.
    pub query: String,
    /// The least that it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most that it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Default for Canary {
    fn default() -> Self {
        let analysis = Analysis::default();
        Self {
            prometheus: String::new(),
            share: 0.1,
            watch_seconds: 600,
            pod_label: analysis.pod_label,
            min_requests: analysis.min_requests,
            checks: vec![CanaryCheck::Errors, CanaryCheck::Latency, CanaryCheck::Drift],
            error_ratio: analysis.error_ratio,
            latency_ratio: analysis.latency_ratio,
            drift_psi: analysis.drift_psi,
            query: Vec::new(),
        }
    }
}

impl Canary {
    /// What it is judged by.
    #[must_use]
    pub fn analysis(&self) -> Analysis {
        let mut analysis = Analysis::default();
        let check = |check: &CanaryCheck| match check {
            CanaryCheck::Errors => Check::Errors,
            CanaryCheck::Latency => Check::Latency,
            CanaryCheck::Drift => Check::Drift,
        };
        analysis.checks = self.checks.iter().map(check).collect();
        analysis.pod_label.clone_from(&self.pod_label);
        analysis.min_requests = self.min_requests;
        analysis.error_ratio = self.error_ratio;
        analysis.latency_ratio = self.latency_ratio;
        analysis.drift_psi = self.drift_psi;
        let own = |query: &CanaryQuery| {
            let mut own = OwnCheck::new(&query.name, &query.query);
            (own.min, own.max) = (query.min, query.max);
            own
        };
        analysis.own = self.query.iter().map(own).collect();
        analysis
    }

    /// How many pods it has beside so many.
    #[must_use]
    pub fn pods(&self, serving: u32) -> u32 {
        // A share of a number of pods is one.
        ((self.share * f64::from(serving)).round() as u32).max(1)
    }
}

/// A key that cannot be: what is wrong, what to do, and whether a secret may stand there.
pub(super) struct Fault {
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) help: String,
    pub(super) secret: bool,
}

/// The first of an environment's.
pub(super) fn fault(environment: &Environment) -> Option<Fault> {
    let canary = environment.canary.as_ref()?;
    let fault = |key, message: String, help: &str| Some(Fault { key, message, help: help.to_owned(), secret: false });
    if environment.target != TargetKind::Kubernetes {
        let target = environment.target.as_str();
        let message = format!("`canary` is for the target `kubernetes`, and this is `{target}`");
        return fault("prometheus", message, "take the table out, or set target = \"kubernetes\"");
    }
    let help = "write the address of the Prometheus that scrapes the pods, http://HOST:PORT or https://HOST/PREFIX; \
                credentials go into MLCI_PROMETHEUS_USERNAME and MLCI_PROMETHEUS_PASSWORD, or MLCI_PROMETHEUS_TOKEN";
    if canary.prometheus.is_empty() {
        return fault("prometheus", "`canary.prometheus` is not set".to_owned(), help);
    }
    if let Some(wrong) = address::of_server(&canary.prometheus) {
        let message = format!("`canary.prometheus` {}", wrong.message);
        return Some(Fault { key: "prometheus", message, help: help.to_owned(), secret: wrong.secret });
    }
    if !(canary.share > 0.0 && canary.share <= 1.0) {
        let message = format!("`canary.share` is {}", canary.share);
        return fault("share", message, "write a share above 0 and at most 1, such as 0.1");
    }
    if !(1..=86_400).contains(&canary.watch_seconds) {
        let message = format!("`canary.watch_seconds` is {}", canary.watch_seconds);
        return fault("watch_seconds", message, "write a number of seconds from 1 to 86400, such as 600");
    }
    match canary.analysis().check() {
        Err(mlci_monitor::Error::Setting { setting, value, rule }) => {
            fault(setting, format!("`canary.{setting}` is {value}"), rule)
        }
        Err(other) => fault("checks", other.to_string(), ""),
        Ok(()) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LoadError, load};

    const START: &str = "[project]\nname = \"wine\"\n[data]\npath = \"wine.csv\"\ntarget = \"quality\"\n\
                         [environment.staging]\n";

    fn error(rest: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mlci.toml");
        std::fs::write(&path, format!("{START}{rest}")).unwrap();
        let loaded = load(&path, None, |name| (name == "HOST").then(|| "p.example.com".to_owned()));
        loaded.err().map(|error| match error {
            LoadError::Config(error) => format!("{error}; {}", error.help.clone().unwrap_or_default()),
            LoadError::File(error) => panic!("{error}"),
        })
    }

    #[test]
    fn what_cannot_be_is_said_with_its_place() {
        let on_cluster = |keys: &str| {
            error(&format!("target = \"kubernetes\"\n[environment.staging.canary]\n{keys}")).unwrap_or_default()
        };
        let address = "prometheus = \"http://p:9090\"\n";
        for (keys, words) in [
            (
                "share = 0.5".to_owned(),
                ["environment.staging", "`canary.prometheus` is not set", "MLCI_PROMETHEUS_TOKEN"],
            ),
            (
                "prometheus = \"p:9090\"".to_owned(),
                ["mlci.toml:9:1", "`canary.prometheus` is no address", "http://HOST"],
            ),
            (format!("{address}share = 0.0"), ["mlci.toml:10:9", "`canary.share` is 0", "above 0"]),
            (format!("{address}watch_seconds = 0"), ["mlci.toml:10:17", "`canary.watch_seconds` is 0", "86400"]),
            (format!("{address}min_requests = 0"), ["mlci.toml:10:16", "`canary.min_requests` is 0", "1 or more"]),
            (format!("{address}error_ratio = 2.0"), ["mlci.toml:10:15", "`canary.error_ratio` is 2", "below 1"]),
            (format!("{address}latency_ratio = 1"), ["mlci.toml:10:17", "`canary.latency_ratio` is 1", "above 1"]),
            (format!("{address}checks = []"), ["mlci.toml:10:10", "`canary.checks` is empty", "does not pass"]),
            (format!("{address}checks = [\"speed\"]"), ["mlci.toml:10", "speed", "latency"]),
            (
                format!("{address}[[environment.staging.canary.query]]\nname = \"a\"\nquery = \"up\""),
                ["`a`", "a limit", ""],
            ),
            (format!("{address}shar = 1.0"), ["unknown key", "canary.shar", ""]),
        ] {
            let error = on_cluster(&keys);
            for word in words {
                assert!(error.contains(word), "{keys}: no {word:?} in: {error}");
            }
        }
        let secret = on_cluster("prometheus = \"http://u:hunter22@p\"");
        assert!(secret.contains("password in it") && !secret.contains("hunter22"), "{secret}");
        assert_eq!(on_cluster("prometheus = \"https://${HOST}/prom\"\nshare = 1.0"), "");
    }

    #[test]
    fn a_process_has_none() {
        let error = error("[environment.staging.canary]\nprometheus = \"http://p:9090\"").unwrap();
        for word in ["mlci.toml:8:14", "environment.staging", "`canary`", "`process`", "kubernetes"] {
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn at_least_one_pod() {
        let canary = |share: f64| super::Canary { share, ..super::Canary::default() };
        for (share, serving, pods) in [(0.1, 1, 1), (0.1, 20, 2), (0.25, 10, 3), (1.0, 3, 3), (0.1, 0, 1)] {
            assert_eq!(canary(share).pods(serving), pods, "{share} of {serving}");
        }
    }
}
