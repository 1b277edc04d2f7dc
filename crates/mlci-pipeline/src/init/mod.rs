//! `init`: the files that a repository needs to run the pipeline.

mod python;
mod survey;

use std::{
    fs,
    path::{Path, PathBuf},
};

use mlci_core::{FileError, ModelName, write_atomic};
use mlci_train::MissingPolicy;

use self::{
    python::Python,
    survey::{Survey, survey},
};
use crate::{
    end::finish,
    error::{Context as _, Error, Result},
    event::{Event, Finished, Observer},
    words::count,
};

/// What `init` is told.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The model's name; by default the folder's, made legal.
    pub name: Option<String>,
    /// The CSV file, relative to the folder.
    pub data: Option<String>,
    /// The column to predict; by default the last.
    pub target: Option<String>,
}

/// Writes the configuration to `path`, and beside it the ignore line and, in a Cargo workspace with an `xtask`, the alias. What is there already
/// stays as it is.
pub fn init(path: &Path, options: &InitOptions, observer: &dyn Observer) -> Finished {
    finish(
        "init",
        |ending| {
            let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut said = vec![write_configuration(path, folder, options)?];
            let ignored = if Python::of(folder).is_some_and(|python| python.has_requirements) {
                [".mlci/", python::ENVIRONMENT].as_slice()
            } else {
                &[".mlci/"]
            };
            for line in ignored {
                said.extend(add_line(&folder.join(".gitignore"), line)?);
            }
            if folder.join("xtask/Cargo.toml").is_file() {
                said.extend(write_alias(folder)?);
            }
            ending.text = Some(said.join("\n"));
            Ok(())
        },
        |event: &Event| observer.event(event),
    )
}

fn write_configuration(path: &Path, folder: &Path, options: &InitOptions) -> Result<String> {
    if path.exists() {
        return Err(
            Error::invalid(format!("`{}` is there already", path.display())).help("edit it, or remove it first")
        );
    }
    let data = match &options.data {
        Some(data) => data.clone(),
        None => only_csv(folder)?,
    };
    // Read once with the answers, so that what is written is known to work, or to say what does not.
    let survey = survey(&folder.join(&data), &data, options.target.as_deref())?;
    let name = name(folder, options.name.as_deref())?;
    let python = Python::of(folder);
    write_atomic(path, text(&name, &data, &survey, python.as_ref()).as_bytes())?;
    let mut said = told(path, &data, &survey);
    for line in python.iter().flat_map(Python::told) {
        said.push_str("\n  ");
        said.push_str(&line);
    }
    Ok(said)
}

/// What was found, for the person to check.
fn told(path: &Path, data: &str, survey: &Survey) -> String {
    let Survey { options, texts, large, rows, features, dropped } = survey;
    let mut lines = vec![format!(
        "wrote {}: predicts `{}` of {data} from {}, with {}",
        path.display(),
        options.target,
        count(*features as u64, "feature"),
        count(*rows as u64, "row")
    )];
    let list = |columns: &[String]| columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if !texts.is_empty() {
        lines.push(format!("  left out, since they hold text (declare a kind to use them): {}", list(texts)));
    }
    if !large.is_empty() {
        lines.push(format!("  left out, since their numbers are too large to be exact: {}", list(large)));
    }
    if *dropped > 0 {
        lines.push(format!("  {} will be dropped, since a value is missing", count(*dropped, "row")));
    }
    lines.push(
        "  look it over: is this the column to predict, and would every feature be known at that time?".to_owned(),
    );
    lines.join("\n")
}

fn text(name: &ModelName, data: &str, survey: &Survey, python: Option<&Python>) -> String {
    let options = &survey.options;
    let (path, target) = (toml_string(data), toml_string(&options.target));
    let delimiter = match options.delimiter {
        b',' => String::new(),
        other => format!("\ndelimiter = {}", toml_string(&char::from(other).to_string())),
    };
    let exclude = if options.exclude.is_empty() {
        "# exclude = [\"a-column-that-is-no-feature\"]".to_owned()
    } else {
        let names: Vec<String> = options.exclude.iter().map(|name| toml_string(name)).collect();
        format!("exclude = [{}]", names.join(", "))
    };
    let missing = match options.missing {
        MissingPolicy::Stop => "",
        MissingPolicy::Drop => "\nmissing = \"drop\"  # rows that lack a value are left out; `stop` names them instead",
    };
    let steps = python.map(Python::steps).unwrap_or_default();
    let trains = python.map_or("algorithm = \"ols\"".to_owned(), Python::train);
    format!(
        r#"[project]
name = "{name}"

[data]
path = {path}{delimiter}
target = {target}
{exclude}{missing}
{steps}
[train]
{trains}
seed = 42

[gate.limits.r2]
min = 0.0  # at least as good as predicting the mean; raise it once you know what the model can do

[environment.staging]
target = "process"

[environment.production]
target = "process"
approval = "required"
"#
    )
}

/// A basic TOML string (TOML 1.0, "String"), in which nothing is taken for a variable.
fn toml_string(text: &str) -> String {
    let escaped: String = text
        .replace("${", "$${")
        .chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c if c.is_control() => format!("\\u{:04X}", c as u32).chars().collect(),
            c => vec![c],
        })
        .collect();
    format!("\"{escaped}\"")
}

fn only_csv(folder: &Path) -> Result<String> {
    let mut found: Vec<PathBuf> = Vec::new();
    for place in [folder.to_owned(), folder.join("data")] {
        let entries = fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "csv")));
    }
    match found.as_slice() {
        [one] => Ok(one.strip_prefix(folder).unwrap_or(one).to_string_lossy().into_owned()),
        [] => {
            Err(Error::invalid("there is no CSV file here or in data/")
                .help("name it: init --data FILE --target COLUMN"))
        }
        many => Err(Error::invalid(format!("there are {} CSV files here", many.len()))
            .help("name one: init --data FILE --target COLUMN")),
    }
}

fn name(folder: &Path, asked: Option<&str>) -> Result<ModelName> {
    if let Some(asked) = asked {
        return Ok(asked.parse()?);
    }
    let folder = fs::canonicalize(folder).map_err(FileError::at("locate", folder))?;
    let lower = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let legal: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let parts: Vec<&str> = legal.split('-').filter(|part| !part.is_empty()).collect();
    let mut name = parts.join("-");
    name.truncate(63);
    name.trim_matches('-')
        .parse()
        .context(|| "the folder's name makes no model name".to_owned())
        .map_err(|error| error.help("give one: init --name NAME"))
}

/// Adds a line to a file that lacks it.
fn add_line(path: &Path, line: &str) -> Result<Option<String>> {
    let old =
        if path.exists() { fs::read_to_string(path).map_err(FileError::at("read", path))? } else { String::new() };
    if old.lines().any(|have| have.trim().trim_start_matches('/').trim_end_matches('/') == line.trim_end_matches('/')) {
        return Ok(None);
    }
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    write_atomic(path, format!("{old}{gap}{line}\n").as_bytes())?;
    Ok(Some(format!("added `{line}` to {}", path.display())))
}

fn write_alias(folder: &Path) -> Result<Option<String>> {
    let path = folder.join(".cargo/config.toml");
    let old =
        if path.exists() { fs::read_to_string(&path).map_err(FileError::at("read", &path))? } else { String::new() };
    let line = "xtask = \"run --quiet --package xtask --\"";
    // Only a file that is known to have no such table can be added to at its end.
    let present = toml::from_str::<toml::Table>(&old).map(|table| table.get("alias").cloned());
    match present {
        Ok(None) => {}
        Ok(Some(alias)) if alias.get("xtask").is_some() => return Ok(None),
        Ok(Some(_)) => return Ok(Some(format!("add to [alias] in {}: {line}", path.display()))),
        Err(_) => return Ok(Some(format!("{} cannot be read; mend it, then add to [alias]: {line}", path.display()))),
    }
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    write_atomic(&path, format!("{old}{gap}[alias]\n{line}\n").as_bytes())?;
    Ok(Some(format!("added the alias `cargo xtask` to {}", path.display())))
}
