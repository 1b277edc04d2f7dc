//! `generate`: the definition of this pipeline for a CI system, to be checked in.

use std::{fs, path::Path};

use mlci_core::{FileError, write_atomic};
use mlci_workflows::{Cache, File, Pipeline as Workflow, Settings, System, Variable, VariableValue};
use serde_json::json;

use crate::{
    config::{Approval, Config},
    error::{Error, Result},
    event::Finished,
    pipeline::Pipeline,
    workdir::FOLDER,
};

impl Pipeline {
    /// Writes the definition for a CI system, or with `check` says how the one that is there differs.
    ///
    /// A file that was not made by mlci is never overwritten.
    pub fn generate(&self, system: System, check: bool) -> Finished {
        self.command("generate", |ending| {
            let rendered = self.workflow()?.render(system).map_err(|error| {
                Error::invalid(format!("there is no definition of this pipeline for {}", system.name())).because(error)
            })?;
            let (mut said, mut differing) = (Vec::new(), Vec::new());
            for file in &rendered {
                let path = self.root().join(file.path);
                let present = read(&path)?;
                if present.as_ref().is_some_and(|text| *text == file.text) {
                    said.push(format!("{} is up to date", file.path));
                } else if check {
                    differing.push(shown(file, present.as_deref()));
                } else if present.as_ref().is_some_and(|text| !File::is_ours(text)) {
                    return Err(Error::invalid(format!("`{}` is there, and was not made by mlci", path.display()))
                        .help(
                            "move it away; its jobs can stand in a file of their own, where the system takes several",
                        ));
                } else {
                    write_atomic(&path, file.text.as_bytes())?;
                    said.push(format!("wrote {}", file.path));
                }
            }
            let paths: Vec<&str> = rendered.iter().map(|file| file.path).collect();
            ending.result = Some(json!({"system": system.name(), "files": paths, "differing": differing.len()}));
            ending.text = Some([said, differing.clone()].concat().join("\n"));
            if differing.is_empty() {
                return Ok(());
            }
            let again = self.command_line(&format!("generate {}", system.name()));
            Err(Error::fail(format!("the definition for {} is out of date", system.name()))
                .help(format!("make it anew: {again}")))
        })
    }

    /// The pipeline, as every CI system is told of it.
    fn workflow(&self) -> Result<Workflow> {
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

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::at("read", path)(error).into()),
    }
}

fn shown(file: &File, present: Option<&str>) -> String {
    file.compare(present).map(|difference| difference.to_string()).unwrap_or_default()
}
