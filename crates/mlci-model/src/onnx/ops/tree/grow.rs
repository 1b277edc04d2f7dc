//! Trees from a graph of nodes that is not trusted.

use std::collections::VecDeque;

use tract_onnx::tract_hir::internal::*;

use super::ensemble::{Aggregate, Branch, Ensemble, Node, Place, Weight};

/// A node as it is written; others are named by their position in the list.
pub(super) enum Seed {
    Branch {
        branch: Branch,
        feature: i64,
        threshold: f64,
        missing_holds: bool,
        /// Where it goes on if the comparison does not hold, and if it does.
        next: [usize; 2],
    },
    Leaf(Vec<Weight<f64>>),
}

/// Makes an ensemble of trees that begin at `roots`.
///
/// # Errors
/// Where a node leads to one that is not there or has another parent: so there is no cycle, and every walk ends.
pub(super) fn grow(
    seeds: &[Seed],
    roots: &[usize],
    targets: usize,
    aggregate: Aggregate,
    base: Vec<f64>,
) -> TractResult<Ensemble<f64>> {
    ensure!(base.len() == targets, "there are {} base values for {targets} targets", base.len());
    let mut garden = Garden {
        ensemble: Ensemble {
            roots: Vec::with_capacity(roots.len()),
            nodes: Vec::new(),
            leaves: Vec::new(),
            weights: Vec::new(),
            targets,
            features: 0,
            aggregate,
            base,
            is_plain: true,
        },
        is_placed: vec![false; seeds.len()],
        seeds,
    };
    for root in roots {
        garden.plant(*root)?;
    }
    Ok(garden.ensemble)
}

/// An ensemble while trees are added to it.
struct Garden<'a> {
    ensemble: Ensemble<f64>,
    is_placed: Vec<bool>,
    seeds: &'a [Seed],
}

impl Garden<'_> {
    /// Adds a tree level by level, so that what is near its root lies together in memory.
    fn plant(&mut self, root: usize) -> TractResult<()> {
        let first = self.place(root)?;
        self.ensemble.roots.push(first);
        let mut queue = VecDeque::from([(root, first)]);
        while let Some((seed, place)) = queue.pop_front() {
            let Some(Seed::Branch { next, .. }) = self.seeds.get(seed) else { continue };
            let mut ends = [place; 2];
            for (end, child) in ends.iter_mut().zip(next) {
                *end = self.place(*child)?;
                queue.push_back((*child, *end));
            }
            self.ensemble.nodes.get_mut(place.0 as usize).context("a node is not there")?.next = ends;
        }
        Ok(())
    }

    fn place(&mut self, seed: usize) -> TractResult<Place> {
        let placed = self.is_placed.get_mut(seed).with_context(|| format!("there is no node at position {seed}"))?;
        ensure!(!*placed, "more than one way leads to the node at position {seed}: a cycle, or a shared branch");
        *placed = true;
        let ensemble = &mut self.ensemble;
        match self.seeds.get(seed).context("a node is not there")? {
            Seed::Leaf(weights) => {
                if let Some(wrong) = weights.iter().find(|weight| weight.target as usize >= ensemble.targets) {
                    bail!("a leaf adds to target {} of {}", wrong.target, ensemble.targets);
                }
                let start = u32::try_from(ensemble.weights.len())?;
                ensemble.weights.extend(weights);
                ensemble.leaves.push((start, u32::try_from(ensemble.weights.len())?));
                Place::leaf(ensemble.leaves.len() - 1).context("there are too many leaves")
            }
            Seed::Branch { branch, feature, threshold, missing_holds, .. } => {
                let feature = u32::try_from(*feature).ok().filter(|feature| *feature < u32::MAX);
                let feature = feature.context("a node compares a feature of a negative number")?;
                ensemble.features = ensemble.features.max(feature as usize + 1);
                ensemble.is_plain &= *branch == Branch::LessOrEqual;
                ensemble.nodes.push(Node {
                    threshold: *threshold,
                    feature,
                    next: [Place(0); 2],
                    branch: *branch,
                    missing_holds: *missing_holds,
                });
                Place::node(ensemble.nodes.len() - 1).context("there are too many nodes")
            }
        }
    }
}
