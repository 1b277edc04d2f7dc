use serde::{Deserialize, Serialize};

use crate::linear::{Block, BlockError};

/// How many rows there are, and where they lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// How many columns are worked on at once: arrays of a fixed length go into vector registers.
const LANES: usize = 8;

fn add<const N: usize>(sums: &mut [f64; N], row: &[f64; N], weight: f64) {
    let before = *sums;
    *sums = std::array::from_fn(|lane| before[lane] + weight * row[lane]);
}

/// Not by `f64::min`, whose care for NaN keeps it from being one instruction.
fn widen<const N: usize>(low: &mut [f64; N], high: &mut [f64; N], row: &[f64; N]) {
    let (least, most) = (*low, *high);
    *low = std::array::from_fn(|lane| if row[lane] < least[lane] { row[lane] } else { least[lane] });
    *high = std::array::from_fn(|lane| if row[lane] > most[lane] { row[lane] } else { most[lane] });
}

/// Takes the mean from the row, adds what is left to `shift`, and multiplies it by the root of the weight.
fn take<const N: usize>(row: &mut [f64; N], mean: &[f64; N], shift: &mut [f64; N], weight: f64, root: f64) {
    let (values, before) = (*row, *shift);
    let left: [f64; N] = std::array::from_fn(|lane| values[lane] - mean[lane]);
    *shift = std::array::from_fn(|lane| before[lane] + weight * left[lane]);
    *row = left.map(|value| root * value);
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
            let (sums, rest) = mean.as_chunks_mut();
            let (whole, last) = row.as_chunks();
            sums.iter_mut().zip(whole).for_each(|(sums, row)| add::<LANES>(sums, row, *weight));
            rest.iter_mut().zip(last).for_each(|(sum, value)| *sum += weight * value);
        }
        if mean.iter().any(|sum| !sum.is_finite()) {
            return Err(unusable(&mean, values, width));
        }
        let share = if weight > 0.0 { weight.recip() } else { 0.0 };
        mean.iter_mut().for_each(|sum| *sum *= share);

        let mut centred = values.to_vec();
        let mut shift = vec![0.0; width];
        let (mut low, mut high) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
        for (number, (row, weight)) in centred.chunks_exact_mut(width).zip(weights).enumerate() {
            if *weight > 0.0 {
                let (lows, low_rest) = low.as_chunks_mut();
                let (highs, high_rest) = high.as_chunks_mut();
                let (whole, last) = row.as_chunks();
                lows.iter_mut().zip(highs).zip(whole).for_each(|((low, high), row)| widen::<LANES>(low, high, row));
                for ((low, high), value) in low_rest.iter_mut().zip(high_rest).zip(last) {
                    widen(std::array::from_mut(low), std::array::from_mut(high), &[*value]);
                }
            }
            let root = roots.as_ref().and_then(|roots| roots.get(number)).copied().unwrap_or(1.0);
            let (shifts, shift_rest) = shift.as_chunks_mut();
            let ((means, mean_rest), (whole, last)) = (mean.as_chunks(), row.as_chunks_mut());
            for ((row, mean), shift) in whole.iter_mut().zip(means).zip(shifts) {
                take::<LANES>(row, mean, shift, *weight, root);
            }
            for ((value, mean), shift) in last.iter_mut().zip(mean_rest).zip(shift_rest) {
                take(std::array::from_mut(value), &[*mean], std::array::from_mut(shift), *weight, root);
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
    /// The centre, if it and `sums` can have come from rows: of one width that has so many sums, and finite.
    pub(super) fn checked(self, sums: &[f64]) -> Result<Self, &'static str> {
        let width = self.width();
        let columns = [&self.mean, &self.rest, &self.low, &self.high];
        if width < 2 || columns.iter().any(|column| column.len() != width) || sums.len() != width * (width + 1) / 2 {
            return Err("the parts of a statistic have different widths");
        }
        let all = self.mean.iter().chain(&self.rest).chain(sums).chain([&self.weight]);
        if self.weight < 0.0 || all.into_iter().any(|value| !value.is_finite()) {
            return Err("a statistic holds a number that is not finite, or a negative weight");
        }
        Ok(self)
    }

    /// How many columns there are, the target among them.
    pub(super) fn width(&self) -> usize {
        self.mean.len()
    }

    /// Of some columns, the target last among them.
    pub(super) fn select(&self, columns: &[usize]) -> Self {
        let of = |values: &[f64]| columns.iter().filter_map(|column| values.get(*column).copied()).collect();
        let (mean, rest, low, high) = (of(&self.mean), of(&self.rest), of(&self.low), of(&self.high));
        Self { mean, rest, low, high, rows: self.rows, weight: self.weight }
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
    pub(crate) fn is_constant(&self, column: usize, through_origin: bool) -> bool {
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
