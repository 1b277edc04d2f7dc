//! `OneHotEncoder`: a column for each category.

use std::collections::HashMap;

use tract_onnx::{
    model::{OnnxOpRegister, ParsingContext},
    pb::NodeProto,
    tract_hir::internal::*,
};

use super::kernel::{Apply, Kernel};

pub(super) fn register(register: &mut OnnxOpRegister) {
    register.insert("OneHotEncoder", encoder);
}

fn encoder(_ctx: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let numbers = node.get_attr_opt_vec::<i64>("cats_int64s")?.unwrap_or_default();
    let texts = node.get_attr_opt_vec::<String>("cats_strings")?.unwrap_or_default();
    ensure!(numbers.is_empty() != texts.is_empty(), "there have to be categories of one type");
    Ok(Apply::boxed(OneHotEncoder {
        count: numbers.len().max(texts.len()),
        numbers: numbers.into_iter().zip(0..).collect(),
        texts: texts.into_iter().zip(0..).collect(),
        is_lenient: node.get_attr_opt::<i64>("zeros")?.unwrap_or(1) != 0,
    }))
}

#[derive(Debug)]
struct OneHotEncoder {
    count: usize,
    numbers: HashMap<i64, usize>,
    texts: HashMap<String, usize>,
    /// Whether what is no category gets no column.
    is_lenient: bool,
}

impl OneHotEncoder {
    fn encode(&self, places: impl Iterator<Item = Option<usize>>, shape: &[usize]) -> TractResult<Tensor> {
        let mut shape = shape.to_vec();
        shape.push(self.count);
        let mut tensor = tract_ndarray::ArrayD::<f32>::zeros(shape);
        let columns = tensor.as_slice_mut().context("new, so in order")?;
        for (columns, place) in columns.chunks_exact_mut(self.count).zip(places) {
            match place.and_then(|place| columns.get_mut(place)) {
                Some(column) => *column = 1.0,
                None => ensure!(self.is_lenient, "a value is none of the categories"),
            }
        }
        Ok(tensor.into_tensor())
    }
}

impl Kernel for OneHotEncoder {
    const NAME: &'static str = "OneHotEncoder";

    fn output(&self, datum: DatumType, shape: &[TDim]) -> TractResult<(DatumType, TVec<TDim>)> {
        let is_text = datum == String::datum_type();
        ensure!(is_text != self.texts.is_empty(), "its categories are not of {datum:?}");
        ensure!(is_text || datum.is_number(), "it takes numbers or texts, not {datum:?}");
        let mut shape: TVec<TDim> = shape.into();
        shape.push(self.count.to_dim());
        Ok((f32::datum_type(), shape))
    }

    fn run(&self, input: &Tensor) -> TractResult<Tensor> {
        if input.datum_type() == String::datum_type() {
            let view = input.to_plain_array_view::<String>()?;
            return self.encode(view.iter().map(|text| self.texts.get(text).copied()), input.shape());
        }
        let input = input.cast_to::<i64>()?;
        let view = input.to_plain_array_view::<i64>()?;
        self.encode(view.iter().map(|number| self.numbers.get(number).copied()), input.shape())
    }
}
