//! The lists of attributes in which `TreeEnsembleRegressor` and `TreeEnsembleClassifier` are written.

use std::collections::HashMap;

use tract_onnx::{pb::NodeProto, tract_hir::internal::*};

use super::{
    ensemble::{Aggregate, Branch, Ensemble, Weight},
    grow::{Seed, grow},
};
use crate::onnx::ops::tensors::{numbers, tensor_attribute};

/// Reads an ensemble; `prefix` is `target` or `class`, by the operator.
pub(super) fn read(
    node: &NodeProto,
    prefix: &str,
    targets: usize,
    aggregate: Aggregate,
    base: Vec<f64>,
) -> TractResult<Ensemble<f64>> {
    let trees: Vec<i64> = node.get_attr_vec("nodes_treeids")?;
    let ids: Vec<i64> = node.get_attr_vec("nodes_nodeids")?;
    let count = ids.len();
    ensure!(count > 0, "there are no trees");
    let features: Vec<i64> = node.get_attr_vec("nodes_featureids")?;
    let thresholds = floats(node, "nodes_values")?;
    let modes: Vec<String> = node.get_attr_vec("nodes_modes")?;
    let on_true: Vec<i64> = node.get_attr_vec("nodes_truenodeids")?;
    let on_false: Vec<i64> = node.get_attr_vec("nodes_falsenodeids")?;
    let missing: Vec<i64> = node.get_attr_opt_vec("nodes_missing_value_tracks_true")?.unwrap_or_default();
    let lengths = [trees.len(), features.len(), thresholds.len(), modes.len(), on_true.len(), on_false.len()];
    ensure!(lengths == [count; 6], "the lists of {count} nodes have {lengths:?} entries");
    ensure!(
        missing.is_empty() || missing.len() == count,
        "nodes_missing_value_tracks_true has {} entries for {count} nodes",
        missing.len()
    );
    let places: HashMap<(i64, i64), usize> = trees.iter().copied().zip(ids.iter().copied()).zip(0..).collect();
    ensure!(places.len() == count, "a node of a tree is there twice");
    let mut leaves = leaves(node, prefix)?;

    let mut is_child = vec![false; count];
    let mut seeds = Vec::with_capacity(count);
    for place in 0..count {
        let (tree, id) = (trees[place], ids[place]);
        let Some(branch) = branch(&modes[place])? else {
            seeds.push(Seed::Leaf(leaves.remove(&(tree, id)).unwrap_or_default()));
            continue;
        };
        let mut child = |child: i64| -> TractResult<usize> {
            let found = places.get(&(tree, child)).copied();
            let found =
                found.with_context(|| format!("node {id} of tree {tree} leads to {child}, which is no node"))?;
            is_child[found] = true;
            Ok(found)
        };
        seeds.push(Seed::Branch {
            branch,
            feature: features[place],
            threshold: thresholds[place],
            missing_holds: missing.get(place).is_some_and(|flag| *flag != 0),
            next: [child(on_false[place])?, child(on_true[place])?],
        });
    }
    if let Some((tree, id)) = leaves.keys().next() {
        bail!("{prefix}_weights are of node {id} of tree {tree}, which is no leaf");
    }
    // A tree is added up where it begins; a tree that has no beginning is a cycle.
    let roots: Vec<usize> = (0..count).filter(|place| !is_child[*place]).collect();
    let mut begun = HashMap::new();
    for root in &roots {
        ensure!(begun.insert(trees[*root], ()).is_none(), "the tree {} has two roots", trees[*root]);
    }
    if let Some(tree) = trees.iter().find(|tree| !begun.contains_key(tree)) {
        bail!("the tree {tree} has no root: its nodes lead in a cycle");
    }
    grow(&seeds, &roots, targets, aggregate, base)
}

/// The weights of each leaf, by tree and node.
type Leaves = HashMap<(i64, i64), Vec<Weight<f64>>>;

fn leaves(node: &NodeProto, prefix: &str) -> TractResult<Leaves> {
    let trees: Vec<i64> = node.get_attr_vec(&format!("{prefix}_treeids"))?;
    let ids: Vec<i64> = node.get_attr_vec(&format!("{prefix}_nodeids"))?;
    let to: Vec<i64> = node.get_attr_vec(&format!("{prefix}_ids"))?;
    let weights = floats(node, &format!("{prefix}_weights"))?;
    let lengths = [trees.len(), ids.len(), to.len()];
    ensure!(lengths == [weights.len(); 3], "the lists of {} weights have {lengths:?} entries", weights.len());
    let mut leaves = Leaves::new();
    for (((tree, id), to), weight) in trees.into_iter().zip(ids).zip(to).zip(weights) {
        let target = u32::try_from(to).with_context(|| format!("a leaf adds to {prefix} {to}"))?;
        leaves.entry((tree, id)).or_default().push(Weight { target, weight });
    }
    Ok(leaves)
}

fn branch(mode: &str) -> TractResult<Option<Branch>> {
    Ok(Some(match mode {
        "LEAF" => return Ok(None),
        "BRANCH_LEQ" => Branch::LessOrEqual,
        "BRANCH_LT" => Branch::Less,
        "BRANCH_GTE" => Branch::GreaterOrEqual,
        "BRANCH_GT" => Branch::Greater,
        "BRANCH_EQ" => Branch::Equal,
        "BRANCH_NEQ" => Branch::NotEqual,
        _ => bail!("a node compares by {mode:?}, which is not known"),
    }))
}

/// A list of floats, or a tensor of them: `NAME_as_tensor`.
pub(super) fn floats(node: &NodeProto, name: &str) -> TractResult<Vec<f64>> {
    if let Some(list) = node.get_attr_opt_vec::<f32>(name)?
        && !list.is_empty()
    {
        return Ok(list.into_iter().map(f64::from).collect());
    }
    match tensor_attribute(node, &format!("{name}_as_tensor"))? {
        Some(tensor) => numbers(&tensor),
        None => Ok(Vec::new()),
    }
}

pub(super) fn aggregate(node: &NodeProto) -> TractResult<Aggregate> {
    Ok(match node.get_attr_opt("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => bail!("trees are aggregated by {other:?}, which is not known"),
    })
}
