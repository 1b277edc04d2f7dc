//! `TreeEnsembleRegressor`, and what it shares with `TreeEnsemble`.

use tract_onnx::{model::ParsingContext, pb::NodeProto, tract_hir::internal::*};

use super::{
    attributes,
    ensemble::Ensemble,
    op::{Finish, wire},
};

pub(super) fn regressor(_ctx: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let targets = node.get_attr_opt::<i64>("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|targets| (1..=1 << 16).contains(targets));
    let targets = targets.context("n_targets is not between 1 and 65536")?;
    let finish = Finish::parse(node.get_attr_opt("post_transform")?.unwrap_or("NONE"))?;
    // ONNX Runtime leaves one target as it is, against the text of the standard.
    ensure!(targets > 1 || finish == Finish::None, "a post_transform of one target is taken differently by runtimes");
    let base = attributes::floats(node, "base_values")?;
    let base = if base.is_empty() { vec![0.0; targets] } else { base };
    let ensemble = attributes::read(node, "target", targets, attributes::aggregate(node)?, base)?;
    Ok((expand(Regressor { ensemble: Arc::new(ensemble), finish, datum: f32::datum_type() }), vec![]))
}

/// Rows in, one score a target out.
#[derive(Debug, Clone)]
pub(super) struct Regressor {
    pub(super) ensemble: Arc<Ensemble<f64>>,
    pub(super) finish: Finish,
    /// What it gives.
    pub(super) datum: DatumType,
}

impl PartialEq for Regressor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ensemble, &other.ensemble) && self.finish == other.finish
    }
}

impl Eq for Regressor {}

impl Expansion for Regressor {
    fn name(&self) -> StaticName {
        "TreeEnsembleRegressor".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].datum_type, self.datum)?;
        s.equals(&outputs[0].rank, 2)?;
        s.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        s.equals(&outputs[0].shape[1], self.ensemble.targets.to_dim())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let mut scores = wire(&self.ensemble, self.finish, prefix, model, inputs[0])?;
        if self.datum != f32::datum_type() {
            let cast = tract_onnx::tract_hir::tract_core::ops::cast::cast(self.datum);
            scores = model.wire_node(format!("{prefix}.cast"), cast, &[scores])?[0];
        }
        Ok(tvec!(scores))
    }
}
