//! In place of the mirror in a program without the feature `mlflow`.

use serde::Serialize;

use crate::{
    error::{Error, Result},
    pipeline::Pipeline,
};

/// What would have been brought to MLflow.
#[derive(Debug, Serialize)]
pub(crate) struct Mirrored {
    pub(crate) runs: usize,
    pub(crate) versions: usize,
    pub(crate) aliases: usize,
    pub(crate) page: Option<String>,
}

impl Pipeline {
    /// The command line does not come here with such a configuration; who embeds the pipeline might.
    pub(crate) fn mirror(&self, _: bool) -> Result<Option<Mirrored>> {
        match self.config().track.mlflow {
            None => Ok(None),
            Some(_) => {
                Err(Error::invalid("[track] mlflow needs the feature `mlflow`, which this program was built without"))
            }
        }
    }

    pub(crate) fn mirror_along(&self) -> Option<Mirrored> {
        self.mirror(false).unwrap_or_else(|error| {
            self.warn(error.message);
            None
        })
    }
}
