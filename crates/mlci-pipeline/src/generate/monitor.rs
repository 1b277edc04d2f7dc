//! What watches the model, from its configuration.

use mlci_core::RenderedFile;
use mlci_monitor::Settings;

use super::Subject;
use crate::{
    error::{Error, Result},
    pipeline::Pipeline,
};

impl Pipeline {
    pub(super) fn monitoring(&self, subject: Subject) -> Result<Vec<RenderedFile>> {
        let config = self.config();
        let mut settings = Settings::new(config.project.name.clone());
        settings.program = self.command_line("").split_whitespace().collect::<Vec<_>>().join(" ");
        settings.folder.clone_from(&config.monitor.folder);
        let files = match subject {
            Subject::Dashboards => settings.dashboards(),
            Subject::Elk => settings.elk(),
            _ => settings.rules(),
        };
        files.map_err(|error| Error::invalid("the table [monitor] cannot be used").because(error))
    }
}
