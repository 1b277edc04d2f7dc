//! `Binarizer`: 1 above a threshold, else 0.

use tract_onnx::{
    model::{OnnxOpRegister, ParsingContext},
    pb::NodeProto,
    tract_hir::internal::*,
};

use super::kernel::{Apply, Kernel};

pub(super) fn register(register: &mut OnnxOpRegister) {
    register.insert("Binarizer", |_: &ParsingContext, node: &NodeProto| {
        Ok(Apply::boxed(Binarizer { threshold: node.get_attr_opt("threshold")?.unwrap_or(0.0) }))
    });
}

#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

impl Kernel for Binarizer {
    const NAME: &'static str = "Binarizer";

    fn output(&self, datum: DatumType, shape: &[TDim]) -> TractResult<(DatumType, TVec<TDim>)> {
        ensure!(datum == f32::datum_type() || datum == f64::datum_type(), "it takes floats, not {datum:?}");
        Ok((datum, shape.into()))
    }

    fn run(&self, input: &Tensor) -> TractResult<Tensor> {
        if input.datum_type() == f64::datum_type() {
            let threshold = f64::from(self.threshold);
            let view = input.to_plain_array_view::<f64>()?;
            return Ok(view.mapv(|value| f64::from(u8::from(value > threshold))).into_tensor());
        }
        let view = input.to_plain_array_view::<f32>()?;
        Ok(view.mapv(|value| f32::from(u8::from(value > self.threshold))).into_tensor())
    }
}
