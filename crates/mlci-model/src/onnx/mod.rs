//! Models that other tools have fitted, as ONNX files.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Column, Estimator, Model, PredictError, Schema};

mod error;
#[cfg(feature = "onnx")]
mod export;
#[cfg(feature = "onnx")]
mod feed;
#[cfg(feature = "onnx")]
mod graph;
#[cfg(feature = "onnx")]
mod ops;
#[cfg(feature = "onnx")]
mod resolve;
#[cfg(feature = "onnx")]
mod runner;
#[cfg(all(test, feature = "onnx"))]
mod tests;

pub use error::OnnxError;

/// A model that another tool has fitted: the bytes of its ONNX file, how a row goes in and how its prediction comes out.
///
/// Values are `f64` here and mostly 32-bit floats in the graph, so that predictions are right to about 7 digits, and
/// may differ by the last of them between kinds of CPU.
///
/// It can be read, listed and hashed by any build of mlci. [`Onnx::new`] and predictions need the feature `onnx`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Onnx {
    bytes: Vec<u8>,
    input: OnnxInput,
    output: OnnxOutput,
    /// Made of the rest once the model is whole: see [`Onnx::prepare`].
    #[cfg(feature = "onnx")]
    #[serde(skip)]
    runner: Option<std::sync::Arc<runner::Runner>>,
}

/// How the features go into a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OnnxInput {
    /// As one tensor, `[rows, features]`, in the order of the schema.
    Rows {
        /// The name of the graph's input.
        name: String,
        /// What the tensor is of.
        element: OnnxElement,
    },
    /// As one tensor `[rows, 1]` (or `[rows]`) each, of the feature's name.
    Columns(Vec<OnnxColumn>),
}

/// How one feature goes into a graph that takes each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnnxColumn {
    /// What its tensor is of.
    pub element: OnnxElement,
    /// Whether its tensor is `[rows]`, and not `[rows, 1]`.
    pub flat: bool,
}

/// What a tensor is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OnnxElement {
    /// 32-bit floats.
    Float,
    /// 64-bit floats.
    Double,
    /// 64-bit integers.
    Integer,
    /// Texts: the levels of categories.
    Text,
}

/// Where the prediction is in what a graph gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnnxOutput {
    /// The name of the tensor, `[rows]` or `[rows, columns]`.
    pub tensor: String,
    /// Its column, from 0.
    pub column: usize,
    /// Whether the prediction is a probability.
    pub probability: bool,
}

impl Onnx {
    /// Takes an ONNX file that predicts `target` from these features.
    ///
    /// A graph has either one input for all features, `[rows, features]`, or one a feature, of its name. A category goes
    /// in as the text of its level (or as the number that it spells). Where the target is a category of two levels, the
    /// probability of the second is taken; else the first output of floats.
    ///
    /// # Errors
    /// [`OnnxError`] where the bytes are no ONNX, operators are not known, inputs are not the features, or the
    /// prediction is not to be found; always, where this was built without the feature `onnx`.
    pub fn new(bytes: Vec<u8>, features: &[Column], target: &Column) -> Result<Self, OnnxError> {
        #[cfg(feature = "onnx")]
        {
            let runner = runner::Runner::new(&bytes, features, target)?;
            let (input, output) = runner.binding();
            let (input, output) = (input.clone(), output.clone());
            Ok(Self { bytes, input, output, runner: Some(std::sync::Arc::new(runner)) })
        }
        #[cfg(not(feature = "onnx"))]
        {
            let _ = (bytes, features, target);
            Err(OnnxError::NotBuilt)
        }
    }

    /// The bytes of the ONNX file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How the features go in.
    #[must_use]
    pub fn input(&self) -> &OnnxInput {
        &self.input
    }

    /// Where the prediction comes out.
    #[must_use]
    pub fn output(&self) -> &OnnxOutput {
        &self.output
    }

    /// Whether this build can predict with such models: whether it has the feature `onnx`.
    #[must_use]
    pub const fn is_supported() -> bool {
        cfg!(feature = "onnx")
    }

    /// Makes ready to predict rows of this schema; without the feature `onnx` nothing is made, and predicting fails.
    pub(crate) fn prepare(&mut self, schema: &Schema) -> Result<(), OnnxError> {
        #[cfg(feature = "onnx")]
        {
            let Schema { features, target } = schema;
            if !self.runner.as_ref().is_some_and(|runner| runner.is_for(features, target)) {
                let runner = runner::Runner::new(&self.bytes, features, target)?;
                if runner.binding() != (&self.input, &self.output) {
                    return Err(OnnxError::Binding);
                }
                self.runner = Some(std::sync::Arc::new(runner));
            }
            Ok(())
        }
        #[cfg(not(feature = "onnx"))]
        {
            let _ = schema;
            Ok(())
        }
    }

    /// Predicts `predictions.len()` rows, whose number of values the caller has checked.
    pub(crate) fn predict(&self, rows: &[f64], predictions: &mut [f64]) -> Result<(), PredictError> {
        #[cfg(feature = "onnx")]
        if let Some(runner) = &self.runner {
            return runner.predict(rows, predictions);
        }
        let _ = (rows, predictions);
        Err(PredictError::OnnxNotBuilt)
    }
}

impl Model {
    /// The model as an ONNX file, for ONNX Runtime and others (operator sets 13, and 2 of `ai.onnx.ml`).
    ///
    /// A model of numbers alone takes one tensor `X` of 64-bit floats, `[rows, features]`, in the order of the schema; one
    /// with categories takes a tensor `[rows, 1]` a feature, of its name: categories as texts, the rest as 64-bit floats,
    /// dates as days since 1970-01-01 UTC. A level that is not known is the base level or gives NaN, as its column says;
    /// missing values are not filled in. All is computed in 64-bit floats.
    ///
    /// A classifier gives `label` and `probabilities`, `[rows, 2]`, the classes in sorted order as scikit-learn has them;
    /// any other model gives `variable`, `[rows, 1]`. A model that came as ONNX is given back as it came.
    ///
    /// # Errors
    /// [`OnnxError::NotBuilt`] without the feature `onnx`.
    pub fn to_onnx(&self) -> Result<Vec<u8>, OnnxError> {
        if let Estimator::Onnx(onnx) = &self.parts().estimator {
            return Ok(onnx.bytes.clone());
        }
        #[cfg(feature = "onnx")]
        return export::export(self);
        #[cfg(not(feature = "onnx"))]
        Err(OnnxError::NotBuilt)
    }
}

impl PartialEq for Onnx {
    fn eq(&self, other: &Self) -> bool {
        (&self.bytes, &self.input, &self.output) == (&other.bytes, &other.input, &other.output)
    }
}

impl fmt::Debug for Onnx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Onnx");
        debug.field("bytes", &self.bytes.len()).field("input", &self.input).field("output", &self.output);
        debug.finish_non_exhaustive()
    }
}

impl fmt::Display for OnnxElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Float => "float",
            Self::Double => "double",
            Self::Integer => "int64",
            Self::Text => "string",
        })
    }
}
