//! What watches the model, from its configuration.

use mlci_core::RenderedFile;
use mlci_monitor::{Environment, Place, Settings};

use super::Subject;
use crate::{
    config::TargetKind,
    error::{Error, Result},
    pipeline::Pipeline,
};

impl Pipeline {
    pub(super) fn monitoring(&self, subject: Subject) -> Result<Vec<RenderedFile>> {
        let config = self.config();
        let mut settings = Settings::new(config.project.name.clone());
        settings.program = self.command_line("").split_whitespace().collect::<Vec<_>>().join(" ");
        settings.folder.clone_from(&config.monitor.folder);
        settings.thresholds = config.monitor.thresholds();
        settings.runbook.clone_from(&config.monitor.runbook);
        settings.pushgateway.clone_from(&config.monitor.pushgateway);
        let environments = config.environment.iter().map(|(name, environment)| Environment {
            name: name.clone(),
            place: match (environment.target, environment.port) {
                (TargetKind::Kubernetes | TargetKind::Helm, _) => {
                    Place::Namespace(environment.namespace_of(&config.project.name, name))
                }
                (TargetKind::Process, Some(port)) => Place::Address(format!("127.0.0.1:{port}")),
                (TargetKind::Process, None) => Place::Unknown,
            },
        });
        settings.environments = environments.collect();
        let files = match subject {
            Subject::Dashboards => settings.dashboards(),
            Subject::Elk => settings.elk(),
            _ => settings.rules(),
        };
        files.map_err(|error| Error::invalid("the table [monitor] cannot be used").because(error))
    }
}
