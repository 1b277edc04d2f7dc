use std::{fs::File, io::BufWriter, path::Path};

use mlci_core::{FileError, write_atomic};
use mlci_model::{Column, Kind, Schema, Unseen, Value};
use mlci_train::CopyError;
use serde::Serialize;

use crate::{
    error::{Context as _, Error, Result},
    pipeline::{Pipeline, ReadData, read_options},
};

/// Writes the rows to train on, and none of those held out: on them the gate decides.
pub(super) fn write_data(pipeline: &Pipeline, read: &ReadData, path: &Path) -> Result<()> {
    let config = pipeline.config();
    let fraction = config.train.test_fraction;
    let rows = read.gathered.rows();
    // Known before the command has run for an hour.
    if rows.test == 0 || rows.train == 0 {
        let side = if rows.test == 0 { "held out for testing" } else { "left to train on" };
        let message = format!("none of the {} rows is {side}", rows.all());
        return Err(Error::fail(message).help(format!("add data, or change [train] test_fraction ({fraction})")));
    }
    let lines = read.gathered.training_lines().unwrap_or_default();
    let source = pipeline.data_file()?;
    let file = File::create(path).map_err(FileError::at("create", path))?;
    let copied = mlci_train::copy_rows(&source, &read_options(&config.data), lines, BufWriter::new(file));
    let copied = copied.map_err(|error| match error {
        CopyError::Write(source) => Error::from(FileError::at("write", path)(source)),
        other => Error::fail("the rows to train on cannot be handed out").because(other),
    })?;
    if copied.digest != read.digest || copied.rows != lines.len() as u64 {
        return Err(Error::fail(format!("the data `{}` was changed while it was used", config.data.path))
            .help("run it again once nobody writes to it"));
    }
    Ok(())
}

/// What a program has to know of a column. Nothing here comes from values of rows that are held out but the levels of a
/// category, which any row has to be able to name.
#[derive(Serialize)]
struct Described<'s> {
    name: &'s str,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'s str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    levels: &'s [String],
    /// The program gets an empty cell where the model, and whoever asks it, gets this.
    #[serde(skip_serializing_if = "Option::is_none")]
    fill: Option<Value>,
    /// The program gets a level that is none of them where the model gets the base level.
    #[serde(skip_serializing_if = "Option::is_none")]
    unseen: Option<Unseen>,
}

#[derive(Serialize)]
struct Document<'s> {
    features: Vec<Described<'s>>,
    target: Described<'s>,
}

/// Writes which columns the model predicts from, in its order, and which one it predicts.
pub(super) fn write_schema(schema: &Schema, path: &Path) -> Result<()> {
    fn described(column: &Column) -> Described<'_> {
        let Column { name, kind, unit, levels, unseen, fill, .. } = column;
        let fill = fill.map(|value| column.shown(value));
        let unseen = Some(*unseen).filter(|unseen| *unseen == Unseen::Base);
        Described { name, kind: *kind, unit: unit.as_deref(), levels, fill, unseen }
    }
    let features = schema.features.iter().map(described).collect();
    let document = Document { features, target: described(&schema.target) };
    let text = serde_json::to_vec_pretty(&document).context(|| "the schema cannot be written".to_owned())?;
    Ok(write_atomic(path, &text)?)
}
