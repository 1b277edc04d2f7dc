//! The Helm chart.

use mlci_core::RenderedFile;

use crate::{error::Result, pipeline::Pipeline};

impl Pipeline {
    pub(super) fn chart(&self) -> Result<Vec<RenderedFile>> {
        Ok(Vec::new())
    }
}
