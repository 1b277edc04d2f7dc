//! The Helm chart, in a program without it.

use mlci_core::RenderedFile;

use crate::{
    error::{Error, Result},
    pipeline::Pipeline,
};

impl Pipeline {
    pub(super) fn chart(&self, _: &str) -> Result<Vec<RenderedFile>> {
        Err(Error::invalid("this program was built without the feature `kubernetes`, which charts need"))
    }
}
