use std::path::Path;

use mlci_artifact::Version;
use mlci_core::{Digest, Label, ModelName, write_atomic};
use mlci_model::{Estimator, Model};
use serde_json::json;

use super::{
    differences::{Facts, differences, shown},
    table,
};
use crate::{
    error::{Error, Result},
    event::{Finished, ModelRef},
    pipeline::Pipeline,
};

impl Pipeline {
    /// All versions of all models in the store, with the aliases that point to them.
    pub fn list_models(&self) -> Finished {
        self.command("models", |ending| {
            let (mut rows, mut result) = (Vec::new(), Vec::new());
            for name in self.block_on(self.store().models())? {
                let aliases = self.block_on(self.store().aliases(&name))?;
                for version in self.block_on(self.store().versions(&name))?.into_iter().rev() {
                    let pointing: Vec<&str> =
                        aliases.iter().filter(|(_, at)| at.version == version.number).map(|(alias, _)| alias.as_str()).collect();
                    let note = |key: &str| version.annotations.get(key).cloned().unwrap_or_default();
                    let number = |key: &str| note(key).parse::<f64>().map(|v| format!("{v:.4}")).unwrap_or_default();
                    rows.push(vec![
                        format!("{name}@{}", version.number),
                        pointing.join(", "),
                        version.model.short(),
                        number("rmse") + &number("log_loss"),
                        number("r2") + &number("roc_auc"),
                        note("run").chars().take(12).collect(),
                        super::short_source(&note("source")),
                    ]);
                    result.push(json!({"name": name, "version": version.number, "digest": version.model, "aliases": pointing, "annotations": version.annotations}));
                }
            }
            let header = ["MODEL", "ALIASES", "DIGEST", "RMSE/LOSS", "R2/AUC", "RUN", "SOURCE"];
            ending.text = Some(if rows.is_empty() { "no models yet".to_owned() } else { table(&header, &rows) });
            ending.result = Some(json!(result));
            Ok(())
        })
    }

    /// What differs between two versions: metrics, columns, coefficients, provenance.
    pub fn diff_models(&self, one: &str, other: &str) -> Finished {
        self.command("models", |ending| {
            let (one, other) = (self.find_model(one)?, self.find_model(other)?);
            let (a, b) = (self.facts(&one)?, self.facts(&other)?);
            let rows = differences(&a, &b);
            let named = |version: &Version| format!("{}@{}", version.name, version.number);
            ending.text = Some(shown(&rows, [&named(&one), &named(&other)], "the two versions are the same"));
            ending.result = Some(json!(rows));
            Ok(())
        })
    }

    /// Writes a version as an ONNX file.
    pub fn export_model(&self, model: &str, output: &Path) -> Finished {
        self.command("models", |ending| {
            let version = self.find_model(model)?;
            let bytes = Model::decode(&self.block_on(self.store().model_bytes(&version))?)?.to_onnx()?;
            // A path of the command line is where the person stands, not where the configuration is.
            write_atomic(output, &bytes)?;
            ending.model =
                Some(ModelRef { name: version.name.clone(), version: Some(version.number), digest: version.model });
            let path = output.display();
            ending.text =
                Some(format!("{}@{} is written to {path}, {} bytes", version.name, version.number, bytes.len()));
            ending.result = Some(json!({"path": path.to_string(), "bytes": bytes.len(), "digest": Digest::of(&bytes)}));
            Ok(())
        })
    }

    /// Moves an alias to a version, and deploys nothing.
    pub fn promote(&self, model: &str, alias: &Label, reason: &str) -> Finished {
        self.command("promote", |ending| {
            let _lock = self.begin()?;
            let version = self.find_model(model)?;
            if self.config().environment.contains_key(alias) {
                self.warn(format!(
                    "`{alias}` is an environment too: its alias moves and nothing is deployed; what was verified there \
                     is deployed by: {}",
                    self.command_line(&format!("deploy {alias}"))
                ));
            }
            let by = self.person();
            let moved = self.block_on(self.store().promote(&version.name, version.number, alias, &by, reason))?;
            ending.model =
                Some(ModelRef { name: version.name.clone(), version: Some(version.number), digest: version.model });
            ending.text = Some(format!("`{alias}` points to {}@{} ({})", version.name, moved.version, moved.digest));
            self.mirror_along();
            Ok(())
        })
    }

    /// A version by `MODEL@VERSION`, `MODEL@ALIAS`, or either alone for the project's own model.
    pub(crate) fn find_model(&self, text: &str) -> Result<Version> {
        let own = &self.config().project.name;
        let (name, which): (ModelName, &str) = match text.split_once('@') {
            Some((name, which)) => (name.parse()?, which),
            None => (own.clone(), text),
        };
        if let Ok(number) = which.parse::<u64>() {
            return Ok(self.block_on(self.store().version(&name, number))?);
        }
        let alias: Label = which.parse().map_err(|error| {
            Error::invalid(format!("`{text}` names no version"))
                .because(error)
                .help("write MODEL@VERSION or MODEL@ALIAS")
        })?;
        match self.block_on(self.store().alias(&name, &alias))? {
            Some(at) => Ok(self.block_on(self.store().version(&name, at.version))?),
            None if which == own.as_str() && !text.contains('@') => Err(Error::invalid(format!(
                "`{text}` is the model, and which version of it is not said"
            ))
            .help(format!(
                "write {name}@VERSION or {name}@ALIAS; the versions are listed by: {}",
                self.command_line("models")
            ))),
            None => {
                let known: Vec<String> =
                    self.block_on(self.store().aliases(&name))?.keys().map(ToString::to_string).collect();
                let known = if known.is_empty() { "it has none yet".to_owned() } else { known.join(", ") };
                Err(Error::invalid(format!("the model `{name}` has no alias `{alias}`"))
                    .help(format!("aliases: {known}")))
            }
        }
    }

    fn facts(&self, version: &Version) -> Result<Facts> {
        let model = Model::decode(&self.block_on(self.store().model_bytes(version))?)?;
        let mut facts = vec![("digest".to_owned(), version.model.to_string())];
        facts.extend(version.annotations.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Estimator::Linear(linear) = &model.parts().estimator {
            facts.push(("intercept".to_owned(), format!("{:.6}", linear.intercept)));
            let named = model.schema().names().zip(&linear.coefficients);
            facts.extend(named.map(|(name, value)| (format!("coefficient of {name}"), format!("{value:.6}"))));
        }
        for column in &model.schema().features {
            facts.push((format!("range of {}", column.name), format!("{} to {}", column.range.min, column.range.max)));
        }
        Ok(facts)
    }
}
