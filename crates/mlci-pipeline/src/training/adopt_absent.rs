use mlci_train::{TrainOptions, Trained};

use super::Left;
use crate::{
    error::{Error, Result},
    pipeline::{Pipeline, ReadTable},
};

/// Before a command is run whose model nobody could read.
pub(super) fn is_possible() -> Result<()> {
    Err(Error::invalid("[train] command leaves an ONNX model, and mlci was built without the feature `onnx`")
        .help("install it with that: cargo install mlci-pipeline --features onnx"))
}

pub(crate) fn adopt(_: &Pipeline, _: &ReadTable, _: &Left, _: &TrainOptions) -> Result<Trained> {
    is_possible().and(Err(Error::fail("there is no model")))
}
