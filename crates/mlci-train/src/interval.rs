//! Prediction intervals.

/// How many of the rows to come should lie within a prediction interval.
pub(crate) const CONFIDENCE: f64 = 0.9;

/// Half the width of the interval about each prediction that 90 % of the truths should lie in: of the absolute errors of
/// `n` rows, each by a model that was not fitted to it, the one at rank `⌈0.9·(n + 1)⌉`. `None` where there are fewer
/// than nine.
///
/// Split conformal prediction (Vovk, Gammerman & Shafer, *Algorithmic Learning in a Random World*, 2005, ch. 4; Lei et
/// al., *J. Am. Statist. Assoc.* 113, 2018) with the errors of all folds of a cross-validation pooled, as in CV+ (Barber
/// et al., *Ann. Statist.* 49, 2021). It assumes that rows are exchangeable, and that errors are as wide everywhere.
pub(crate) fn half_width(errors: &[f64]) -> Option<f64> {
    let mut errors = errors.to_vec();
    errors.sort_by(f64::total_cmp);
    let rank = ((errors.len() + 1) as f64 * CONFIDENCE - 1e-9).ceil() as usize;
    errors.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 99 errors the 90th; of 9 the 9th; of 8 there would have to be a ninth.
    #[test]
    fn ranks() {
        let errors = |count: u32| (1..=count).rev().map(f64::from).collect::<Vec<_>>();
        assert_eq!(half_width(&errors(99)), Some(90.0));
        assert_eq!(half_width(&errors(9)), Some(9.0));
        assert_eq!(half_width(&errors(8)), None);
        assert_eq!(half_width(&[]), None);
    }
}
