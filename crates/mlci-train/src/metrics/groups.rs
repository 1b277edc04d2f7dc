use super::statistics::weighted_median;

/// Sums over groups of rows: the metrics of a resample of groups, in time that does not grow with the rows.
pub(super) struct Groups {
    sums: Vec<Sums>,
    /// The group of each row.
    of_row: Vec<u16>,
    /// The errors about the median, ascending, each with its group.
    middle: Vec<(f64, u16)>,
    /// How many errors of each group come before those.
    below: Vec<u32>,
}

/// Of one group: how many rows there are, and the sums of some quantities.
#[derive(Clone, Copy, Default)]
struct Sums {
    rows: f64,
    absolute: f64,
    squares: f64,
    /// The truth and its square, about the mean of all truths.
    truth: f64,
    variation: f64,
    /// The errors as shares of the truths that are not 0, and how many those are.
    relative: f64,
    not_zero: f64,
    /// How many errors are within half the width of the predictions' interval.
    within: f64,
}

/// How far from the median a resample's median is sought, in roots of the number of rows: 16 standard deviations of
/// its rank.
const REACH: f64 = 8.0;

impl Groups {
    pub(super) fn new(truth: &[f64], errors: &[f64], of_row: Vec<u16>, count: usize, half_width: Option<f64>) -> Self {
        let rows = errors.len();
        let mean = truth.iter().sum::<f64>() / rows as f64;
        let mut sums = vec![Sums::default(); count];
        for ((truth, error), group) in truth.iter().zip(errors).zip(&of_row) {
            let group = &mut sums[usize::from(*group)];
            if *truth != 0.0 {
                group.relative += error / truth.abs();
                group.not_zero += 1.0;
            }
            group.within += f64::from(u8::from(half_width.is_some_and(|width| *error <= width)));
            let truth = truth - mean;
            group.rows += 1.0;
            group.absolute += error;
            group.squares += error * error;
            group.truth += truth;
            group.variation += truth * truth;
        }
        let reach = (REACH * (rows as f64).sqrt()) as usize;
        let (first, last) = ((rows / 2).saturating_sub(reach), rows.min(rows / 2 + reach + 1));
        let mut all: Vec<(f64, u16)> = errors.iter().copied().zip(of_row.iter().copied()).collect();
        let by_error = |a: &(f64, u16), b: &(f64, u16)| a.0.total_cmp(&b.0);
        if last < rows {
            all.select_nth_unstable_by(last, by_error);
            all.truncate(last);
        }
        let mut below = vec![0; count];
        if first > 0 {
            all.select_nth_unstable_by(first, by_error);
            all.drain(..first).for_each(|(_, group)| below[usize::from(group)] += 1);
        }
        all.sort_unstable_by(by_error);
        Self { sums, of_row, middle: all, below }
    }

    fn sum(&self, counts: &[u32], of: impl Fn(&Sums) -> f64) -> f64 {
        self.sums.iter().zip(counts).map(|(sums, count)| f64::from(*count) * of(sums)).sum()
    }

    fn mean(&self, counts: &[u32], of: impl Fn(&Sums) -> f64) -> f64 {
        self.sum(counts, of) / self.sum(counts, |sums| sums.rows)
    }

    pub(super) fn rmse(&self, counts: &[u32]) -> f64 {
        self.mean(counts, |sums| sums.squares).sqrt()
    }

    pub(super) fn mae(&self, counts: &[u32]) -> f64 {
        self.mean(counts, |sums| sums.absolute)
    }

    pub(super) fn r2(&self, counts: &[u32]) -> f64 {
        let mean = self.mean(counts, |sums| sums.truth);
        let variation = self.sum(counts, |sums| sums.variation) - self.sum(counts, |sums| sums.truth) * mean;
        1.0 - self.sum(counts, |sums| sums.squares) / variation
    }

    pub(super) fn mape(&self, counts: &[u32]) -> f64 {
        self.sum(counts, |sums| sums.relative) / self.sum(counts, |sums| sums.not_zero)
    }

    pub(super) fn coverage(&self, counts: &[u32]) -> f64 {
        self.mean(counts, |sums| sums.within)
    }

    pub(super) fn median(&self, errors: &[f64], counts: &[u32]) -> Option<f64> {
        let of = |group: u16| u64::from(counts[usize::from(group)]);
        let rows: u64 = self.sums.iter().zip(counts).map(|(sums, count)| u64::from(*count) * sums.rows as u64).sum();
        let below = self.below.iter().zip(counts).map(|(below, count)| u64::from(*below) * u64::from(*count)).sum();
        weighted_median(rows, below, self.middle.iter().map(|(error, group)| (*error, of(*group)))).or_else(|| {
            let mut all: Vec<(f64, u64)> =
                errors.iter().zip(&self.of_row).map(|(error, group)| (*error, of(*group))).collect();
            all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            weighted_median(rows, 0, all.into_iter())
        })
    }
}
