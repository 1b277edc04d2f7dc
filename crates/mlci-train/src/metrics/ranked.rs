//! Probabilities of two classes, prepared for resamples.

use std::ops::AddAssign;

use super::{
    Confusion, Metric, ScoreError, Scored,
    classification::{BINS, bin},
    statistics::weigh,
};

/// Probabilities closer to 0 or 1 count as this far from them.
const NEAREST: f64 = 1e-15;

/// Rows prepared so that each metric of a resample of units, which are rows or groups of them, is one pass without a
/// branch that data decide: those would be guessed wrongly half the time. The areas under curves take a pass over the
/// rows, all others one over the units.
pub(super) struct Ranked {
    pub(super) threshold: f64,
    /// How many rows each unit has.
    sizes: Vec<u32>,
    /// What the rows of each unit add to the sums.
    pub(super) losses: Vec<f64>,
    pub(super) squares: Vec<f64>,
    /// Truth less prediction, by bin of calibration.
    gaps: Vec<Part<f64>>,
    /// How many rows there are in each place of a confusion: class 1 adds 2, what is said to be class 1 adds 1.
    places: Vec<Part<u64>>,
    /// All rows, in descending order of their prediction.
    order: Vec<Place>,
}

/// What the rows of one unit are together that are in one place.
struct Part<T> {
    unit: usize,
    place: usize,
    sum: T,
}

/// Sums of rows by their unit and place, in the order of these.
fn by_place<T: AddAssign>(mut rows: Vec<Part<T>>) -> Vec<Part<T>> {
    rows.sort_by_key(|row| (row.unit, row.place));
    let mut parts: Vec<Part<T>> = Vec::new();
    for row in rows {
        match parts.last_mut().filter(|part| (part.unit, part.place) == (row.unit, row.place)) {
            Some(part) => part.sum += row.sum,
            None => parts.push(row),
        }
    }
    parts
}

struct Place {
    unit: usize,
    /// 1 or 0.
    is_one: u64,
    /// Whether the next row has another prediction, or there is none.
    ends_tie: bool,
}

impl Ranked {
    /// Of rows that are resampled in `groups`: one of each row, or none where rows are drawn by themselves.
    pub(super) fn new(scored: Scored<'_>, threshold: f64, groups: &[u16]) -> Result<Self, ScoreError> {
        scored.check()?;
        let rows = scored.truth.len();
        let units = groups.iter().max().map_or(rows, |last| usize::from(*last) + 1);
        let (mut sizes, mut losses, mut squares) = (vec![0; units], vec![0.0; units], vec![0.0; units]);
        let (mut gaps, mut places) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut order = Vec::with_capacity(rows);
        for (row, (&truth, &prediction)) in scored.truth.iter().zip(scored.prediction).enumerate() {
            if !((truth == 0.0 || truth == 1.0) && (0.0..=1.0).contains(&prediction)) {
                return Err(ScoreError::NoClass { row, truth, prediction });
            }
            let is_one = truth == 1.0;
            let right = if is_one { prediction } else { 1.0 - prediction };
            let unit = groups.get(row).map_or(row, |group| usize::from(*group));
            sizes[unit] += 1;
            losses[unit] += -right.clamp(NEAREST, 1.0 - NEAREST).ln();
            squares[unit] += (truth - prediction) * (truth - prediction);
            gaps.push(Part { unit, place: bin(prediction), sum: truth - prediction });
            let place = 2 * usize::from(is_one) + usize::from(prediction >= threshold);
            places.push(Part { unit, place, sum: 1 });
            order.push((prediction, Place { unit, is_one: u64::from(is_one), ends_tie: true }));
        }
        order.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        for place in 1..rows {
            // 0.0 and -0.0 are the same prediction.
            order[place - 1].1.ends_tie = order[place - 1].0 != order[place].0;
        }
        let order = order.into_iter().map(|(_, place)| place).collect();
        Ok(Self { threshold, sizes, losses, squares, gaps: by_place(gaps), places: by_place(places), order })
    }

    /// The metric of the units, each taken `counts[unit]` times.
    pub(super) fn metric(&self, metric: Metric, counts: &[u32]) -> Option<f64> {
        match metric {
            Metric::LogLoss => Some(self.mean(&self.losses, counts)),
            Metric::RocAuc => self.roc_auc(counts),
            Metric::PrAuc => self.pr_auc(counts),
            Metric::Brier => Some(self.mean(&self.squares, counts)),
            Metric::CalibrationError => Some(self.calibration_error(counts)),
            Metric::Accuracy => self.confusion(counts).accuracy(),
            Metric::Precision => self.confusion(counts).precision(),
            Metric::Recall => self.confusion(counts).recall(),
            Metric::F1 => self.confusion(counts).f1(),
            _ => None,
        }
    }

    fn rows(&self, counts: &[u32]) -> f64 {
        self.sizes.iter().zip(counts).map(|(rows, count)| u64::from(*rows) * u64::from(*count)).sum::<u64>() as f64
    }

    pub(super) fn mean(&self, sums: &[f64], counts: &[u32]) -> f64 {
        weigh(sums, counts, |sum| sum) / self.rows(counts)
    }

    pub(super) fn roc_auc(&self, counts: &[u32]) -> Option<f64> {
        let (mut ones, mut zeros, mut tied_ones, mut tied_zeros, mut twice) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
        for place in &self.order {
            let count = u64::from(counts[place.unit]);
            let of_one = count * place.is_one;
            (tied_ones, tied_zeros) = (tied_ones + of_one, tied_zeros + (count - of_one));
            if place.ends_tie {
                // Each of these zeros is below all ones before, and level with those of this tie.
                twice += tied_zeros * (2 * ones + tied_ones);
                (ones, zeros, tied_ones, tied_zeros) = (ones + tied_ones, zeros + tied_zeros, 0, 0);
            }
        }
        (ones > 0 && zeros > 0).then(|| twice as f64 / 2.0 / (ones as f64 * zeros as f64))
    }

    pub(super) fn pr_auc(&self, counts: &[u32]) -> Option<f64> {
        let (mut ones, mut rows, mut tied_ones, mut sum) = (0_u64, 0_u64, 0_u64, 0.0);
        for place in &self.order {
            let count = u64::from(counts[place.unit]);
            (tied_ones, rows) = (tied_ones + count * place.is_one, rows + count);
            if place.ends_tie {
                ones += tied_ones;
                sum += tied_ones as f64 * (ones as f64 / rows.max(1) as f64);
                tied_ones = 0;
            }
        }
        (ones > 0).then(|| sum / ones as f64)
    }

    pub(super) fn calibration_error(&self, counts: &[u32]) -> f64 {
        let mut sums = [0.0; BINS];
        for Part { unit, place, sum } in &self.gaps {
            sums[*place] += f64::from(counts[*unit]) * sum;
        }
        sums.iter().map(|sum| sum.abs()).sum::<f64>() / self.rows(counts)
    }

    pub(super) fn confusion(&self, counts: &[u32]) -> Confusion {
        let mut sums = [0_u64; 4];
        for Part { unit, place, sum } in &self.places {
            sums[*place] += u64::from(counts[*unit]) * sum;
        }
        let [true_negatives, false_positives, false_negatives, true_positives] = sums;
        Confusion { true_positives, false_positives, false_negatives, true_negatives }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Units;

    /// What a resample takes but for the areas under curves.
    #[test]
    fn sums_of_groups_do_not_grow_with_the_rows() {
        let sizes = [15_000, 60_000].map(|rows| {
            let truth: Vec<f64> = (0..rows).map(|row| f64::from(u8::from(row % 3 == 0))).collect();
            let prediction: Vec<f64> = (0..rows).map(|row| f64::from(row % 101) / 101.0).collect();
            let scored = Scored { truth: &truth, prediction: &prediction };
            let ranked = Ranked::new(scored, 0.5, &Units::of(truth.len()).of_rows()).unwrap();
            assert!(ranked.gaps.len() <= 10_000 && ranked.places.len() <= 4000);
            (ranked.losses.len(), ranked.squares.len(), ranked.sizes.len())
        });
        assert_eq!(sizes, [(1000, 1000, 1000); 2]);
    }
}
