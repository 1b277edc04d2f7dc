//! `LabelEncoder`: each key's value.

use std::collections::HashMap;

use tract_onnx::{
    model::{OnnxOpRegister, ParsingContext},
    pb::NodeProto,
    tract_hir::internal::*,
};

use super::{
    kernel::{Apply, Kernel},
    tensors::tensor_attribute,
};

pub(super) fn register(register: &mut OnnxOpRegister) {
    register.insert("LabelEncoder", encoder);
}

fn encoder(_ctx: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let keys = list(node, "keys")?.context("there are no keys")?;
    let values = list(node, "values")?.context("there are no values")?;
    ensure!(keys.len() == values.len(), "there are {} keys and {} values", keys.len(), values.len());
    let default = match tensor_attribute(node, "default_tensor")? {
        Some(tensor) => tensor,
        None if values.datum_type() == i64::datum_type() => {
            tensor0(node.get_attr_opt("default_int64")?.unwrap_or(-1_i64))
        }
        None if values.datum_type() == String::datum_type() => {
            tensor0(node.get_attr_opt::<String>("default_string")?.unwrap_or_else(|| "_Unused".to_owned()))
        }
        None => tensor0(node.get_attr_opt("default_float")?.unwrap_or(-0.0_f32)),
    };
    ensure!(default.len() == 1, "the default has {} values", default.len());
    let default = default.cast_to_dt(values.datum_type())?.into_owned().into_shape(&[1])?;
    let places = places(&keys)?.into_iter().zip(0..).collect();
    let values = Tensor::stack_tensors(0, &[values, default])?;
    Ok(Apply::boxed(LabelEncoder { datum: keys.datum_type(), places, values }))
}

fn list(node: &NodeProto, name: &str) -> TractResult<Option<Tensor>> {
    if let Some(tensor) = tensor_attribute(node, &format!("{name}_tensor"))? {
        return Ok(Some(tensor));
    }
    if let Some(texts) = node.get_attr_opt_vec::<String>(&format!("{name}_strings"))?.filter(|list| !list.is_empty()) {
        return Ok(Some(tensor1(&texts)));
    }
    if let Some(numbers) = node.get_attr_opt_vec::<i64>(&format!("{name}_int64s"))?.filter(|list| !list.is_empty()) {
        return Ok(Some(tensor1(&numbers)));
    }
    let floats = node.get_attr_opt_vec::<f32>(&format!("{name}_floats"))?.filter(|list| !list.is_empty());
    Ok(floats.map(|floats| tensor1(&floats)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Number(i64),
    /// The bits of a float; those of one NaN for all of them, and of 0 for -0.
    Float(u64),
    Text(String),
}

fn places(tensor: &Tensor) -> TractResult<Vec<Key>> {
    if tensor.datum_type() == String::datum_type() {
        return Ok(tensor.to_plain_array_view::<String>()?.iter().cloned().map(Key::Text).collect());
    }
    if tensor.datum_type().is_float() {
        let tensor = tensor.cast_to::<f64>()?;
        let bits = |value: &f64| if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() };
        return Ok(tensor.to_plain_array_view::<f64>()?.iter().map(|value| Key::Float(bits(value))).collect());
    }
    let tensor = tensor.cast_to::<i64>()?;
    Ok(tensor.to_plain_array_view::<i64>()?.iter().copied().map(Key::Number).collect())
}

#[derive(Debug)]
struct LabelEncoder {
    datum: DatumType,
    places: HashMap<Key, usize>,
    /// One a key, and the default.
    values: Tensor,
}

impl LabelEncoder {
    fn look_up<T: Datum>(&self, input: &Tensor) -> TractResult<Tensor> {
        let values = self.values.to_plain_array_view::<T>()?;
        let values = values.as_slice().context("new, so in order")?;
        let default = values.last().context("there is a default")?;
        let found = places(input)?
            .into_iter()
            .map(|key| self.places.get(&key).and_then(|place| values.get(*place)).unwrap_or(default).clone());
        Ok(tract_ndarray::ArrayD::from_shape_vec(input.shape(), found.collect())?.into_tensor())
    }
}

impl Kernel for LabelEncoder {
    const NAME: &'static str = "LabelEncoder";

    fn output(&self, datum: DatumType, shape: &[TDim]) -> TractResult<(DatumType, TVec<TDim>)> {
        let (own, theirs) = (self.datum.is_float(), datum.is_float());
        let is_same = self.datum == datum || own && theirs;
        ensure!(is_same, "its keys are of {:?}, and the values are of {datum:?}", self.datum);
        Ok((self.values.datum_type(), shape.into()))
    }

    fn run(&self, input: &Tensor) -> TractResult<Tensor> {
        dispatch_datum!(Self::look_up(self.values.datum_type())(self, input))
    }
}
