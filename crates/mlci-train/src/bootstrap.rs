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

/// Draws `resamples` samples of `rows` rows with replacement, and hands each to `use_one` as how often it holds each
/// row.
///
/// The generator is Xoshiro256++ (Blackman & Vigna, ACM TOMS 47, 2021), so that the same seed gives the same samples
/// on every machine and with every version.
pub(crate) fn resample(rows: usize, resamples: usize, seed: u64, mut use_one: impl FnMut(&[u32])) {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut counts = vec![0; rows];
    for _ in 0..resamples {
        counts.fill(0_u32);
        for _ in 0..rows {
            // Multiply and shift (Lemire, ACM TOMACS 29, 2019); its bias of rows / 2^64 is beyond what could be seen.
            let row = (u128::from(generator.next_u64()) * rows as u128) >> 64;
            counts[row as usize] += 1;
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
