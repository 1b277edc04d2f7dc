use crate::linear::{Block, BlockError};

/// How many rows there are, and where they lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Centre {
    /// Rows of a weight above zero.
    pub(crate) rows: u64,
    /// The sum of their weights.
    pub(crate) weight: f64,
    /// Their means, and what rounding has left of these: the mean is the sum of both.
    pub(crate) mean: Vec<f64>,
    pub(crate) rest: Vec<f64>,
    pub(crate) low: Vec<f64>,
    pub(crate) high: Vec<f64>,
}

/// `a + b`, and what rounding has taken from it (Knuth's TwoSum; Ogita, Rump & Oishi, SIAM J. Sci. Comput. 26, 2005).
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// Rows about a point near their mean.
pub(super) struct Centred {
    pub(super) centre: Centre,
    /// Row by row, each multiplied by the root of its weight.
    pub(super) values: Vec<f64>,
    /// The roots of the weights, unless all are 1.
    pub(super) roots: Option<Vec<f64>>,
    /// How far the mean is from that point.
    pub(super) shift: Vec<f64>,
}

impl Centred {
    /// The mean is taken in two passes, the second about the result of the first, so that neither a large offset nor
    /// the number of rows costs digits.
    pub(super) fn of(block: Block<'_>) -> Result<Self, BlockError> {
        let (width, values) = (block.width(), block.values());
        let ones = vec![1.0; if block.weights().is_some() { 0 } else { block.rows() }];
        let weights = block.weights().unwrap_or(&ones);
        let weight: f64 = weights.iter().sum();
        let rows = weights.iter().filter(|weight| **weight > 0.0).count() as u64;
        let roots = block.weights().map(|weights| weights.iter().map(|weight| weight.sqrt()).collect::<Vec<_>>());

        let mut mean = vec![0.0; width];
        for (row, weight) in values.chunks_exact(width).zip(weights) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        if mean.iter().any(|sum| !sum.is_finite()) {
            return Err(unusable(&mean, values, width));
        }
        let share = if weight > 0.0 { weight.recip() } else { 0.0 };
        mean.iter_mut().for_each(|sum| *sum *= share);

        let mut centred = values.to_vec();
        let (mut shift, mut low, mut high) =
            (vec![0.0; width], vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
        for (number, (row, weight)) in centred.chunks_exact_mut(width).zip(weights).enumerate() {
            if *weight > 0.0 {
                // Not `f64::min`, whose care for NaN keeps it from being one instruction.
                low.iter_mut().zip(&*row).for_each(|(low, value)| *low = if *value < *low { *value } else { *low });
                high.iter_mut()
                    .zip(&*row)
                    .for_each(|(high, value)| *high = if *value > *high { *value } else { *high });
            }
            row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
            match roots.as_ref().and_then(|roots| roots.get(number)) {
                None => shift.iter_mut().zip(&*row).for_each(|(shift, value)| *shift += value),
                Some(root) => {
                    shift.iter_mut().zip(&*row).for_each(|(shift, value)| *shift += weight * value);
                    row.iter_mut().for_each(|value| *value *= root);
                }
            }
        }
        let mut rest = vec![0.0; width];
        for ((mean, rest), shift) in mean.iter_mut().zip(&mut rest).zip(&mut shift) {
            *shift *= share;
            (*mean, *rest) = two_sum(*mean, *shift);
        }
        let centre = Centre { rows, weight, mean, rest, low, high };
        Ok(Self { centre, values: centred, roots, shift })
    }
}

/// Why the sum of a column is not finite.
fn unusable(sums: &[f64], values: &[f64], width: usize) -> BlockError {
    if let Some((position, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return BlockError::NotFinite { row: (position / width) as u64, column: position % width, value };
    }
    BlockError::TooLarge { column: sums.iter().position(|sum| !sum.is_finite()).unwrap_or_default() }
}

impl Centre {
    /// Rows of a weight above zero, and the features and target that each has.
    pub(super) fn width(&self) -> usize {
        self.mean.len()
    }

    pub(super) fn refuse_other_width(&self, later: &Self) -> Result<(), BlockError> {
        if self.width() == later.width() {
            return Ok(());
        }
        Err(BlockError::Features { found: later.width() - 1, expected: self.width() - 1 })
    }

    /// Adds rows. Gives how far their mean is from the mean of those before them, and the weight `w·v / (w + v)` that
    /// the difference has in the co-moments (Chan, Golub & LeVeque, *Algorithms for Computing the Sample Variance*, The
    /// American Statistician 37, 1983).
    pub(super) fn merge(&mut self, later: &Self) -> (Vec<f64>, f64) {
        let weight = self.weight + later.weight;
        let (share, between) =
            if weight > 0.0 { (later.weight / weight, self.weight * (later.weight / weight)) } else { (0.0, 0.0) };
        let mut difference = Vec::with_capacity(self.width());
        let means = self.mean.iter_mut().zip(&mut self.rest).zip(later.mean.iter().zip(&later.rest));
        for ((mean, rest), (later_mean, later_rest)) in means {
            let apart = (later_mean - *mean) + (later_rest - *rest);
            let (sum, lost) = two_sum(*mean, apart * share);
            (*mean, *rest) = two_sum(sum, *rest + lost);
            difference.push(apart);
        }
        self.rows += later.rows;
        self.weight = weight;
        self.low.iter_mut().zip(&later.low).for_each(|(low, later)| *low = low.min(*later));
        self.high.iter_mut().zip(&later.high).for_each(|(high, later)| *high = high.max(*later));
        (difference, between)
    }

    /// How much a column varies about its mean by rounding alone, at most; and the largest of its values.
    pub(super) fn is_constant(&self, column: usize, through_origin: bool) -> bool {
        let of = |values: &[f64]| values.get(column).copied().unwrap_or_default();
        let (low, high, mean) = (of(&self.low), of(&self.high), of(&self.mean));
        let size = low.abs().max(high.abs());
        if through_origin { size == 0.0 } else { (high - mean).max(mean - low) <= 4.0 * f64::EPSILON * size }
    }

    /// How far rounding may have moved a column of length `length` about its mean, as a share of that length.
    pub(super) fn rounding(&self, column: usize, length: f64) -> f64 {
        let of = |values: &[f64]| values.get(column).copied().unwrap_or_default();
        f64::EPSILON * of(&self.low).abs().max(of(&self.high).abs()) / (length / self.weight.sqrt())
    }
}
