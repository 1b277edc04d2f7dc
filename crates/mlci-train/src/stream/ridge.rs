use crate::{FitError, Gathered, LinearFit, LinearOptions};

/// A penalty and how well fits with it predict rows that they were not fitted to.
#[derive(Debug, Clone, PartialEq)]
pub struct PenaltyScore {
    /// The penalty, see [`LinearOptions::penalty`].
    pub penalty: f64,
    /// The root mean squared error over all training rows, each predicted by the fit to the other folds; in units of
    /// the target.
    pub rmse: f64,
}

/// The penalty that was chosen, and what it was chosen from.
#[derive(Debug, Clone, PartialEq)]
pub struct PenaltyChoice {
    /// The one with the smallest error; of equals the largest, which is the simplest model.
    pub penalty: f64,
    /// All of them, in ascending order.
    pub candidates: Vec<PenaltyScore>,
}

impl Gathered {
    /// Chooses the penalty of a ridge regression by cross-validation, from the sums of the folds alone: no row is looked
    /// at again, and errors are of all training rows.
    ///
    /// A penalty acts on the coefficients as they are, in units of the columns, as `alpha` of scikit-learn's `Ridge`:
    /// columns are not standardised.
    ///
    /// # Errors
    /// [`FitError`] where a fit without one of the folds cannot be made.
    pub fn choose_penalty(&self, candidates: &[f64]) -> Result<PenaltyChoice, FitError> {
        let folds: Vec<u64> = self.folds_with_rows();
        let mut scores = Vec::with_capacity(candidates.len());
        for &penalty in candidates {
            let options = LinearOptions { penalty, ..LinearOptions::default() };
            let (mut squares, mut rows) = (0.0, 0);
            for &fold in &folds {
                let fit = self.solve(Some(fold), &options)?;
                let (errors, count) = self.errors(fold, &fit.linear).unwrap_or_default();
                squares += errors;
                rows += count;
            }
            scores.push(PenaltyScore { penalty, rmse: (squares / rows as f64).sqrt() });
        }
        scores.sort_by(|a, b| a.penalty.total_cmp(&b.penalty));
        // Ascending: of equals the last counts.
        let best = scores.iter().min_by(|a, b| a.rmse.total_cmp(&b.rmse).then(b.penalty.total_cmp(&a.penalty)));
        match best.filter(|best| best.rmse.is_finite()) {
            Some(best) => Ok(PenaltyChoice { penalty: best.penalty, candidates: scores }),
            None => {
                let features = self.schema.features.len();
                Err(FitError::TooFewRows { rows: self.rows.train as usize, features, intercept: true })
            }
        }
    }

    /// Ridge regression on all training rows with this penalty, which acts as [`Self::choose_penalty`] says.
    ///
    /// # Errors
    /// [`FitError`]: the penalty is none, a column is constant, or, without a penalty, columns are dependent.
    pub fn ridge(&self, penalty: f64) -> Result<LinearFit, FitError> {
        self.solve(None, &LinearOptions { penalty, ..LinearOptions::default() })
    }

    /// Penalties to choose from where none are given: 13, evenly spaced on a logarithmic scale, from 10⁻⁹ to 10³ times
    /// the mean of the features' sums of squares about their means.
    #[must_use]
    pub fn penalties(&self) -> Vec<f64> {
        let features = self.columns.split_last().map_or(&[][..], |(_target, features)| features);
        let scale = features.iter().map(|column| column.squares).sum::<f64>() / features.len().max(1) as f64;
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        (-9..=3).map(|power| scale * 10.0_f64.powi(power)).collect()
    }
}
