//! Builds reproducible OCI images without a daemon, into an OCI image layout on disk.
//!
//! An image holds a static server binary in one layer and a model in another, and nothing else: no time, user, commit
//! or path. The same two files and settings give the same digest on every machine, and an image is made only once.
//!
//! ```
//! use mlci_image::{ImageSpec, Layout, ServerCheck};
//!
//! let folder = tempfile::tempdir()?;
//! let (server, model) = (folder.path().join("server"), folder.path().join("model"));
//! std::fs::write(&server, "a server")?;
//! std::fs::write(&model, "a model")?;
//!
//! let layout = Layout::open(&folder.path().join("images"))?;
//! let mut spec = ImageSpec::new(&server, &model);
//! // By default only a static Linux program is accepted.
//! assert!(layout.build(&spec).is_err());
//! spec.settings.check = ServerCheck::Skip;
//! let image = layout.build(&spec)?;
//! layout.tag(&image.digest, "demo:v1")?;
//! assert!(layout.build(&spec)?.reused);
//!
//! let unpacked = layout.unpack(&image.digest, &folder.path().join("run"))?;
//! assert_eq!(std::fs::read(unpacked.model)?, b"a model");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! The layout (OCI Image Format Specification 1.1, "Image Layout") is read by other tools too, such as
//! `skopeo inspect oci:images:demo:v1`. Start at [`Layout`].
//!
//! # Features
//! All are off by default; without them the crate needs no runtime and no network.
//!
//! | feature | gives | needs |
//! |---|---|---|
//! | `registry` | `Registry`: push and pull by the OCI Distribution Specification 1.1, without a daemon; examples/push.rs | tokio, reqwest (rustls with aws-lc-rs) |
//! | `docker` | `Engine`: load, build, push and run with the Docker Engine; examples/docker.rs | tokio, bollard |
//!
//! Both know images as `Reference`s and take `Credentials` as Docker keeps them.

mod blob;
mod build;
#[cfg(any(feature = "registry", feature = "docker"))]
mod credentials;
#[cfg(feature = "docker")]
mod docker;
mod document;
mod elf;
mod error;
mod gzip;
mod image;
mod layer;
mod layout;
mod lock;
mod prune;
#[cfg(any(feature = "registry", feature = "docker"))]
mod reference;
#[cfg(feature = "registry")]
mod registry;
mod spec;
mod tag;
mod tally;
mod unpack;

#[cfg(feature = "docker")]
pub use crate::docker::{Container, Engine, EngineError, Network, RunOptions};
#[cfg(feature = "registry")]
pub use crate::registry::{Answer, Attempt, Pushed, Registry, RegistryBuilder, RegistryError};
#[cfg(any(feature = "registry", feature = "docker"))]
pub use crate::{
    credentials::{Credential, Credentials, CredentialsError},
    reference::{Reference, ReferenceError},
};
pub use crate::{
    error::{Error, Result, ServerProblem},
    image::{Image, Layer},
    layout::Layout,
    prune::Pruned,
    spec::{Architecture, ImageSpec, ServerCheck, Settings},
    unpack::Unpacked,
};
