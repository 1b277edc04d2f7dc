//! `Imputer`: a value in the place of those that are missing.

use tract_onnx::{
    model::{OnnxOpRegister, ParsingContext},
    pb::NodeProto,
    tract_hir::internal::*,
};

use super::kernel::{Apply, Kernel, check_width};

pub(super) fn register(register: &mut OnnxOpRegister) {
    register.insert("Imputer", imputer);
}

fn imputer(_ctx: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let floats = node.get_attr_opt_vec::<f32>("imputed_value_floats")?.unwrap_or_default();
    let integers = node.get_attr_opt_vec::<i64>("imputed_value_int64s")?.unwrap_or_default();
    ensure!(floats.is_empty() != integers.is_empty(), "there have to be values of one type to impute");
    Ok(Apply::boxed(Imputer {
        floats,
        integers,
        missing_float: node.get_attr_opt("replaced_value_float")?.unwrap_or(0.0),
        missing_integer: node.get_attr_opt("replaced_value_int64")?.unwrap_or(0),
    }))
}

#[derive(Debug)]
struct Imputer {
    floats: Vec<f32>,
    integers: Vec<i64>,
    missing_float: f32,
    missing_integer: i64,
}

impl Kernel for Imputer {
    const NAME: &'static str = "Imputer";

    fn output(&self, datum: DatumType, shape: &[TDim]) -> TractResult<(DatumType, TVec<TDim>)> {
        ensure!(
            datum == i64::datum_type() && !self.integers.is_empty() || datum.is_float() && !self.floats.is_empty(),
            "it has no values to impute for {datum:?}"
        );
        check_width("imputed values", self.floats.len().max(self.integers.len()), shape)?;
        Ok((datum, shape.into()))
    }

    fn run(&self, input: &Tensor) -> TractResult<Tensor> {
        let missing = self.missing_float;
        if input.datum_type() == i64::datum_type() {
            return filled(input, &self.integers, |value: i64| value == self.missing_integer);
        }
        if input.datum_type() == f64::datum_type() {
            let floats: Vec<f64> = self.floats.iter().copied().map(f64::from).collect();
            return filled(input, &floats, |value: f64| {
                value == f64::from(missing) || value.is_nan() && missing.is_nan()
            });
        }
        filled(input, &self.floats, |value: f32| value == missing || value.is_nan() && missing.is_nan())
    }
}

fn filled<T: Datum + Copy>(input: &Tensor, values: &[T], is_missing: impl Fn(T) -> bool) -> TractResult<Tensor> {
    let mut array = input.to_plain_array_view::<T>()?.to_owned();
    // In the order of rows, so that values go round feature by feature.
    for (place, value) in array.iter_mut().zip(values.iter().cycle()) {
        if is_missing(*place) {
            *place = *value;
        }
    }
    Ok(array.into_tensor())
}
