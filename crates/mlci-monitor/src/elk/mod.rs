use mlci_core::RenderedFile;

use crate::{Result, Settings};

pub(crate) fn render(_settings: &Settings) -> Result<Vec<RenderedFile>> {
    Ok(Vec::new())
}
