use crate::{OnnxElement, OnnxError};

/// Parts that do not make a model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidModel {
    /// A part has not one entry a feature.
    #[error("the schema has {features} features, but {part} has {found}")]
    Shape {
        /// How many features the schema names.
        features: usize,
        /// The part that does not fit.
        part: &'static str,
        /// How many entries it has.
        found: usize,
    },
    /// The estimator has not one coefficient a column of the design.
    #[error("the features make {columns} columns, but the estimator has {found} coefficients")]
    Width {
        /// How many columns [`Design`](crate::Design) makes of the features.
        columns: usize,
        /// How many coefficients there are.
        found: usize,
    },
    /// The levels of a column do not go with its kind, or one is there twice.
    #[error("the levels of `{column}` are not those of a column of its type: {why}")]
    Levels {
        /// The column.
        column: String,
        /// What is wrong with them.
        why: &'static str,
    },
    /// The target of a classifier has not two classes.
    #[error("the target `{target}` has {found} classes, and a classifier tells two apart")]
    Classes {
        /// The target.
        target: String,
        /// How many there are.
        found: usize,
    },
    /// The model has no features.
    #[error("the schema has no features")]
    NoFeatures,
    /// Two columns have the same name.
    #[error("the schema names the column `{0}` twice")]
    DuplicateColumn(String),
    /// A number that has to be finite is not.
    #[error("{0} is not finite")]
    NotFinite(&'static str),
    /// A profile's parts contradict each other.
    #[error("the profile of `{0}` contradicts itself")]
    Profile(String),
    /// The ONNX file does not make a model of these columns.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// A golden row cannot be predicted at all.
    #[error("golden prediction {index}")]
    Unpredictable {
        /// Which golden row, from 0.
        index: usize,
        /// Why.
        #[source]
        source: PredictError,
    },
    /// The model no longer predicts what it did when it was made.
    #[error("golden prediction {index}: expected {expected}, got {got}")]
    Golden {
        /// Which golden row, from 0.
        index: usize,
        /// The prediction recorded.
        expected: f64,
        /// The prediction now.
        got: f64,
    },
}

/// A row that cannot be predicted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The values are no whole number of rows.
    #[error("{found} values are not a whole number of rows of {features} features")]
    Shape {
        /// How many values came in.
        found: usize,
        /// How many features a row has.
        features: usize,
    },
    /// The place for the predictions has another length than there are rows.
    #[error("{rows} rows do not fit into {room} predictions")]
    Room {
        /// How many rows came in.
        rows: usize,
        /// How many predictions fit.
        room: usize,
    },
    /// A value is NaN or infinite.
    #[error("row {row}, feature `{feature}`: {value} is not a finite number")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The feature's name.
        feature: String,
        /// The value.
        value: f64,
    },
    /// A value of a category is not the position of one of its levels.
    #[error("row {row}, feature `{feature}`: {value} is not the position of one of {levels} levels")]
    NoLevel {
        /// The row, from 0.
        row: usize,
        /// The feature's name.
        feature: String,
        /// The value.
        value: f64,
        /// How many levels there are.
        levels: usize,
    },
    /// The model is of ONNX, and this build cannot run that.
    #[error("the model is of ONNX, and this build of mlci does not run that: build it with `--features onnx`")]
    OnnxNotBuilt,
    /// A value does not go into the tensor that the ONNX graph takes.
    #[error("row {row}, feature `{feature}`: {value} does not go into the model, which takes it as {element}")]
    OnnxInput {
        /// The row, from 0.
        row: usize,
        /// The feature's name.
        feature: String,
        /// The value.
        value: f64,
        /// What the graph takes.
        element: OnnxElement,
    },
    /// The ONNX graph fails.
    #[error("{}the ONNX model fails: {why}", .row.map(|row| format!("row {row}: ")).unwrap_or_default())]
    OnnxRun {
        /// The first row that it fails for, from 0, where it is one.
        row: Option<usize>,
        /// What its runtime says.
        why: String,
    },
    /// What the ONNX model says is no probability.
    #[error("row {row}: the ONNX model's output `{output}` should be a probability, and is {value}")]
    NoProbability {
        /// The row, from 0.
        row: usize,
        /// The output.
        output: String,
        /// Its value.
        value: f64,
    },
    /// The values are finite, but their prediction is too large for an `f64`.
    #[error("row {row}: the prediction overflows")]
    Overflow {
        /// The row, from 0.
        row: usize,
    },
}

impl PredictError {
    /// The row at fault, from 0, where it is one: for whoever has predicted a part of some rows, to count it among all.
    pub fn row_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::NotFinite { row, .. }
            | Self::NoLevel { row, .. }
            | Self::OnnxInput { row, .. }
            | Self::NoProbability { row, .. }
            | Self::Overflow { row } => Some(row),
            Self::OnnxRun { row, .. } => row.as_mut(),
            Self::Shape { .. } | Self::Room { .. } | Self::OnnxNotBuilt => None,
        }
    }
}
