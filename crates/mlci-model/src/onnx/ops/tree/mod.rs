//! Ensembles of decision trees: `TreeEnsembleRegressor`, `TreeEnsembleClassifier` and `TreeEnsemble`.
//!
//! ONNX Runtime's arithmetic is followed: features are compared as 32-bit floats (as 64-bit ones where the input is of
//! those), weights are added up in the order of the trees, and base values come last. tract has a classifier of its own,
//! which follows child nodes without looking where they lead; this one replaces it.

mod attributes;
mod classifier;
mod ensemble;
mod grow;
mod op;
mod regressor;
mod version5;

use tract_onnx::model::OnnxOpRegister;

pub(super) fn register(register: &mut OnnxOpRegister) {
    register.insert("TreeEnsembleRegressor", regressor::regressor);
    register.insert("TreeEnsembleClassifier", classifier::classifier);
    register.insert("TreeEnsemble", version5::ensemble);
}
