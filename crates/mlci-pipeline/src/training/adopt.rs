use mlci_model::{Estimator, Onnx};
use mlci_train::Trained;

use super::Left;
use crate::{
    error::{Error, Result},
    pipeline::{Pipeline, ReadData},
};

/// Before a command is run whose model nobody could read.
pub(super) fn is_possible() -> Result<()> {
    if Onnx::is_supported() {
        return Ok(());
    }
    Err(Error::invalid("[train] command leaves an ONNX model, and mlci was built without the feature `onnx`")
        .help("install it with that: cargo install mlci-pipeline --features onnx"))
}

/// Makes a model of what the command left: its columns are those of the data, and mlci evaluates it on the rows that the
/// command has not seen.
pub(crate) fn adopt(pipeline: &Pipeline, read: &ReadData, left: &Left) -> Result<Trained> {
    let (config, schema) = (pipeline.config(), read.gathered.schema());
    let onnx = Onnx::new(left.onnx.clone(), &schema.features, &schema.target).map_err(|error| {
        left.unusable(
            &error,
            "the model takes the features in the order of the file that the variable MLCI_SCHEMA names, and gives one number a row",
        )
    })?;
    let (name, data, digest) = (&config.project.name, read.digest, config.model_digest());
    read.gathered
        .adopt(Estimator::Onnx(onnx), name, data, digest)
        .map_err(|error| left.unusable(&error, "a model has to predict a finite number for every row of the data"))
}
