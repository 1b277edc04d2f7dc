//! Where the server binary comes from: named, built from the workspace, or installed beside mlci.

mod cargo;
mod workspace;

use std::{
    env,
    path::{Path, PathBuf},
};

use mlci_core::{Digest, digest_file};
use mlci_model::{Estimator, Model};

use self::workspace::{Build, Workspace};
use crate::{
    error::{Context as _, Error, Result},
    pipeline::Pipeline,
};

const PACKAGE: &str = "mlci-serve";
const TWO_WAYS: &str = "either name a static Linux server, [image] server = \"PATH\", or run this on Linux with a C library to link statically (Debian: libc6-dev, Fedora: glibc-static)";

/// Which models a server has to run. One that runs ONNX is several times as large, so that only what needs it has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    Own,
    Onnx,
}

impl Runs {
    /// What the server of this model has to run.
    pub(crate) fn of(model: &Model) -> Self {
        match model.parts().estimator {
            Estimator::Onnx(_) => Self::Onnx,
            _ => Self::Own,
        }
    }

    /// The feature of the server's package.
    fn feature(self) -> Option<&'static str> {
        (self == Self::Onnx).then_some("onnx")
    }
}

/// Where the server comes from. What decides its bytes is known before it is built.
pub(crate) struct Server {
    /// The digest of the binary where it is there, else of all that it is built from.
    pub(crate) key: Digest,
    origin: Origin,
}

enum Origin {
    /// A file that is there.
    Ready(PathBuf),
    /// A workspace that builds it.
    Workspace(Workspace, Build),
}

impl Server {
    /// Finds the server of such models, and builds nothing.
    pub(crate) fn find(pipeline: &Pipeline, runs: Runs) -> Result<Self> {
        if let Some(named) = &pipeline.config().image.server {
            let path = pipeline.resolve(named);
            let (key, _) = digest_file(&path)
                .map_err(|error| Error::from(error).help("[image] server names a file that cannot be read"))?;
            return Ok(Self { key, origin: Origin::Ready(path) });
        }
        match Workspace::find(pipeline)? {
            Some(workspace) => {
                let build = Build::image(&workspace, runs)?;
                Ok(Self { key: workspace.key(&build)?, origin: Origin::Workspace(workspace, build) })
            }
            None => beside(),
        }
    }

    /// Where it is, if nothing has to be built.
    pub(crate) fn ready(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Ready(path) => Some(path),
            Origin::Workspace(..) => None,
        }
    }

    /// The binary itself, built if it has to be.
    pub(crate) fn binary(&self, pipeline: &Pipeline, again: bool) -> Result<PathBuf> {
        match &self.origin {
            Origin::Ready(path) => Ok(path.clone()),
            Origin::Workspace(workspace, build) => workspace.binary(pipeline, build, "image", again),
        }
    }
}

/// A server that runs any model on this system, where the image's does not. Elsewhere than on Linux, `process` runs it.
pub(crate) fn for_host(pipeline: &Pipeline) -> Result<PathBuf> {
    match Workspace::find(pipeline)? {
        Some(workspace) => workspace.binary(pipeline, &Build::host(&workspace), "deploy", false),
        None => match beside()?.origin {
            Origin::Ready(path) => Ok(path),
            Origin::Workspace(..) => Err(Error::fail("there is no server for this system").help(TWO_WAYS)),
        },
    }
}

/// Without Cargo, the server that was installed with mlci.
fn beside() -> Result<Server> {
    let own = env::current_exe().context(|| "mlci does not know its own path".to_owned())?;
    let path = own.with_file_name(PACKAGE);
    match digest_file(&path) {
        Ok((key, _)) => Ok(Server { key, origin: Origin::Ready(path) }),
        Err(_) => Err(Error::fail(format!(
            "there is no server to put into the image: no `{}`, and no Cargo workspace here that has the package {PACKAGE}",
            path.display()
        ))
        .help(TWO_WAYS)),
    }
}
