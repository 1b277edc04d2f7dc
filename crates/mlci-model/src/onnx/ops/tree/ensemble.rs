//! Trees as flat arrays, and how rows go through them.

/// A 32-bit or a 64-bit float: what features are compared as.
pub(super) trait Number: Copy + PartialOrd + Send + Sync + std::fmt::Debug + 'static {
    fn from_f64(value: f64) -> Self;
    fn to_f32(self) -> f32;
    fn is_missing(self) -> bool;
    fn plus(self, other: Self) -> Self;
    fn over(self, count: usize) -> Self;
}

macro_rules! number {
    ($type:ty) => {
        impl Number for $type {
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            fn to_f32(self) -> f32 {
                self as f32
            }
            fn is_missing(self) -> bool {
                self.is_nan()
            }
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn over(self, count: usize) -> Self {
                self / count as Self
            }
        }
    };
}

number!(f32);
number!(f64);

/// How a node compares a feature with its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
}

impl Branch {
    fn holds<T: PartialOrd + Copy>(self, value: T, threshold: T) -> bool {
        match self {
            Self::LessOrEqual => value <= threshold,
            Self::Less => value < threshold,
            Self::GreaterOrEqual => value >= threshold,
            Self::Greater => value > threshold,
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
        }
    }
}

/// How the weights of the trees become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// A place among the nodes, or among the leaves where the highest bit is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(pub(super) u32);

impl Place {
    const LEAF: u32 = 1 << 31;

    /// `None`: there are more than it can count.
    pub(super) fn node(place: usize) -> Option<Self> {
        u32::try_from(place).ok().filter(|place| place & Self::LEAF == 0).map(Self)
    }

    pub(super) fn leaf(place: usize) -> Option<Self> {
        Some(Self(Self::node(place)?.0 | Self::LEAF))
    }
}

/// An inner node. Its children stand behind it, so that every walk ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<T> {
    pub(super) threshold: T,
    pub(super) feature: u32,
    /// Where it goes on if the comparison does not hold, and if it does.
    pub(super) next: [Place; 2],
    pub(super) branch: Branch,
    /// Whether a missing value goes on as if the comparison held.
    pub(super) missing_holds: bool,
}

/// What a leaf adds to one target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight<T> {
    pub(super) target: u32,
    pub(super) weight: T,
}

/// Trees whose weights are added up.
#[derive(Debug, Clone)]
pub(super) struct Ensemble<T> {
    /// Where each tree begins.
    pub(super) roots: Vec<Place>,
    pub(super) nodes: Vec<Node<T>>,
    /// Where the weights of each leaf begin and end.
    pub(super) leaves: Vec<(u32, u32)>,
    pub(super) weights: Vec<Weight<T>>,
    pub(super) targets: usize,
    /// How many features a row has to have.
    pub(super) features: usize,
    pub(super) aggregate: Aggregate,
    /// One a target.
    pub(super) base: Vec<T>,
    /// Whether all nodes ask "is it at most", as in nearly all ensembles: such are walked without asking which.
    pub(super) is_plain: bool,
}

impl<T: Number> Ensemble<T> {
    /// The scores of rows of `width` features that stand one after the other: one a target, for each row.
    pub(super) fn score(&self, rows: &[T], width: usize) -> Vec<T> {
        let start = T::from_f64(match self.aggregate {
            Aggregate::Sum | Aggregate::Average => 0.0,
            Aggregate::Min => f64::INFINITY,
            Aggregate::Max => f64::NEG_INFINITY,
        });
        let mut scores = vec![start; rows.len() / width * self.targets];
        for root in &self.roots {
            // Tree by tree: the nodes of one stay near the processor for all rows.
            for (row, scores) in rows.chunks_exact(width).zip(scores.chunks_exact_mut(self.targets)) {
                let leaf = if self.is_plain { self.walk::<true>(*root, row) } else { self.walk::<false>(*root, row) };
                for Weight { target, weight } in leaf {
                    let Some(score) = scores.get_mut(*target as usize) else { continue };
                    *score = match self.aggregate {
                        Aggregate::Sum | Aggregate::Average => score.plus(*weight),
                        Aggregate::Min if *weight < *score => *weight,
                        Aggregate::Max if *weight > *score => *weight,
                        Aggregate::Min | Aggregate::Max => *score,
                    };
                }
            }
        }
        for scores in scores.chunks_exact_mut(self.targets) {
            for (score, base) in scores.iter_mut().zip(&self.base) {
                let sum = match self.aggregate {
                    Aggregate::Average => score.over(self.roots.len()),
                    // No tree has said anything.
                    Aggregate::Min | Aggregate::Max if *score == start => T::from_f64(0.0),
                    _ => *score,
                };
                *score = sum.plus(*base);
            }
        }
        scores
    }

    /// The weights of the leaf that a row comes to.
    fn walk<const PLAIN: bool>(&self, root: Place, row: &[T]) -> &[Weight<T>] {
        let mut place = root.0;
        // A leaf's place is beyond all nodes.
        while let Some(node) = self.nodes.get(place as usize) {
            let Some(value) = row.get(node.feature as usize).copied() else { return &[] };
            let holds = if PLAIN { value <= node.threshold } else { node.branch.holds(value, node.threshold) };
            let holds = holds | (node.missing_holds & value.is_missing());
            let [otherwise, then] = node.next;
            place = if holds { then.0 } else { otherwise.0 };
        }
        let range = self.leaves.get((place & !Place::LEAF) as usize);
        range.and_then(|(start, end)| self.weights.get(*start as usize..*end as usize)).unwrap_or_default()
    }
}

impl Ensemble<f64> {
    /// The same, for features of 32 bits.
    pub(super) fn narrow(&self) -> Ensemble<f32> {
        let node = |node: &Node<f64>| Node {
            threshold: node.threshold as f32,
            feature: node.feature,
            next: node.next,
            branch: node.branch,
            missing_holds: node.missing_holds,
        };
        let weight = |weight: &Weight<f64>| Weight { target: weight.target, weight: weight.weight as f32 };
        Ensemble {
            roots: self.roots.clone(),
            nodes: self.nodes.iter().map(node).collect(),
            leaves: self.leaves.clone(),
            weights: self.weights.iter().map(weight).collect(),
            targets: self.targets,
            features: self.features,
            aggregate: self.aggregate,
            base: self.base.iter().map(|base| *base as f32).collect(),
            is_plain: self.is_plain,
        }
    }
}
