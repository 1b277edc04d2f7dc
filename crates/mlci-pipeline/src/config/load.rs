use std::{
    io,
    path::{Path, PathBuf},
};

use mlci_core::{FileError, open_file};
use serde::Deserialize as _;
use toml::de::{DeTable, DeValue};

use super::{Config, ConfigError, error::Fault, keys, render::schema, values};

/// A configuration and where it came from.
#[derive(Clone)]
pub struct Loaded {
    /// The configuration, profile applied and variables put in.
    pub config: Config,
    /// The file.
    pub path: PathBuf,
    /// The folder that its paths are relative to.
    pub root: PathBuf,
    /// The profile that overlays it.
    pub profile: Option<String>,
    /// The keys that the file sets, as dotted paths, with line and whether a profile or a variable set them.
    pub origins: std::collections::BTreeMap<String, String>,
    /// The values that came from variables, with the variables' names. Never shown.
    secrets: Vec<(String, String)>,
}

impl Loaded {
    /// The text with every value that came from a variable replaced by the variable. Values of fewer than 4 bytes stay:
    /// they are no secrets, and would be found everywhere.
    #[must_use]
    pub fn redact(&self, text: &str) -> Option<String> {
        let found = self.secrets.iter().filter(|(value, _)| value.len() >= 4 && text.contains(value.as_str()));
        let mut redacted: Option<String> = None;
        for (value, name) in found {
            redacted = Some(redacted.as_deref().unwrap_or(text).replace(value.as_str(), &format!("${{{name}}}")));
        }
        redacted
    }

    /// From now on the value of this variable is not shown either.
    pub(crate) fn hide(&mut self, name: &str, value: String) {
        self.secrets.push((value, name.to_owned()));
    }

    /// Whether any value came from a variable.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// A path of the configuration, made relative to the file.
    #[must_use]
    pub fn resolve(&self, path: &str) -> PathBuf {
        // A path that a person reads begins with no `./`.
        if self.root == Path::new(".") { PathBuf::from(path) } else { self.root.join(path) }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is there, but something in it is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Reads a configuration file, overlays the profile if one is named, and replaces `${NAME}` by `variable(NAME)`.
///
/// # Errors
/// [`LoadError::File`] naming the path, or [`LoadError::Config`] with line, column and the nearest key.
pub fn load(
    path: &Path,
    profile: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Loaded, LoadError> {
    let text = io::read_to_string(open_file(path)?).map_err(FileError::at("read", path))?;
    let root = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let mut origins = std::collections::BTreeMap::new();
    // An editor's byte order mark is no part of TOML.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut secrets = Vec::new();
    let in_text = |fault: Fault| fault.in_text(path.to_owned(), text);
    let mut config = parse(text, profile, &variable, &mut origins, &mut secrets).map_err(in_text)?;
    super::kubernetes::read_files(&mut config, &root).map_err(|(table, key, message, help)| {
        let span = values::find(text, &table, key);
        in_text(Fault { span, message, help: Some(help.to_owned()), secret: false })
    })?;
    Ok(Loaded { config, path: path.to_owned(), root, profile: profile.map(str::to_owned), origins, secrets })
}

fn parse(
    text: &str,
    profile: Option<&str>,
    variable: &dyn Fn(&str) -> Option<String>,
    origins: &mut std::collections::BTreeMap<String, String>,
    secrets: &mut Vec<(String, String)>,
) -> Result<Config, Fault> {
    let mut document = DeTable::parse(text).map_err(|error| Fault::of_toml(&error))?;
    let schema = schema();
    keys::check(document.get_ref(), &schema)?;
    values::note_origins(document.get_ref(), text, "", None, origins);
    if let Some(name) = profile {
        let overlay = take_profile(document.get_mut(), name)?;
        keys::check(&overlay, &schema)?;
        values::note_origins(&overlay, text, "", Some(name), origins);
        values::overlay(document.get_mut(), overlay);
    }
    // Profiles are not part of what runs.
    document.get_mut().remove("profile");
    values::expand(document.get_mut(), variable, "", origins, secrets)?;
    let config = Config::deserialize(toml::de::Deserializer::from(document)).map_err(|error| explain(&error))?;
    values::check(&config, text)?;
    super::command::check(&config, text, origins)?;
    Ok(config)
}

fn take_profile<'i>(document: &mut DeTable<'i>, name: &str) -> Result<DeTable<'i>, Fault> {
    let profiles = document.get("profile").and_then(|value| match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    });
    let found = profiles.and_then(|table| table.get(name)).and_then(|value| match value.get_ref() {
        DeValue::Table(table) => Some(table.clone()),
        _ => None,
    });
    found.ok_or_else(|| {
        let names: Vec<&str> = profiles.into_iter().flatten().map(|(key, _)| key.get_ref().as_ref()).collect();
        let known = if names.is_empty() { "the file has none".to_owned() } else { names.join(", ") };
        Fault {
            span: None,
            message: format!("no profile `{name}`"),
            help: Some(format!("profiles: {known}")),
            secret: false,
        }
    })
}

/// Adds what to write where serde only says what is missing.
fn explain(error: &toml::de::Error) -> Fault {
    let fault = Fault::of_toml(error);
    let example = match fault.message.as_str() {
        "missing field `project`" => "write:\n\n    [project]\n    name = \"my-model\"",
        "missing field `name`" => "give the model a name: name = \"my-model\"",
        "missing field `data`" => "write:\n\n    [data]\n    path = \"data.csv\"\n    target = \"COLUMN\"",
        "missing field `path`" => "name the CSV file: path = \"data.csv\"",
        "missing field `target`" => "name the column to predict: target = \"COLUMN\"",
        _ => return fault,
    };
    fault.help(example)
}
