//! Rows as the tensors that a graph takes.

use tract_onnx::prelude::{
    DatumType, IntoTensor as _, TValue, TVec, Tensor, tract_ndarray::ArrayD, tract_ndarray::IxDyn,
};

use super::{OnnxElement, OnnxInput, resolve};
use crate::{Column, Kind, PredictError};

/// Makes the tensors of some rows.
pub(super) struct Feed {
    columns: Vec<Source>,
    /// Whether all columns are one tensor.
    is_one: bool,
    element: OnnxElement,
    /// Whether that is one of 32-bit floats, and no column is a category.
    is_plain: bool,
}

/// A feature on its way into a tensor.
struct Source {
    name: String,
    element: OnnxElement,
    flat: bool,
    /// Of a category: what goes in for each level.
    levels: Vec<Level>,
    is_category: bool,
}

#[derive(Clone)]
struct Level {
    text: String,
    value: f64,
}

impl Feed {
    pub(super) fn new(input: &OnnxInput, features: &[Column]) -> Self {
        let is_category = |feature: &Column| feature.kind == Kind::Category;
        let source = |feature: &Column, element: OnnxElement, flat: bool| {
            let level = |text: &String| {
                // That it spells a number has been checked where it has to.
                Level { text: text.clone(), value: resolve::level_value(text, element).unwrap_or(f64::NAN) }
            };
            Source {
                name: feature.name.clone(),
                element,
                flat,
                levels: feature.levels.iter().map(level).collect(),
                is_category: is_category(feature),
            }
        };
        match input {
            OnnxInput::Rows { element, .. } => Self {
                is_plain: *element == OnnxElement::Float && !features.iter().any(is_category),
                columns: features.iter().map(|feature| source(feature, *element, false)).collect(),
                is_one: true,
                element: *element,
            },
            OnnxInput::Columns(columns) => Self {
                columns: columns
                    .iter()
                    .zip(features)
                    .map(|(column, f)| source(f, column.element, column.flat))
                    .collect(),
                is_one: false,
                element: OnnxElement::Float,
                is_plain: false,
            },
        }
    }

    /// The type of each tensor and its dimensions after that of the rows.
    pub(super) fn tensors(&self) -> Vec<(DatumType, Option<usize>)> {
        if self.is_one {
            return vec![(datum(self.element), Some(self.columns.len()))];
        }
        self.columns.iter().map(|source| (datum(source.element), (!source.flat).then_some(1))).collect()
    }

    /// The tensors of these rows, of which the first is row `first` to the caller.
    pub(super) fn make(&self, rows: &[f64], first: usize) -> Result<TVec<TValue>, PredictError> {
        let width = self.columns.len();
        let count = rows.len() / width.max(1);
        if self.is_plain {
            let floats: Vec<f32> = rows.iter().map(|value| *value as f32).collect();
            // What is infinite is named below.
            if !floats.iter().any(|float| float.is_infinite()) {
                return Ok(TVec::from_elem(shaped(&[count, width], floats)?.into(), 1));
            }
        }
        if self.is_one {
            let rows = rows.chunks_exact(width.max(1)).zip(first..);
            let all = rows.flat_map(|(values, row)| {
                self.columns.iter().zip(values).map(move |(source, value)| (row, source, *value))
            });
            return Ok(TVec::from_elem(tensor(self.element, &[count, width], all)?, 1));
        }
        let tensors = self.columns.iter().enumerate().map(|(place, source)| {
            let column = rows.iter().skip(place).step_by(width).enumerate();
            let shape: &[usize] = if source.flat { &[count] } else { &[count, 1] };
            tensor(source.element, shape, column.map(|(row, value)| (first + row, source, *value)))
        });
        tensors.collect()
    }
}

impl Source {
    fn level(&self, row: usize, value: f64) -> Result<&Level, PredictError> {
        let level = (value.fract() == 0.0 && value >= 0.0).then(|| self.levels.get(value as usize)).flatten();
        let (feature, levels) = (|| self.name.clone(), self.levels.len());
        level.ok_or_else(|| PredictError::NoLevel { row, feature: feature(), value, levels })
    }

    /// The number that goes in; a missing value as NaN.
    fn number(&self, row: usize, value: f64) -> Result<f64, PredictError> {
        if self.is_category {
            return Ok(self.level(row, value)?.value);
        }
        if value.is_infinite() {
            return Err(PredictError::NotFinite { row, feature: self.name.clone(), value });
        }
        Ok(value)
    }

    fn refused(&self, row: usize, value: f64) -> PredictError {
        PredictError::OnnxInput { row, feature: self.name.clone(), value, element: self.element }
    }
}

fn datum(element: OnnxElement) -> DatumType {
    match element {
        OnnxElement::Float => DatumType::F32,
        OnnxElement::Double => DatumType::F64,
        OnnxElement::Integer => DatumType::I64,
        OnnxElement::Text => DatumType::String,
    }
}

fn tensor<'a>(
    element: OnnxElement,
    shape: &[usize],
    values: impl Iterator<Item = (usize, &'a Source, f64)>,
) -> Result<TValue, PredictError> {
    let tensor = match element {
        OnnxElement::Float => whole(shape, values, |row, source, value| {
            let number = source.number(row, value)?;
            let float = number as f32;
            if float.is_infinite() { Err(source.refused(row, value)) } else { Ok(float) }
        })?,
        OnnxElement::Double => whole(shape, values, |row, source, value| source.number(row, value))?,
        OnnxElement::Integer => whole(shape, values, |row, source, value| {
            let number = source.number(row, value)?;
            if resolve::is_integer(number) { Ok(number as i64) } else { Err(source.refused(row, value)) }
        })?,
        OnnxElement::Text => {
            whole(shape, values, |row, source, value| source.level(row, value).map(|level| level.text.clone()))?
        }
    };
    Ok(tensor.into())
}

fn whole<'a, T: tract_onnx::prelude::Datum>(
    shape: &[usize],
    values: impl Iterator<Item = (usize, &'a Source, f64)>,
    mut convert: impl FnMut(usize, &'a Source, f64) -> Result<T, PredictError>,
) -> Result<Tensor, PredictError> {
    let mut converted = Vec::with_capacity(shape.iter().product());
    for (row, source, value) in values {
        converted.push(convert(row, source, value)?);
    }
    shaped(shape, converted)
}

fn shaped<T: tract_onnx::prelude::Datum>(shape: &[usize], values: Vec<T>) -> Result<Tensor, PredictError> {
    let array = ArrayD::from_shape_vec(IxDyn(shape), values);
    array.map(|array| array.into_tensor()).map_err(|error| PredictError::OnnxRun { row: None, why: error.to_string() })
}
