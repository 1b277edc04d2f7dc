//! `TreeEnsemble`, which replaces the other two from version 5 of `ai.onnx.ml` on.

use tract_onnx::{model::ParsingContext, pb::NodeProto, tract_hir::internal::*};

use super::{
    ensemble::{Aggregate, Branch, Weight},
    grow::{Seed, grow},
    op::Finish,
    regressor::Regressor,
};
use crate::onnx::ops::tensors::{numbers, tensor_attribute};

pub(super) fn ensemble(_ctx: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let tensor = |name: &str| tensor_attribute(node, name)?.with_context(|| format!("there is no {name}"));
    let datum = tensor("nodes_splits")?.datum_type();
    ensure!(datum == f32::datum_type() || datum == f64::datum_type(), "nodes_splits are of {datum:?}");
    let targets = node.get_attr_opt::<i64>("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|targets| (1..=1 << 16).contains(targets));
    let targets = targets.context("n_targets is not between 1 and 65536")?;
    let aggregate = match node.get_attr_opt::<i64>("aggregate_function")?.unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => bail!("aggregate_function {other} is not known"),
    };
    let finish = match node.get_attr_opt::<i64>("post_transform")?.unwrap_or(0) {
        0 => Finish::None,
        1 => Finish::Softmax,
        2 => Finish::Logistic,
        3 => Finish::SoftmaxZero,
        other => bail!("post_transform {other} is not supported"),
    };
    ensure!(targets > 1 || finish == Finish::None, "a post_transform of one target is taken differently by runtimes");

    let features: Vec<i64> = node.get_attr_vec("nodes_featureids")?;
    let (splits, modes) = (numbers(&tensor("nodes_splits")?)?, numbers(&tensor("nodes_modes")?)?);
    let (on_true, on_false) =
        (node.get_attr_vec::<i64>("nodes_truenodeids")?, node.get_attr_vec::<i64>("nodes_falsenodeids")?);
    let (true_leaf, false_leaf) =
        (node.get_attr_vec::<i64>("nodes_trueleafs")?, node.get_attr_vec::<i64>("nodes_falseleafs")?);
    let missing: Vec<i64> = node.get_attr_opt_vec("nodes_missing_value_tracks_true")?.unwrap_or_default();
    let count = features.len();
    let lengths = [splits.len(), modes.len(), on_true.len(), on_false.len(), true_leaf.len(), false_leaf.len()];
    ensure!(lengths == [count; 6], "the lists of {count} nodes have {lengths:?} entries");
    ensure!(
        missing.is_empty() || missing.len() == count,
        "nodes_missing_value_tracks_true has {} entries",
        missing.len()
    );
    let leaf_targets: Vec<i64> = node.get_attr_vec("leaf_targetids")?;
    let leaf_weights = numbers(&tensor("leaf_weights")?)?;
    ensure!(leaf_targets.len() == leaf_weights.len(), "leaf_targetids and leaf_weights have not the same length");

    // A leaf may be named by several nodes; each gets one of its own.
    let mut seeds: Vec<Seed> = Vec::with_capacity(2 * count);
    let mut leaves = Vec::new();
    for place in 0..count {
        let mut child = |to: i64, is_leaf: i64| -> TractResult<usize> {
            let to = usize::try_from(to).context("a node leads to a negative number")?;
            if is_leaf == 0 {
                ensure!(to < count, "a node leads to node {to} of {count}");
                return Ok(to);
            }
            let (target, weight) = leaf_targets.get(to).zip(leaf_weights.get(to)).context("a leaf is not there")?;
            let target = u32::try_from(*target).context("a leaf adds to a negative target")?;
            leaves.push(Seed::Leaf(vec![Weight { target, weight: *weight }]));
            Ok(count + leaves.len() - 1)
        };
        seeds.push(Seed::Branch {
            branch: match modes[place] as i64 {
                0 => Branch::LessOrEqual,
                1 => Branch::Less,
                2 => Branch::GreaterOrEqual,
                3 => Branch::Greater,
                4 => Branch::Equal,
                5 => Branch::NotEqual,
                other => bail!("a node compares by mode {other}, which is not supported"),
            },
            feature: features[place],
            threshold: splits[place],
            missing_holds: missing.get(place).is_some_and(|flag| *flag != 0),
            next: [child(on_false[place], false_leaf[place])?, child(on_true[place], true_leaf[place])?],
        });
    }
    seeds.extend(leaves);
    let roots: Vec<i64> = node.get_attr_vec("tree_roots")?;
    let roots = roots.iter().map(|root| Ok(usize::try_from(*root)?)).collect::<TractResult<Vec<_>>>()?;
    ensure!(!roots.is_empty(), "there are no trees");
    let ensemble = grow(&seeds, &roots, targets, aggregate, vec![0.0; targets])?;
    Ok((expand(Regressor { ensemble: Arc::new(ensemble), finish, datum }), vec![]))
}
