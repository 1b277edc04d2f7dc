//! What watches a served model: Prometheus rules, Grafana dashboards, Elasticsearch templates and log shippers.
//!
//! ```
//! use mlci_monitor::{Environment, Place, Settings};
//!
//! let mut settings = Settings::new("wine".parse()?);
//! settings.environments =
//!     vec![Environment { name: "staging".parse()?, place: Place::Address("10.0.0.7:8080".to_owned()) }];
//! settings.thresholds.drift_psi = 0.2;
//!
//! let files = settings.rules()?;
//! let text = |name: &str| files.iter().find(|file| file.path.ends_with(name)).map(|file| file.text.as_str());
//! let rules = text("prometheus/rules.yml").ok_or("no rules")?;
//! assert!(rules.contains("environment_feature:mlci_drift_psi:max{project=\"wine\"} > 0.2"));
//! // Beside it stand the tests of promtool that make each alert fire, and where the server is scraped.
//! assert!(text("rules_test.yml").ok_or("no tests")?.contains("alertname: MlciDrift"));
//! assert!(text("scrape.yml").ok_or("nothing to scrape")?.contains("10.0.0.7:8080"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Start at [`Settings`], which says whose they are: [`Settings::rules`], [`Settings::dashboards`] and [`Settings::elk`]
//! render files to check in. The same settings give the same bytes. With the feature `push`, `push` sends gauges to a
//! Pushgateway; with `query`, `query` asks a Prometheus. [`canary`]
//! judges new pods beside those that serve.

pub mod canary;
mod elk;
mod error;
mod grafana;
#[cfg(any(feature = "push", feature = "query"))]
mod http;
mod place;
mod prometheus;
#[cfg(feature = "push")]
pub mod push;
#[cfg(feature = "query")]
pub mod query;
mod settings;
mod thresholds;
mod yaml;

pub use crate::{
    error::{Error, Result},
    place::{Environment, Place},
    settings::Settings,
    thresholds::Thresholds,
};
// Types of mlci-core that stand in this crate's signatures.
pub use mlci_core::{Label, ModelName, RenderedFile, Verdict};
