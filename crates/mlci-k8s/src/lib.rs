//! Deploys a model server to Kubernetes: renders, applies, watches the rollout, verifies, rolls back.
//!
//! ```
//! use mlci_k8s::{ImageReference, Workload};
//!
//! let image: ImageReference =
//!     "registry.example.com/wine@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".parse()?;
//! let mut workload = Workload::new("staging".parse()?, "wine-quality".parse()?, image);
//! workload.replicas = Some(2);
//!
//! let yaml = workload.render_yaml()?;
//! assert!(yaml.contains("kind: Deployment") && yaml.contains("kind: Service"));
//!
//! // A tag is not enough: it may mean two images during one rollout.
//! assert!("registry.example.com/wine:latest".parse::<ImageReference>().is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! With a cluster:
//!
//! ```no_run
//! # async fn demo(workload: mlci_k8s::Workload) -> Result<(), mlci_k8s::Error> {
//! use mlci_k8s::{ApplyOptions, Cluster, ClusterOptions, RolloutOptions};
//!
//! let cluster = Cluster::connect(&ClusterOptions::new("staging-cluster")).await?;
//! let applied = cluster.apply(&workload, &ApplyOptions::default()).await?;
//! let done = cluster.rollout(&applied, &RolloutOptions::default(), |progress| println!("{progress}")).await?;
//! cluster.prune(&applied).await?;
//! assert_eq!(done.progress.ready, 2);
//! print!("{}", cluster.pods(&workload.namespace, &workload.name).await?);
//! # Ok(()) }
//! ```
//! Start at [`Workload`] and [`Cluster`]. What runs is decided by digest; the crate never asks how an image was made.
//!
//! | feature | |
//! |---|---|
//! | `earliest` (default) | builds k8s-openapi for the oldest Kubernetes that it knows; off in a program that chooses a version itself |
//! | `chart` | `Chart`: a Helm chart that makes the same objects |

mod apply;
mod call;
mod canary;
#[cfg(feature = "chart")]
mod chart;
mod cluster;
mod diff;
mod error;
mod forward;
mod image;
mod inventory;
mod kind;
mod logs;
mod manifest;
mod name;
mod object;
mod operate;
mod place;
mod prepare;
mod quantity;
mod record;
mod render;
mod role;
mod rollout;
mod service;
mod table;
mod workload;
mod yaml;

/// The types of requests and answers in [`Cluster::proxy`].
pub use http;
/// The client under [`Cluster::with_client`].
pub use kube;

#[cfg(feature = "chart")]
pub use crate::chart::{Chart, ChartError};
pub use crate::{
    apply::{Applied, ApplyOptions, FIELD_MANAGER},
    canary::Tracks,
    cluster::{Cluster, ClusterOptions},
    diff::{Difference, FieldChange, ObjectDiff},
    error::{Error, Result},
    forward::Forward,
    image::{ImageReference, ImageReferenceError},
    logs::PodLog,
    manifest::{Manifest, ManifestError, ManifestPatch},
    name::{Name, NameError, Namespace},
    object::ObjectId,
    place::{FieldConflict, Place},
    quantity::Quantity,
    record::Deployed,
    role::{helm_role, role},
    rollout::{Failure, PodState, Progress, Reason, RolledOut, RolloutOptions},
    table::Table,
    workload::{Autoscale, Ingress, Network, Probes, Resources, Route, ServiceMonitor, Workload, WorkloadError},
};
