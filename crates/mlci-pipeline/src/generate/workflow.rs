//! The definition of this pipeline for a CI system.

use std::path::Path;

use mlci_workflows::{Cache, Pipeline as Workflow, Settings, Variable, VariableValue};

use crate::{
    config::{Approval, Config},
    error::Result,
    pipeline::Pipeline,
    workdir::FOLDER,
};

impl Pipeline {
    /// The pipeline, as every CI system is told of it.
    pub(super) fn workflow(&self) -> Result<Workflow> {
        let config = self.config();
        let call = self.command_line("");
        let mut settings = Settings::new(config.project.name.clone(), call.split_whitespace());
        settings.build_secrets.clone_from(&config.ci.secrets);
        settings.more_folders = in_checkout(config);
        let text = |(name, value): (&String, &String)| Variable {
            name: name.clone(),
            value: VariableValue::Text(value.clone()),
        };
        settings.variables = config.ci.variables.iter().map(text).collect();
        settings.setup.clone_from(&config.ci.setup);
        if self.root().join("Cargo.lock").is_file() {
            // Every job builds the same program, and what it downloads lies where every system can keep it.
            let cargo = |name: &str, value| Variable { name: name.to_owned(), value };
            settings.variables.push(cargo("CARGO_HOME", VariableValue::InCheckout("target/cargo-home".to_owned())));
            settings.variables.push(cargo("CARGO_INCREMENTAL", VariableValue::Text("0".to_owned())));
            settings.caches.push(Cache {
                name: "cargo".parse()?,
                key_files: vec!["Cargo.lock".to_owned()],
                folders: vec!["target".to_owned()],
            });
        }
        for (name, environment) in &config.environment {
            let described = settings.environment(name.clone());
            described.approval = environment.approval == Approval::Required;
            described.secrets = config.ci.environments.get(name).cloned().unwrap_or_default();
        }
        let mut workflow = Workflow::standard(&settings);
        workflow.default_branch.clone_from(&config.ci.branch);
        if let Some(image) = &config.ci.image {
            workflow.machine.image.clone_from(image);
        }
        Ok(workflow)
    }
}

/// The folders of the checkout that later jobs need, where they are not in stores that all of them reach.
fn in_checkout(config: &Config) -> Vec<String> {
    let folders = [&config.track.folder, &config.artifact.store];
    let local = folders.into_iter().filter(|folder| !folder.contains("://") && Path::new(folder).is_relative());
    // The layout is handed over in its default place.
    let layout = Some(&config.image.layout).filter(|layout| **layout != format!("{FOLDER}/images"));
    local.chain(layout).cloned().collect()
}
