use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore as _, SeedableRng as _},
};
use serde::{Deserialize, Serialize};

/// An interval of confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What a resample is drawn from.
///
/// Up to 10,000 rows it is the rows. More are dealt at random into 1,000 groups of equal size (to one row), and groups
/// are drawn: then the time does not grow with the rows (but for the areas under curves, which take a pass over the rows
/// a resample), and the standard error of a metric is known to about `1/√(2·1000)`, some 2 % (Wolter, *Introduction to
/// Variance Estimation*, 2nd ed., 2007, ch. 2: the method of random groups). The groups depend on the number of rows
/// alone, so that two models on the same rows have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Units {
    Rows(usize),
    Groups { rows: usize, count: usize },
}

const SINGLE: usize = 10_000;
const GROUPS: u16 = 1000;

impl Units {
    pub(crate) fn of(rows: usize) -> Self {
        if rows <= SINGLE { Self::Rows(rows) } else { Self::Groups { rows, count: usize::from(GROUPS) } }
    }

    fn count(self) -> usize {
        match self {
            Self::Rows(count) | Self::Groups { count, .. } => count,
        }
    }

    /// The group of each row; empty where rows are drawn by themselves.
    pub(crate) fn of_rows(self) -> Vec<u16> {
        let Self::Groups { rows, .. } = self else { return Vec::new() };
        let mut groups: Vec<u16> = (0..GROUPS).cycle().take(rows).collect();
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(rows as u64);
        // Fisher and Yates's shuffle (Knuth, TAOCP 2, §3.4.2, algorithm P).
        for last in (1..rows).rev() {
            groups.swap(last, draw(&mut generator, last + 1));
        }
        groups
    }
}

/// A whole number below `count`, by multiply and shift (Lemire, ACM TOMACS 29, 2019); its bias of count / 2^64 is beyond
/// what could be seen.
fn draw(generator: &mut Xoshiro256PlusPlus, count: usize) -> usize {
    ((u128::from(generator.next_u64()) * count as u128) >> 64) as usize
}

/// Draws `resamples` samples of `rows` rows with replacement, and hands each to `use_one` as how often it holds each
/// of the [`Units`].
///
/// The generator is Xoshiro256++ (Blackman & Vigna, ACM TOMS 47, 2021), so that the same seed gives the same samples
/// on every machine and with every version.
pub(crate) fn resample(rows: usize, resamples: usize, seed: u64, mut use_one: impl FnMut(&[u32])) {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    let units = Units::of(rows).count();
    let mut counts = vec![0; units];
    for _ in 0..resamples {
        counts.fill(0_u32);
        for _ in 0..units {
            counts[draw(&mut generator, units)] += 1;
        }
        use_one(&counts);
    }
}

/// The central interval that holds `confidence` of `values`, ends by rank: with `k = ⌊(B + 1)(1 - confidence)/2⌋`, the
/// k-th smallest and the k-th largest of the B values (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993,
/// §12.5 and §13.3).
///
/// `None` where there are too few values for that, or one is not finite.
pub(crate) fn percentiles(mut values: Vec<f64>, confidence: f64) -> Option<Interval> {
    if !(confidence > 0.0 && confidence < 1.0) || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    values.sort_by(f64::total_cmp);
    // 0.95 gives a tail of 0.025000000000000022: a rank that is whole but for rounding must not be missed or exceeded.
    let rank = ((values.len() + 1) as f64 * (1.0 - confidence) / 2.0 + 1e-9).floor() as usize;
    let low = *values.get(rank.checked_sub(1)?)?;
    let high = *values.get(values.len().checked_sub(rank)?)?;
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B = 999 at 95 %: k = 1000 · 0.025 = 25, so the 25th from either end.
    #[test]
    fn ranks() {
        let values: Vec<f64> = (1..=999).rev().map(f64::from).collect();
        assert_eq!(percentiles(values, 0.95), Some(Interval { low: 25.0, high: 975.0 }));
    }

    #[test]
    fn values_without_an_interval() {
        assert_eq!(percentiles(vec![], 0.95), None);
        // k = ⌊11 · 0.025⌋ = 0.
        assert_eq!(percentiles(vec![1.0; 10], 0.95), None);
        assert_eq!(percentiles(vec![f64::NAN; 100], 0.95), None);
        for confidence in [0.0, 1.0, -1.0, 2.0, f64::NAN] {
            assert_eq!(percentiles(vec![1.0; 100], confidence), None, "{confidence}");
        }
    }

    #[test]
    fn samples_have_as_many_rows_and_favour_none() {
        let mut sums = [0_u32; 7];
        resample(7, 20_000, 1, |counts| {
            assert_eq!(counts.iter().sum::<u32>(), 7);
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        });
        // Each is binomial with mean 20,000 and standard deviation √(140,000 · 1/7 · 6/7) = 131: five of them.
        assert!(sums.iter().all(|sum| sum.abs_diff(20_000) < 655), "{sums:?}");
    }

    #[test]
    fn many_rows_are_drawn_in_groups_of_equal_size() {
        assert_eq!(Units::of(10_000), Units::Rows(10_000));
        let groups = Units::of(10_001).of_rows();
        let mut sizes = vec![0; 1000];
        groups.iter().for_each(|group| sizes[usize::from(*group)] += 1);
        assert!(sizes.iter().all(|size| (10..=11).contains(size)));
        // Dealt at random: of neighbours one in 1,000 is in the same group, and in the next as if dealt in turn.
        let next = groups.windows(2).filter(|pair| (pair[0] + 1) % 1000 == pair[1]).count();
        assert!(next < 60, "{next}");
        resample(10_001, 2, 1, |counts| assert_eq!((counts.len(), counts.iter().sum::<u32>()), (1000, 1000)));
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| {
            let mut all = Vec::new();
            resample(5, 3, seed, |counts| all.extend_from_slice(counts));
            all
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        resample(0, 2, 1, |counts| assert!(counts.is_empty()));
    }
}
