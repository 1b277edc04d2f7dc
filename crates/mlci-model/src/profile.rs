use serde::{Deserialize, Serialize};

/// How a column's values were spread in training: what later values are compared with to notice drift.
///
/// Bins have about equal counts (deciles, merged where values repeat), as the population stability index wants them. A
/// maximum that deciles fall on has a bin of its own, however many values it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// How many values there were.
    pub count: u64,
    /// Their arithmetic mean.
    pub mean: f64,
    /// Their standard deviation with divisor `count - 1`; 0 for a single value.
    pub standard_deviation: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The inner edges of the bins, ascending, none twice; bin `i` holds values `v` with `edges[i-1] < v <= edges[i]`.
    pub edges: Vec<f64>,
    /// How many values fell into each bin: one more than there are edges.
    pub counts: Vec<u64>,
}

const BINS: usize = 10;

impl Profile {
    /// The profile of `values`; `None` where there is none or one is not finite.
    ///
    /// Time `O(n)` on average, memory one copy of the values. The mean is Welford's (Technometrics 4, 1962), so that large
    /// offsets cost no digits.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let max = greatest(values)?;
        let mut edges = deciles(values);
        // The last bin would be empty with an edge at the maximum. With none in its place, a column that is nearly always
        // at its maximum would have one bin, and could not be seen to leave it.
        if edges.last() == Some(&max)
            && let Some(below) = values.iter().copied().filter(|&value| value < max).reduce(f64::max)
        {
            edges.iter_mut().filter(|edge| **edge == max).for_each(|edge| *edge = below);
        }
        edges.dedup();
        edges.retain(|&edge| edge < max);
        Self::with_edges(values, edges)
    }

    /// The profile of a category of so many levels, whose values are their positions: a bin a level, so that each can be
    /// seen to become more or less frequent; beyond 50 levels, neighbours share bins as in [`Profile::of`].
    #[must_use]
    pub fn of_levels(values: &[f64], levels: usize) -> Option<Self> {
        const MOST: usize = 50;
        if levels > MOST {
            return Self::of(values);
        }
        greatest(values)?;
        Self::with_edges(values, (1..levels).map(|level| (level - 1) as f64).collect())
    }

    /// The profile of finite values, of which there is at least one.
    fn with_edges(values: &[f64], edges: Vec<f64>) -> Option<Self> {
        let min = values.iter().copied().min_by(f64::total_cmp)?;
        let max = values.iter().copied().max_by(f64::total_cmp)?;
        let (mut mean, mut squares) = (0.0, 0.0);
        for (index, &value) in values.iter().enumerate() {
            let delta = value - mean;
            mean += delta / (index + 1) as f64;
            squares += delta * (value - mean);
        }
        let standard_deviation = if values.len() > 1 { (squares / (values.len() - 1) as f64).sqrt() } else { 0.0 };
        let mut profile = Self {
            count: values.len() as u64,
            mean,
            standard_deviation,
            min,
            max,
            counts: vec![0; edges.len() + 1],
            edges,
        };
        for &value in values {
            let bin = profile.bin(value);
            if let Some(count) = profile.counts.get_mut(bin) {
                *count += 1;
            }
        }
        Some(profile)
    }

    /// The bin that `value` falls into.
    #[must_use]
    pub fn bin(&self, value: f64) -> usize {
        // There are few edges: to compare with all of them takes less than the branches of a search.
        self.edges.iter().map(|&edge| usize::from(edge < value)).sum()
    }

    /// The population stability index of other values against these: `Σ (o - e) · ln(o / e)` over the bins, where `e` is
    /// a bin's share of the values here and `o` its share of `observed`, their counts by [`Profile::bin`]. 0 says that
    /// the shares are the same; by convention less than 0.1 is no change worth a word, and more than 0.25 a large one
    /// (Siddiqi, *Credit Risk Scorecards*, 2006). `None`: there are no observed values, or not one count a bin, or there
    /// is only one bin, whose share cannot change.
    ///
    /// An empty bin would make it infinite, so half a value is added to every bin on both sides.
    ///
    /// It is noisy: without any change it is about `(1/N + 1/M) · χ²` with one degree of freedom less than there are
    /// bins, for `N` values here and `M` observed (Yurdakul and Naranjo, *Statistical properties of the population
    /// stability index*, Journal of Risk Model Validation 14, 2020). With ten bins, many values here
    /// and 200 observed the mean of that is 0.05 and one in 10,000 is above 0.17; with 20 observed the mean is 0.45. Few
    /// values here make it as large as few observed: 200 and 200 have a mean of 0.09.
    #[must_use]
    pub fn population_stability_index(&self, observed: &[u64]) -> Option<f64> {
        const HALF: f64 = 0.5;
        let total = |counts: &[u64]| counts.iter().map(|&count| count as f64 + HALF).sum::<f64>();
        if self.counts.len() < 2 || observed.len() != self.counts.len() || observed.iter().all(|&count| count == 0) {
            return None;
        }
        let (all_here, all_observed) = (total(&self.counts), total(observed));
        let bins = self.counts.iter().zip(observed);
        let terms = bins.map(|(&here, &seen)| {
            let (expected, observed) = ((here as f64 + HALF) / all_here, (seen as f64 + HALF) / all_observed);
            (observed - expected) * (observed / expected).ln()
        });
        Some(terms.sum())
    }

    /// Whether the parts agree with each other; a decoded profile is checked by this.
    pub(crate) fn is_sound(&self) -> bool {
        let finite = [self.mean, self.standard_deviation, self.min, self.max].iter().all(|value| value.is_finite());
        let sum = self.counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count));
        finite
            && self.count > 0
            && self.counts.len() == self.edges.len() + 1
            && sum == Some(self.count)
            && self.edges.is_sorted_by(|a, b| a < b)
    }
}

/// The largest of some values; `None` where there is none or one is not finite.
fn greatest(values: &[f64]) -> Option<f64> {
    if values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    values.iter().copied().max_by(f64::total_cmp)
}

/// The value at each tenth of the sorted values, without sorting them.
fn deciles(values: &[f64]) -> Vec<f64> {
    // With fewer values than bins a position comes more than once.
    let positions: Vec<usize> =
        (1..BINS).map(|tenth| (values.len() * tenth).div_ceil(BINS).saturating_sub(1)).collect();
    let mut edges = Vec::with_capacity(positions.len());
    select(&mut values.to_vec(), 0, &positions, &mut edges);
    edges
}

/// Adds to `found` the values at these positions of the sorted values, which begin at position `first`. The middle one
/// comes first, and halves what the others are looked for in.
fn select(values: &mut [f64], first: usize, positions: &[usize], found: &mut Vec<f64>) {
    let Some(&middle) = positions.get(positions.len() / 2).filter(|middle| *middle - first < values.len()) else {
        return;
    };
    let (before, rest) = positions.split_at(positions.partition_point(|position| *position < middle));
    let (same, behind) = rest.split_at(rest.partition_point(|position| *position == middle));
    let (below, value, above) = values.select_nth_unstable_by(middle - first, f64::total_cmp);
    select(below, first, before, found);
    found.extend(same.iter().map(|_| *value));
    select(above, middle + 1, behind, found);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 to 100: mean 50.5, variance n(n+1)/12 = 841.67, ten bins of ten.
    #[test]
    fn one_to_a_hundred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let profile = Profile::of(&values).unwrap();
        assert_eq!(profile.mean, 50.5);
        assert!((profile.standard_deviation.powi(2) - 100.0 * 101.0 / 12.0).abs() < 1e-9);
        assert_eq!(profile.edges, [10., 20., 30., 40., 50., 60., 70., 80., 90.]);
        assert_eq!(profile.counts, [10; 10]);
        assert!(profile.is_sound());
    }

    /// As by sorting, whatever the number of values.
    #[test]
    fn deciles_are_those_of_the_sorted_values() {
        for count in 1..60_u32 {
            // Some order, with values that repeat.
            let values: Vec<f64> = (0..count).map(|index| f64::from(index * 37 % count / 2)).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let expected: Vec<f64> = (1..10).map(|tenth| sorted[(count as usize * tenth).div_ceil(10) - 1]).collect();
            assert_eq!(deciles(&values), expected, "{count} values");
        }
    }

    #[test]
    fn repeated_values_merge_bins() {
        let check = |parts: &[(f64, usize)], edges: &[f64], counts: &[u64]| {
            let values: Vec<f64> = parts.iter().flat_map(|&(value, times)| vec![value; times]).collect();
            let profile = Profile::of(&values).unwrap();
            assert_eq!((profile.edges.as_slice(), profile.counts.as_slice()), (edges, counts), "{parts:?}");
            assert!(profile.is_sound(), "{parts:?}");
        };
        check(&[(0.0, 95), (1.0, 5)], &[0.0], &[95, 5]);
        // All deciles are the maximum, whatever the order of the values.
        check(&[(0.0, 5), (1.0, 95)], &[0.0], &[5, 95]);
        check(&[(1.0, 99), (0.0, 1)], &[0.0], &[1, 99]);
        // Half are; the values between the last decile below and the maximum have a bin too.
        check(&[(0.0, 42), (1.0, 6), (2.0, 52)], &[0.0, 1.0], &[42, 6, 52]);
        // With fewer values than bins some deciles are the maximum, and nothing is lost or doubled.
        check(&[(1.0, 1), (2.0, 1), (3.0, 1)], &[1.0, 2.0], &[1, 1, 1]);
        check(&[(7.0, 100)], &[], &[100]);
    }

    /// Case: a flag that is nearly always set in training, and not any more.
    #[test]
    fn a_column_that_leaves_its_maximum_has_drifted() {
        let profile = Profile::of(&[vec![0.0; 5], vec![1.0; 95]].concat()).unwrap();
        let observed = |zeros: usize, ones: usize| {
            let mut counts = vec![0; profile.counts.len()];
            [vec![0.0; zeros], vec![1.0; ones]].concat().iter().for_each(|&value| counts[profile.bin(value)] += 1);
            profile.population_stability_index(&counts).unwrap()
        };
        assert!(observed(50, 950) < 0.01, "{}", observed(50, 950));
        assert!(observed(1000, 0) > 1.0, "{}", observed(1000, 0));
    }

    #[test]
    fn each_level_has_a_bin() {
        let values = [0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0];
        let profile = Profile::of_levels(&values, 4).unwrap();
        assert_eq!((profile.edges.as_slice(), profile.counts.as_slice()), (&[0.0, 1.0, 2.0][..], &[1, 0, 10, 1][..]));
        assert!(profile.is_sound());
        assert!((0_u8..4).all(|level| profile.bin(f64::from(level)) == usize::from(level)));
        assert_eq!(Profile::of_levels(&[0.0], 1).unwrap().counts, [1]);
        assert_eq!(Profile::of_levels(&values, 51), Profile::of(&values));
        assert_eq!(Profile::of_levels(&[f64::NAN], 2), None);
    }

    #[test]
    fn one_value_has_one_bin() {
        let profile = Profile::of(&[3.0]).unwrap();
        assert_eq!((profile.counts.as_slice(), profile.standard_deviation), ([1].as_slice(), 0.0));
    }

    /// The index against a profile with these counts.
    fn index(counts: &[u64], observed: &[u64]) -> Option<f64> {
        let edges = (1..counts.len()).map(|edge| edge as f64).collect();
        let count = counts.iter().sum();
        let profile =
            Profile { count, mean: 0.0, standard_deviation: 0.0, min: 0.0, max: 1.0, edges, counts: counts.to_vec() };
        profile.population_stability_index(observed)
    }

    /// With half a value more in each bin, 3 of 4 is 3.5 of 5.
    #[test]
    fn stability_by_hand() {
        let check = |counts: &[u64], observed: &[u64], expected: f64| {
            let found = index(counts, observed).unwrap();
            assert!((found - expected).abs() < 1e-12, "{counts:?} {observed:?}: {found}, not {expected}");
        };
        // Shares 0.7, 0.3 against 0.3, 0.7.
        check(&[3, 1], &[1, 3], 0.8 * (7.0_f64 / 3.0).ln());
        // An empty bin has a share of 0.1: (0.1 - 0.7) ln(1/7) + (0.9 - 0.3) ln 3.
        check(&[3, 1], &[0, 4], 0.6 * 21.0_f64.ln());
        // The same on either side.
        check(&[0, 4], &[3, 1], 0.6 * 21.0_f64.ln());
        check(&[10; 10], &[10; 10], 0.0);
        check(&[10; 10], &[70; 10], 0.0);
        // 1,000 of 1,000 in the last of ten: nine bins with a share of 0.5/1005.
        let (empty, full) = (0.5 / 1005.0, 1000.5 / 1005.0);
        let expected = 9.0 * (empty - 0.1) * (empty / 0.1_f64).ln() + (full - 0.1) * (full / 0.1_f64).ln();
        check(&[10; 10], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1000], expected);
    }

    #[test]
    fn counts_that_have_no_index() {
        // One bin cannot change: 0 would say that there is no drift.
        assert_eq!(index(&[9], &[1]), None);
        assert_eq!(index(&[1, 1], &[0, 0]), None);
        assert_eq!(index(&[1, 1], &[1]), None);
        assert_eq!(index(&[1, 1], &[1, 1, 1]), None);
        assert!(index(&[u64::MAX - 1, 1], &[u64::MAX, u64::MAX]).is_some_and(f64::is_finite));
    }

    #[test]
    fn values_that_have_no_profile() {
        assert_eq!(Profile::of(&[]), None);
        assert_eq!(Profile::of(&[1.0, f64::NAN]), None);
        assert_eq!(Profile::of(&[f64::INFINITY]), None);
    }

    /// 1e9 + {4, 7, 13, 16} has variance 30 whatever the offset.
    #[test]
    fn a_large_offset_costs_no_digits() {
        let values = [4.0, 7.0, 13.0, 16.0].map(|value| 1e9 + value);
        assert!((Profile::of(&values).unwrap().standard_deviation.powi(2) - 30.0).abs() < 1e-6);
    }
}
