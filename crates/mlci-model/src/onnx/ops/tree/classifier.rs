//! `TreeEnsembleClassifier`.

use std::collections::HashSet;

use tract_onnx::{
    model::ParsingContext,
    pb::NodeProto,
    tract_hir::{
        internal::*,
        tract_core::ops::{
            cast::cast,
            nn::{Reduce, Reducer},
        },
    },
};

use super::{
    attributes,
    ensemble::{Aggregate, Ensemble},
    op::{Finish, wire},
};
use crate::onnx::ops::labels::{Labels, look_up};

pub(super) fn classifier(_ctx: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let labels = Labels::of(node)?;
    let classes = labels.len();
    let finish = Finish::parse(node.get_attr_opt("post_transform")?.unwrap_or("NONE"))?;
    let base = attributes::floats(node, "base_values")?;
    let ids: HashSet<i64> = node.get_attr_vec("class_ids")?.into_iter().collect();
    let weights = attributes::floats(node, "class_weights")?;
    // Of two classes, weights may be of one score alone, which says how much the second is in favour.
    let (targets, finish) = if classes == 2 && ids == HashSet::from([0]) && base.len() < 2 {
        let finish = match finish {
            _ if weights.iter().all(|weight| *weight >= 0.0) => Finish::Complement,
            Finish::Logistic => Finish::LogisticPair,
            _ => Finish::Negative,
        };
        (1, finish)
    } else {
        ensure!(
            base.is_empty() || classes > 2 || !ids.contains(&1),
            "base values of two classes that both have weights are taken differently by runtimes"
        );
        (classes, finish)
    };
    let base = if base.is_empty() { vec![0.0; targets] } else { base };
    let ensemble = attributes::read(node, "class", targets, Aggregate::Sum, base)?;
    Ok((expand(Classifier { ensemble: Arc::new(ensemble), finish, labels }), vec![]))
}

#[derive(Debug, Clone)]
struct Classifier {
    ensemble: Arc<Ensemble<f64>>,
    finish: Finish,
    labels: Labels,
}

impl PartialEq for Classifier {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ensemble, &other.ensemble) && self.finish == other.finish && self.labels == other.labels
    }
}

impl Eq for Classifier {}

impl Expansion for Classifier {
    fn name(&self) -> StaticName {
        "TreeEnsembleClassifier".into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(2)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 2)?;
        s.equals(&outputs[0].datum_type, self.labels.datum_type())?;
        s.equals(&outputs[0].rank, 1)?;
        s.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        s.equals(&outputs[1].datum_type, f32::datum_type())?;
        s.equals(&outputs[1].rank, 2)?;
        s.equals(&outputs[1].shape[0], &inputs[0].shape[0])?;
        s.equals(&outputs[1].shape[1], self.labels.len().to_dim())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let scores = wire(&self.ensemble, self.finish, prefix, model, inputs[0])?;
        let best = Reduce::new(tvec!(1), Reducer::ArgMax(false));
        let best = model.wire_node(format!("{prefix}.best"), best, &[scores])?;
        let best = model.wire_node(format!("{prefix}.best_flat"), AxisOp::Rm(1), &best)?;
        let best = model.wire_node(format!("{prefix}.best_place"), cast(i64::datum_type()), &best)?;
        let label = look_up(&self.labels, prefix, model, best[0])?;
        Ok(tvec!(label, scores))
    }
}
