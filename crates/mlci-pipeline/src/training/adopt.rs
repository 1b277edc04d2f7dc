use mlci_model::{Estimator, Onnx};
use mlci_train::{TrainOptions, Trained};

use super::Left;
use crate::{
    error::Result,
    pipeline::{Pipeline, ReadTable},
};

/// Without the feature `onnx` it is not.
#[expect(clippy::unnecessary_wraps, reason = "as without the feature `onnx`")]
pub(super) fn is_possible() -> Result<()> {
    Ok(())
}

/// Makes a model of what the command left: its columns are those of the data, and mlci evaluates it on the rows that the
/// command has not seen.
pub(crate) fn adopt(pipeline: &Pipeline, read: &ReadTable, left: &Left, options: &TrainOptions) -> Result<Trained> {
    let (config, schema) = (pipeline.config(), read.table.schema());
    let onnx = Onnx::new(left.onnx.clone(), &schema.features, &schema.target).map_err(|error| {
        left.unusable(
            &error,
            "the model takes the features in the order of the file that the variable MLCI_SCHEMA names, and gives one number a row",
        )
    })?;
    let (name, data, digest) = (&config.project.name, read.digest, config.model_digest());
    mlci_train::adopt(&read.table, Estimator::Onnx(onnx), options, name, data, digest)
        .map_err(|error| left.unusable(&error, "a model has to predict a finite number for every row of the data"))
}
