//! What watches a served model: Prometheus rules, Grafana dashboards, Elasticsearch templates and log shippers.
//!
//! Start at [`Settings`], which says whose they are: [`Settings::rules`], [`Settings::dashboards`] and [`Settings::elk`]
//! render files to check in. The same settings give the same bytes.

mod elk;
mod error;
mod grafana;
mod place;
mod prometheus;
#[cfg(feature = "push")]
pub mod push;
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
pub use mlci_core::{Label, ModelName, RenderedFile};
