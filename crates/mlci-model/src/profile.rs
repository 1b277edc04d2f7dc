use serde::{Deserialize, Serialize};

/// How a column's values were spread in training: what later values are compared with to notice drift.
///
/// Bins have about equal counts (deciles, merged where values repeat), as the population stability index wants them.
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
    /// Time `O(n log n)`, memory one copy of the values. The mean is Welford's (Technometrics 4, 1962), so that large
    /// offsets cost no digits.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);

        let (mut mean, mut squares) = (0.0, 0.0);
        for (index, &value) in values.iter().enumerate() {
            let delta = value - mean;
            mean += delta / (index + 1) as f64;
            squares += delta * (value - mean);
        }
        let standard_deviation = if values.len() > 1 { (squares / (values.len() - 1) as f64).sqrt() } else { 0.0 };

        let mut edges: Vec<f64> =
            (1..BINS).filter_map(|i| sorted.get((sorted.len() * i).div_ceil(BINS) - 1).copied()).collect();
        edges.dedup();
        // The last bin would be empty with an edge at the maximum.
        edges.retain(|&edge| edge < max);
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
        self.edges.partition_point(|&edge| edge < value)
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

    #[test]
    fn repeated_values_merge_bins() {
        let mut values = vec![0.0; 95];
        values.extend([1.0; 5]);
        let profile = Profile::of(&values).unwrap();
        assert_eq!((profile.edges.as_slice(), profile.counts.as_slice()), ([0.0].as_slice(), [95, 5].as_slice()));
    }

    #[test]
    fn one_value_has_one_bin() {
        let profile = Profile::of(&[3.0]).unwrap();
        assert_eq!((profile.counts.as_slice(), profile.standard_deviation), ([1].as_slice(), 0.0));
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
