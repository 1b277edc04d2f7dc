//! The components: a file each.

mod ci;
mod docker;
mod elasticsearch;
mod gcs;
mod grafana;
mod helm;
mod kubernetes;
mod logs;
mod mlflow;
mod prometheus;
mod python;
mod registry;
mod s3;
mod seaweedfs;

use crate::{
    error::{Error, Result},
    install::Install,
    place::Place,
};

/// A server that can be had.
pub struct Component {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, with its version.
    pub about: &'static str,
    /// Whether it is the real thing.
    pub kind: Kind,
    /// What it is installed from.
    pub installs: &'static [Install],
    /// Whether it can only be run by root.
    pub root: bool,
    /// Programs that have to be on the machine to run it.
    pub programs: &'static [&'static str],
    /// Components that have to run first.
    pub needs: &'static [&'static str],
    /// About how many minutes the first installation takes on two cores.
    pub minutes: u32,
    /// The variables that it hands out. Where the first is set already, the tests use what it names.
    pub hands_out: &'static [&'static str],
    /// Starts it and waits until it is ready.
    pub start: fn(&mut Place<'_>) -> Result<()>,
}

/// How near a component is to what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server or program itself, or one that is in use for the same.
    Real,
    /// Something in the place of one that cannot be had: a server of ours that speaks its protocol, another's program that
    /// runs the same definitions, or a parser, schema or library that tells whether it would take a file.
    StandIn,
}

/// What takes long to be had: only where it is named.
pub static ON_DEMAND: &[&Component] = &[&seaweedfs::SEAWEEDFS, &kubernetes::ADDONS];

/// All other components.
pub static COMPONENTS: &[&Component] = &[
    &mlflow::MLFLOW,
    &mlflow::MLFLOW_AUTH,
    &s3::S3,
    &gcs::GCS,
    &registry::REGISTRY,
    &docker::DOCKER,
    &kubernetes::KUBERNETES,
    &kubernetes::API,
    &helm::HELM,
    &ci::GITHUB,
    &ci::GITLAB,
    &ci::JENKINS,
    &ci::CIRCLECI,
    &elasticsearch::ELASTICSEARCH,
    &elasticsearch::OPENSEARCH,
    &logs::RSYSLOG,
    &logs::ELK_TOOLS,
    &prometheus::PROMETHEUS,
    &grafana::GRAFANA,
    &python::PYTHON,
];

/// The component of this name.
///
/// # Errors
/// [`Error::Unknown`], naming those there are.
pub fn find(name: &str) -> Result<&'static Component> {
    let all = || COMPONENTS.iter().chain(ON_DEMAND).copied();
    all().find(|component| component.name == name).ok_or_else(|| Error::Unknown {
        name: name.to_owned(),
        known: all().map(|component| component.name).collect::<Vec<_>>().join(", "),
    })
}
