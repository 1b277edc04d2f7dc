use std::collections::HashSet;

use mlci_core::{Digest, ModelName};
use serde::{Deserialize, Serialize};

use crate::{Column, Design, Estimator, Kind, Onnx, OnnxElement, OnnxError, Profile, Schema};

/// A trained model whose parts agree with each other. Made by [`Model::new`] or [`Model::decode`].
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    parts: Parts,
    design: Design,
}

/// The parts of a model, before they are checked against each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// The name that the model is served and stored under.
    pub name: ModelName,
    /// The columns that it was trained on.
    pub schema: Schema,
    /// What predicts.
    pub estimator: Estimator,
    /// How each feature was spread in training, in the order of the schema.
    pub profiles: Vec<Profile>,
    /// How the predictions were spread in training.
    pub prediction_profile: Profile,
    /// The digest of the data file that it was trained on.
    pub data: Digest,
    /// The digest of the configuration that it was trained with.
    pub config: Digest,
    /// A few rows with their predictions, checked wherever the model is loaded.
    pub golden: Vec<Golden>,
}

/// A row and what the model predicted for it when it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// One value a feature.
    pub row: Vec<f64>,
    /// The prediction.
    pub prediction: f64,
}

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
        /// How many columns [`Design`] makes of the features.
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

/// Golden predictions may differ by the rounding of another CPU's arithmetic, relative to the size of the prediction.
const GOLDEN_TOLERANCE: f64 = 1e-9;
/// The same for ONNX, whose arithmetic is mostly that of 32-bit floats.
const GOLDEN_TOLERANCE_ONNX: f64 = 1e-5;

fn check_levels(column: &Column) -> Result<(), InvalidModel> {
    let wrong = |why| Err(InvalidModel::Levels { column: column.name.clone(), why });
    let mut seen = HashSet::new();
    match column.kind {
        Kind::Category if column.levels.is_empty() => wrong("a category has no levels"),
        Kind::Category if !column.levels.iter().all(|level| seen.insert(level)) => wrong("a level is there twice"),
        Kind::Category if column.fill.is_some_and(|fill| !(0.0..column.levels.len() as f64).contains(&fill)) => {
            wrong("what stands in for a missing value is none of them")
        }
        Kind::Category => Ok(()),
        _ if !column.levels.is_empty() => wrong("numbers have no levels"),
        _ if column.fill.is_some_and(|fill| !fill.is_finite()) => {
            Err(InvalidModel::NotFinite("what stands in for a missing value"))
        }
        _ => Ok(()),
    }
}

impl Model {
    /// Checks the parts against each other, golden predictions included.
    ///
    /// # Errors
    /// [`InvalidModel`] naming the part that does not fit.
    pub fn new(mut parts: Parts) -> Result<Self, InvalidModel> {
        let features = parts.schema.features.len();
        if features == 0 {
            return Err(InvalidModel::NoFeatures);
        }
        if parts.profiles.len() != features {
            return Err(InvalidModel::Shape { features, part: "the list of profiles", found: parts.profiles.len() });
        }
        let mut seen = HashSet::new();
        for column in parts.schema.features.iter().chain([&parts.schema.target]) {
            if !seen.insert(column.name.as_str()) {
                return Err(InvalidModel::DuplicateColumn(column.name.clone()));
            }
            if !(column.range.min.is_finite() && column.range.max.is_finite()) {
                return Err(InvalidModel::NotFinite("a column's range"));
            }
            check_levels(column)?;
        }
        let classes = &parts.schema.target;
        if classes.kind == Kind::Category && classes.levels.len() != 2 {
            return Err(InvalidModel::Classes { target: classes.name.clone(), found: classes.levels.len() });
        }
        let design = Design::from(&parts.schema);
        if let Some(linear) = parts.estimator.linear()
            && linear.coefficients.len() != design.width()
        {
            return Err(InvalidModel::Width { columns: design.width(), found: linear.coefficients.len() });
        }
        if !parts.estimator.is_finite() {
            return Err(InvalidModel::NotFinite("a coefficient"));
        }
        let target = parts.schema.target.name.as_str();
        let named = parts.profiles.iter().zip(parts.schema.names()).chain([(&parts.prediction_profile, target)]);
        for (profile, name) in named {
            if !profile.is_sound() {
                return Err(InvalidModel::Profile(name.to_owned()));
            }
        }
        if let Estimator::Onnx(onnx) = &mut parts.estimator {
            onnx.prepare(&parts.schema)?;
        }
        let model = Self { parts, design };
        if model.is_runnable() {
            model.check_own_golden()?;
        }
        Ok(model)
    }

    fn check_own_golden(&self) -> Result<(), InvalidModel> {
        let (mut index, mut failure) = (0, None);
        let checked = self.check_golden(|row| {
            let prediction = self.predict_row(row);
            index += 1;
            prediction.unwrap_or_else(|source| {
                failure = Some(InvalidModel::Unpredictable { index: index - 1, source });
                f64::NAN
            })
        });
        match failure {
            Some(failure) => Err(failure),
            None => checked,
        }
    }

    /// Whether this build can predict with it: an ONNX model needs the feature `onnx`.
    #[must_use]
    pub fn is_runnable(&self) -> bool {
        Onnx::is_supported() || !matches!(self.parts.estimator, Estimator::Onnx(_))
    }

    /// Compares the golden predictions with what `predict` gives, which may ask a server.
    ///
    /// # Errors
    /// [`InvalidModel::Golden`] at the first that differs by more than 1e-9 of its size (of ONNX, 1e-5).
    pub fn check_golden(&self, mut predict: impl FnMut(&[f64]) -> f64) -> Result<(), InvalidModel> {
        let features = self.parts.schema.features.len();
        let tolerance = match self.parts.estimator {
            Estimator::Onnx(_) => GOLDEN_TOLERANCE_ONNX,
            _ => GOLDEN_TOLERANCE,
        };
        for (index, golden) in self.parts.golden.iter().enumerate() {
            if golden.row.len() != features {
                return Err(InvalidModel::Shape { features, part: "a golden row", found: golden.row.len() });
            }
            let (expected, got) = (golden.prediction, predict(&golden.row));
            // Written so that NaN on either side is a mismatch.
            let close = (expected - got).abs() <= tolerance * expected.abs().max(1.0);
            if !close {
                return Err(InvalidModel::Golden { index, expected, got });
            }
        }
        Ok(())
    }

    /// Predicts one row: one value a feature, in the order of the schema. Does not allocate, unless the model is of ONNX.
    ///
    /// # Errors
    /// [`PredictError`] where the length is wrong, a value is not finite, or the prediction overflows.
    pub fn predict_row(&self, row: &[f64]) -> Result<f64, PredictError> {
        let mut prediction = [0.0];
        self.predict_into(row, &mut prediction)?;
        let [prediction] = prediction;
        Ok(prediction)
    }

    /// Predicts `n` rows held one after the other (row-major, `n × features`) into `predictions`, of length `n`.
    /// Does not allocate, unless the model is of ONNX; then it works in batches, in memory that does not grow with rows.
    /// NaN, which stands for a missing value, goes into an ONNX graph that takes floats; nothing else takes it.
    ///
    /// # Errors
    /// [`PredictError`] where a length is wrong, a value is not finite, or a prediction overflows; the predictions
    /// before the row at fault have been written then (of ONNX, those of the batches before).
    pub fn predict_into(&self, rows: &[f64], predictions: &mut [f64]) -> Result<(), PredictError> {
        let features = self.parts.schema.features.len();
        if !rows.len().is_multiple_of(features) {
            return Err(PredictError::Shape { found: rows.len(), features });
        }
        if rows.len() / features != predictions.len() {
            return Err(PredictError::Room { rows: rows.len() / features, room: predictions.len() });
        }
        if let Estimator::Onnx(onnx) = &self.parts.estimator {
            return onnx.predict(rows, predictions);
        }
        for (row, (values, prediction)) in rows.chunks_exact(features).zip(predictions).enumerate() {
            *prediction = self.parts.estimator.predict(&self.design, values);
            // A value that is not finite makes every sum it enters not finite, so the common case costs one check.
            if !prediction.is_finite() {
                return Err(self.explain(row, values));
            }
        }
        Ok(())
    }

    /// Predicts `n` rows held one after the other (row-major, `n × features`).
    ///
    /// # Errors
    /// As [`Model::predict_into`].
    pub fn predict(&self, rows: &[f64]) -> Result<Vec<f64>, PredictError> {
        let mut predictions = vec![0.0; rows.len() / self.parts.schema.features.len()];
        self.predict_into(rows, &mut predictions)?;
        Ok(predictions)
    }

    fn explain(&self, row: usize, values: &[f64]) -> PredictError {
        for (column, &value) in self.parts.schema.features.iter().zip(values) {
            let feature = || column.name.clone();
            if !value.is_finite() {
                return PredictError::NotFinite { row, feature: feature(), value };
            }
            let levels = column.levels.len();
            if column.kind == Kind::Category && !(value.fract() == 0.0 && (0.0..levels as f64).contains(&value)) {
                return PredictError::NoLevel { row, feature: feature(), value, levels };
            }
        }
        PredictError::Overflow { row }
    }

    /// The name that the model is served and stored under.
    #[must_use]
    pub fn name(&self) -> &ModelName {
        &self.parts.name
    }

    /// The columns that it was trained on.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.parts.schema
    }

    /// How its features become the columns that its estimator has weights for.
    #[must_use]
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// All parts, to read.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Linear, Unseen};

    /// y = 2·a - b + 1 with one golden row.
    pub(crate) fn parts() -> Parts {
        let column = |name: &str| Column::observed(name, Kind::Float, Some("g".to_owned()), &[0.0, 2.0]).unwrap();
        let profile = Profile::of(&[0.0, 1.0, 2.0]).unwrap();
        Parts {
            name: "demo".parse().unwrap(),
            schema: Schema { features: vec![column("a"), column("b")], target: column("y") },
            estimator: Estimator::Linear(Linear { coefficients: vec![2.0, -1.0], intercept: 1.0 }),
            profiles: vec![profile.clone(), profile.clone()],
            prediction_profile: profile,
            data: Digest::of(b"data"),
            config: Digest::of(b"config"),
            golden: vec![Golden { row: vec![1.0, 3.0], prediction: 0.0 }],
        }
    }

    fn linear(parts: &mut Parts) -> &mut Vec<f64> {
        let Estimator::Linear(linear) = &mut parts.estimator else { unreachable!() };
        &mut linear.coefficients
    }

    #[track_caller]
    fn refused(spoil: impl FnOnce(&mut Parts), says: &str) {
        let mut parts = parts();
        spoil(&mut parts);
        let error = Model::new(parts).unwrap_err().to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        refused(|p| p.schema.features.clear(), "no features");
        refused(|p| drop(p.profiles.pop()), "the schema has 2 features, but the list of profiles has 1");
        refused(|p| drop(p.schema.features.pop()), "the schema has 1 features, but the list of profiles has 2");
        refused(|p| linear(p).push(1.0), "the features make 2 columns, but the estimator has 3 coefficients");
        refused(|p| p.schema.features[0].levels.push("x".into()), "`a` are not those of a column of its type");
        refused(|p| p.schema.target.kind = Kind::Category, "a category has no levels");
        refused(|p| p.schema.features[0].fill = Some(f64::NAN), "a missing value is not finite");
        let classes =
            |count: u8| Column::category("y", (0..count).map(|class| class.to_string()).collect(), Unseen::Refuse);
        refused(|p| p.schema.target = classes(3), "`y` has 3 classes");
        refused(|p| p.schema.target.name = "a".into(), "`a` twice");
        refused(|p| p.schema.target.range.max = f64::INFINITY, "range is not finite");
        refused(|p| p.profiles[1].counts[0] += 1, "profile of `b`");
        refused(|p| p.prediction_profile.edges.clear(), "profile of `y`");
        refused(|p| p.golden[0].prediction = 0.1, "golden prediction 0: expected 0.1, got 0");
        refused(|p| p.golden[0].prediction = f64::NAN, "golden prediction 0");
        refused(|p| p.golden[0].row.truncate(1), "a golden row has 1");
        let weights = |weight| Estimator::Linear(Linear { coefficients: vec![weight, 1.0], intercept: 0.0 });
        refused(|p| p.estimator = weights(f64::NAN), "coefficient is not finite");
    }

    #[test]
    fn one_row_and_many() {
        let model = Model::new(parts()).unwrap();
        assert_eq!(model.predict_row(&[1.0, 1.0]), Ok(2.0));
        assert_eq!(model.predict(&[1.0, 1.0, 0.0, 1.0, 5.0, 0.0]), Ok(vec![2.0, 0.0, 11.0]));
        assert_eq!(model.predict(&[]), Ok(vec![]));
    }

    #[track_caller]
    fn unpredictable(rows: &[f64], says: &str) {
        let error = Model::new(parts()).unwrap().predict(rows).unwrap_err().to_string();
        assert_eq!(error, says);
    }

    #[test]
    fn rows_that_cannot_be_predicted() {
        unpredictable(&[1.0, 2.0, 3.0], "3 values are not a whole number of rows of 2 features");
        unpredictable(&[1.0, 2.0, 3.0, f64::NAN], "row 1, feature `b`: NaN is not a finite number");
        unpredictable(&[f64::INFINITY, 2.0], "row 0, feature `a`: inf is not a finite number");
        unpredictable(&[f64::MAX, 0.0], "row 0: the prediction overflows");
        let room = Model::new(parts()).unwrap().predict_into(&[1.0, 2.0], &mut []);
        assert_eq!(room, Err(PredictError::Room { rows: 1, room: 0 }));
    }
}
