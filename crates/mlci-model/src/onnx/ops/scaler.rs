//! `Scaler`: `(x - offset) * scale`, a feature each or one for all.

use tract_onnx::{
    model::{OnnxOpRegister, ParsingContext},
    pb::NodeProto,
    tract_hir::{
        internal::*,
        tract_core::ops::{cast::cast, math},
    },
};

pub(super) fn register(register: &mut OnnxOpRegister) {
    register.insert("Scaler", scaler);
}

fn scaler(_ctx: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let offset: Vec<f32> = node.get_attr_opt_vec("offset")?.unwrap_or_else(|| vec![0.0]);
    let scale: Vec<f32> = node.get_attr_opt_vec("scale")?.unwrap_or_else(|| vec![1.0]);
    node.expect(!offset.is_empty() && !scale.is_empty(), "offset and scale not empty")?;
    Ok((expand(Scaler { offset: rctensor1(&offset), scale: rctensor1(&scale) }), vec![]))
}

#[derive(Debug, Clone, Hash, PartialEq, Eq)]
struct Scaler {
    offset: Arc<Tensor>,
    scale: Arc<Tensor>,
}

impl Expansion for Scaler {
    fn name(&self) -> StaticName {
        "Scaler".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].datum_type, DatumType::F32)?;
        s.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let fact = model.outlet_fact(inputs[0])?.clone();
        let features = fact.shape.last().cloned().unwrap_or_else(|| 1.to_dim());
        let mut x = inputs[0];
        if fact.datum_type != f32::datum_type() {
            x = model.wire_node(format!("{prefix}.to_f32"), cast(f32::datum_type()), &[x])?[0];
        }
        for (name, tensor, op) in [("offset", &self.offset, math::sub()), ("scale", &self.scale, math::mul())] {
            ensure!(
                tensor.len() == 1 || tensor.len().to_dim() == features,
                "Scaler has {} values of {name} for {features} features",
                tensor.len()
            );
            let value = tensor.as_ref().clone().broadcast_into_rank(fact.rank())?.into_arc_tensor();
            let value = model.add_const(format!("{prefix}.{name}"), value)?;
            x = model.wire_node(format!("{prefix}.by_{name}"), op, &[x, value])?[0];
        }
        Ok(tvec!(x))
    }
}
