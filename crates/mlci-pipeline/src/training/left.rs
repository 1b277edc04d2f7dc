use std::{collections::BTreeMap, fs, io, path::Path};

use mlci_core::FileError;
use serde_json::Value;

use crate::{
    command::Printed,
    error::{Error, Result, chain},
    pipeline::Pipeline,
};

const MODEL: &str = "model.onnx";
const METRICS: &str = "metrics.json";
/// A file of numbers is not larger.
const LARGEST_METRICS: u64 = 1 << 20;
const TO_OUTPUT: &str =
    "let it write the model, in the ONNX format, as `model.onnx` to the folder that the variable MLCI_OUTPUT names";

/// What a training command left.
pub(crate) struct Left {
    /// The bytes of the model.
    pub(crate) onnx: Vec<u8>,
    /// What it measured itself; empty where it left no such file.
    pub(crate) metrics: BTreeMap<String, f64>,
    faults: Faults,
}

/// Says what was wrong with what the command left.
struct Faults {
    command: String,
    printed: Option<Printed>,
}

impl Faults {
    fn error(&self, message: String, reasons: impl IntoIterator<Item = String>, help: &str) -> Error {
        let mut all: Vec<String> = reasons.into_iter().collect();
        all.extend(self.printed.as_ref().and_then(Printed::reason));
        let whereabouts = self.printed.as_ref().map(|printed| format!("; {}", printed.whereabouts()));
        Error::fail(message).because_of(all).help(format!("{help}{}", whereabouts.unwrap_or_default()))
    }
}

impl Left {
    pub(super) fn of(pipeline: &Pipeline, output: &Path, printed: Option<Printed>) -> Result<Self> {
        let command = pipeline.redact(pipeline.config().train.command.join(" "));
        let faults = Faults { command, printed };
        let onnx = model(output, &pipeline.root().join(MODEL), &faults)?;
        let metrics = metrics(&output.join(METRICS), &faults)?;
        Ok(Self { onnx, metrics, faults })
    }

    /// The model that the command left is of no use, and why.
    pub(crate) fn unusable(&self, why: &dyn std::error::Error, help: &str) -> Error {
        let message = format!("the `{MODEL}` that `{}` left cannot be used", self.faults.command);
        self.faults.error(message, chain(why), help)
    }
}

/// The model, whatever may be in its place. `elsewhere` is where programs write it by mistake.
fn model(output: &Path, elsewhere: &Path, faults: &Faults) -> Result<Vec<u8>> {
    let path = output.join(MODEL);
    let command = &faults.command;
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(faults.error(format!("`{MODEL}`, which `{command}` left, is no file"), [], TO_OUTPUT)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let there = match names(output) {
                found if found.is_empty() => format!("`{}` is empty", output.display()),
                found => format!("`{}` has {}", output.display(), found.join(", ")),
            };
            let stray = if elsewhere.is_file() { "; the `model.onnx` in the working folder is not taken" } else { "" };
            let message = format!("`{command}` ended well, but left no `{MODEL}`");
            return Err(faults.error(message, [there], &format!("{TO_OUTPUT}{stray}")));
        }
        Err(error) => return Err(FileError::at("read", &path)(error).into()),
    }
    let bytes = fs::read(&path).map_err(FileError::at("read", &path))?;
    if bytes.is_empty() {
        return Err(faults.error(format!("`{MODEL}`, which `{command}` left, is empty"), [], TO_OUTPUT));
    }
    Ok(bytes)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| format!("`{}`", entry.file_name().to_string_lossy())).collect();
    names.sort();
    names.truncate(10);
    names
}

fn metrics(path: &Path, faults: &Faults) -> Result<BTreeMap<String, f64>> {
    let help = "let it write one flat object of finite numbers, such as {\"r2\": 0.41}, or no such file";
    let fault = |why: String| {
        faults.error(format!("the `{METRICS}` that `{}` left cannot be used", faults.command), [why], help)
    };
    let length = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => return Err(fault("it is no file".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(FileError::at("read", path)(error).into()),
    };
    if length > LARGEST_METRICS {
        return Err(fault(format!("it has {length} bytes, and at most {LARGEST_METRICS} are taken")));
    }
    let bytes = fs::read(path).map_err(FileError::at("read", path))?;
    parse(&bytes).map_err(fault)
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<String, f64>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    let value: Value = serde_json::from_str(text).map_err(|error| explain(text, &error))?;
    let Value::Object(fields) = value else { return Err(format!("it holds {}, and no object", kind(&value))) };
    let mut metrics = BTreeMap::new();
    for (name, value) in fields {
        mlci_track::check_metric_key(&format!("command.{name}")).map_err(|error| error.to_string())?;
        match value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => metrics.insert(name, number),
            None => return Err(format!("`{name}` is {}, and no finite number", kind(&value))),
        };
    }
    Ok(metrics)
}

/// JSON has no `NaN` and no `Infinity`, but Python writes them.
fn explain(text: &str, error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = line.get(..error.column().saturating_sub(1)).unwrap_or(line);
    let rest = line.get(before.len()..).unwrap_or_default();
    let from = before.rfind([':', '[', ',', ' ']).map_or(0, |index| index + 1);
    let around = format!("{}{rest}", before.get(from..).unwrap_or_default());
    let odd = ["NaN", "Infinity", "-Infinity"].into_iter().find(|odd| around.trim_start().starts_with(odd));
    let key = before.rsplit('"').nth(1).unwrap_or_default();
    match odd {
        Some(odd) if !key.is_empty() => {
            format!("{place}: `{key}` is {odd}, which is no number of JSON: find out why, or leave it out")
        }
        Some(odd) => format!("{place}: {odd} is no number of JSON"),
        None => format!("it is no JSON: {error}"),
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let error = parse(text.as_bytes()).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }

    #[test]
    fn flat_objects_of_numbers() {
        let metrics = parse(br#"{"r2": 0.5, "rows": 3, "val/loss": -1e-3}"#).unwrap();
        assert_eq!(metrics, [("r2", 0.5), ("rows", 3.0), ("val/loss", -1e-3)].map(|(k, v)| (k.to_owned(), v)).into());
        assert!(parse(b"{}").unwrap().is_empty());
    }

    #[test]
    fn everything_else_says_what_it_is() {
        refused("{\"r2\": 0.5, \"rmse\": NaN}", "line 1, column 21: `rmse` is NaN");
        refused("{\"r2\":NaN}", "`r2` is NaN");
        refused("{\n  \"loss\": Infinity\n}", "line 2, column 11: `loss` is Infinity");
        refused("{\"loss\": -Infinity}", "`loss` is -Infinity");
        refused("{\"loss\": 1e999}", "number out of range");
        refused("{\"r2\": {\"train\": 1}}", "`r2` is an object");
        refused("{\"r2\": \"0.5\"}", "`r2` is a text");
        refused("{\"r2\": null}", "`r2` is null");
        refused("[1]", "it holds a list");
        refused("0.5", "it holds a number");
        refused("", "it is no JSON");
        refused("{\"a=b\": 1}", "use letters");
        assert_eq!(parse(b"\xff").unwrap_err(), "it is no UTF-8");
    }
}
