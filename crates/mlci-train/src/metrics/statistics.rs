use super::Scored;

/// Absolute errors, row by row.
pub(super) fn errors(scored: Scored<'_>) -> Vec<f64> {
    scored.truth.iter().zip(scored.prediction).map(|(truth, prediction)| (truth - prediction).abs()).collect()
}

pub(super) fn mape(truth: &[f64], errors: &[f64], counts: &[u32]) -> Option<f64> {
    let rows = truth.iter().zip(errors).zip(counts).filter(|((truth, _), _)| **truth != 0.0);
    let (sum, size) = rows.fold((0.0, 0_u64), |(sum, size), ((truth, error), count)| {
        (sum + f64::from(*count) * (error / truth.abs()), size + u64::from(*count))
    });
    Some(sum / size as f64).filter(|mape| mape.is_finite())
}

pub(super) fn sum_of_squares(errors: &[f64], counts: &[u32]) -> f64 {
    weigh(errors, counts, |error| error * error)
}

pub(super) fn r2(truth: &[f64], errors: &[f64], counts: &[u32]) -> Option<f64> {
    let mut taken = truth.iter().zip(counts).filter(|(_, count)| **count > 0).map(|(truth, _)| *truth);
    let first = taken.next()?;
    // Compared rather than summed: the mean of equal numbers can differ from them by rounding.
    if taken.all(|truth| truth == first) {
        return None;
    }
    let mean = weigh(truth, counts, |truth| truth) / size(counts);
    let total = weigh(truth, counts, |truth| (truth - mean) * (truth - mean));
    Some(1.0 - sum_of_squares(errors, counts) / total).filter(|r2| r2.is_finite())
}

/// The median, of an even number the mean of the middle two.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    let (below, upper, _) = values.select_nth_unstable_by(high, f64::total_cmp);
    let lower = if low == high { None } else { below.iter().copied().reduce(f64::max) };
    Some(lower.map_or(*upper, |lower| f64::midpoint(lower, *upper)))
}

/// The median of values in ascending order, each with how often it is there, where `below` come before them and all
/// together are `size`. None where it is not among these.
pub(super) fn weighted_median(size: u64, mut below: u64, ordered: impl Iterator<Item = (f64, u64)>) -> Option<f64> {
    // Ranks, from 0, of the middle one or two.
    let (low, high) = (size.checked_sub(1)? / 2, size / 2);
    if below > low {
        return None;
    }
    let mut lower = None;
    for (value, times) in ordered {
        below += times;
        if lower.is_none() && below > low {
            lower = Some(value);
        }
        if below > high {
            return lower.map(|lower| f64::midpoint(lower, value));
        }
    }
    None
}

pub(super) fn size(counts: &[u32]) -> f64 {
    counts.iter().map(|count| u64::from(*count)).sum::<u64>() as f64
}

pub(super) fn weigh(values: &[f64], counts: &[u32], of: impl Fn(f64) -> f64) -> f64 {
    values.iter().zip(counts).map(|(value, count)| f64::from(*count) * of(*value)).sum()
}

/// The rank of each value, from 1; equal values share the mean of theirs.
pub(crate) fn rank(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for tie in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let shared = below as f64 + (tie.len() + 1) as f64 / 2.0;
        tie.iter().for_each(|row| ranks[*row] = shared);
        below += tie.len();
    }
    ranks
}
