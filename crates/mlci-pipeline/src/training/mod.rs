//! Training by the team's own command: what it is given, how it is run, and what it has to leave.

mod adopt;
mod given;
mod left;

use std::{fs, time::Duration};

use mlci_core::{DigestBuilder, FileError};

pub(crate) use self::{adopt::adopt, left::Left};
use crate::{
    command::{self, Limit, environment, inputs},
    config::Train,
    error::Result,
    pipeline::{Pipeline, ReadData},
};

/// How long a training command may run unless the configuration says otherwise.
const TIMEOUT_SECONDS: u64 = 3600;

/// Adds all that decides what a training command comes to, beside the data, the configuration and mlci itself: the
/// sources, and the values of the variables that it is given by name.
pub(crate) fn add_inputs(digest: &mut DigestBuilder, pipeline: &Pipeline) -> Result<()> {
    let (train, root) = (&pipeline.config().train, pipeline.root());
    let files = match &train.inputs {
        Some(named) => inputs::named(root, "train", named)?,
        None => {
            // What of the configuration counts is added by itself: another limit of the gate needs no training.
            let own = pipeline.loaded().path.file_name().unwrap_or_default();
            let mut files = inputs::all(root);
            files.retain(|file| file.as_os_str() != own);
            files
        }
    };
    for file in files {
        inputs::add(digest, root, &file)?;
    }
    for (name, value) in environment::values(&train.env)? {
        digest.add(name.as_bytes());
        digest.add(value.as_encoded_bytes());
    }
    Ok(())
}

/// Gives the command the training rows, runs it, and takes what it leaves.
pub(crate) fn run(pipeline: &Pipeline, read: &ReadData) -> Result<Left> {
    adopt::is_possible()?;
    let train = &pipeline.config().train;
    let folder = pipeline.workdir().train();
    // What an earlier command has left is not taken for this one's.
    mlci_core::remove(&folder)?;
    let output = folder.join("output");
    fs::create_dir_all(&output).map_err(FileError::at("create", &output))?;
    let format = if pipeline.config().data.is_parquet() { "data.parquet" } else { "data.csv" };
    let (data, schema) = (folder.join(format), folder.join("schema.json"));
    given::write_data(pipeline, read, &data)?;
    given::write_schema(read.gathered.schema(), &schema)?;

    // The configuration was checked to have a command.
    let Some(mut command) = command::of(&train.command, pipeline)? else { return Left::of(pipeline, &output, None) };
    environment::clean(&mut command, &train.env)?;
    command
        .env("MLCI_DATA", data)
        .env("MLCI_SCHEMA", schema)
        .env("MLCI_OUTPUT", &output)
        .env("MLCI_PROJECT", pipeline.config().project.name.as_str())
        .env("MLCI_TARGET", &pipeline.config().data.target)
        .env("MLCI_DELIMITER", pipeline.config().data.delimiter.to_string())
        .env("MLCI_SEED", train.seed.to_string());
    let printed = command::run(command, "train", &pipeline.workdir().log("train"), Some(&limit(train)), pipeline)?;
    Left::of(pipeline, &output, Some(printed))
}

fn limit(train: &Train) -> Limit {
    let seconds = train.timeout_seconds.unwrap_or(TIMEOUT_SECONDS);
    Limit { time: Duration::from_secs(seconds), key: "[train] timeout_seconds".to_owned() }
}
