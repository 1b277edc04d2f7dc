use std::collections::HashSet;

use mlci_core::{Digest, ModelName};
use serde::{Deserialize, Serialize};

use crate::{Column, Design, Estimator, Kind, Onnx, Profile, Schema};

mod error;

pub use self::error::{InvalidModel, PredictError};

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

/// Golden predictions may differ by the rounding of another CPU's arithmetic, relative to the size of the prediction or
/// the spread of all, whichever is larger: a prediction near 0 may be a small difference of large numbers.
const GOLDEN_TOLERANCE: f64 = 1e-9;
/// The same for ONNX, whose arithmetic is mostly that of 32-bit floats.
const GOLDEN_TOLERANCE_ONNX: f64 = 1e-5;
/// However small a probability of ONNX, it may be 1 less another: eight steps of a 32-bit float below 1.
const GOLDEN_STEPS_ONNX: f64 = 8.0 * (f32::EPSILON / 2.0) as f64;

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
    /// [`InvalidModel::Golden`] at the first that differs by more than 1e-9 (of ONNX, 1e-5) of its size, or of the
    /// standard deviation of the predictions in training, whichever is larger; a probability of ONNX may differ by
    /// 4.8e-7.
    pub fn check_golden(&self, mut predict: impl FnMut(&[f64]) -> f64) -> Result<(), InvalidModel> {
        let features = self.parts.schema.features.len();
        let (tolerance, least) = match self.parts.estimator {
            Estimator::Onnx(_) if self.parts.schema.target.kind == Kind::Category => {
                (GOLDEN_TOLERANCE_ONNX, GOLDEN_STEPS_ONNX)
            }
            Estimator::Onnx(_) => (GOLDEN_TOLERANCE_ONNX, 0.0),
            _ => (GOLDEN_TOLERANCE, 0.0),
        };
        let spread = self.parts.prediction_profile.standard_deviation;
        for (index, golden) in self.parts.golden.iter().enumerate() {
            if golden.row.len() != features {
                return Err(InvalidModel::Shape { features, part: "a golden row", found: golden.row.len() });
            }
            let (expected, got) = (golden.prediction, predict(&golden.row));
            // Written so that NaN on either side is a mismatch.
            let close = (expected - got).abs() <= (tolerance * expected.abs().max(spread)).max(least);
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
pub(crate) mod tests;
