//! What a build without ONNX does with a model of it.
#![cfg(not(feature = "onnx"))]

use std::path::Path;

use mlci_model::{Estimator, Model, Onnx, OnnxError, PredictError};

#[test]
fn a_model_of_onnx_can_be_read_and_not_run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/columns_ridge.mlci");
    let (model, digest) = Model::load(&path).unwrap();
    assert_eq!(digest, mlci_model::Digest::of(&std::fs::read(path).unwrap()));
    assert!(!model.is_runnable());
    let Estimator::Onnx(onnx) = &model.parts().estimator else { panic!("{model:?}") };
    assert_eq!(onnx.output().tensor, "variable");
    let error = model.predict_row(&[0.0; 5]).unwrap_err();
    assert_eq!(error, PredictError::OnnxNotBuilt);
    assert!(error.to_string().contains("--features onnx"), "{error}");
    let target = &model.schema().target;
    assert_eq!(Onnx::new(Vec::new(), &model.schema().features, target), Err(OnnxError::NotBuilt));
    // The file that came in is there all the same.
    assert_eq!(model.to_onnx().unwrap(), onnx.bytes());
}
