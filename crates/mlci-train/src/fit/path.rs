use mlci_model::Estimator;
use ndarray::{ArrayView1, ArrayView2};

use super::{Algorithm, FitError, HyperParameters, Standardised};

/// Fits with each of these hyper-parameters. Where sums of the rows are enough, they are made once.
pub(crate) fn path(
    algorithm: Algorithm,
    candidates: &[HyperParameters],
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    names: &[&str],
) -> Vec<Result<Estimator, FitError>> {
    let one_by_one = || candidates.iter().map(|chosen| algorithm.fitter(chosen).fit(x, y, names)).collect();
    if candidates.len() < 2 || !algorithm.needs_penalty() {
        return one_by_one();
    }
    let Ok(rows) = Standardised::new(x, y, names) else { return one_by_one() };
    let each = candidates.iter().map(|chosen| {
        let penalty = chosen.penalty.unwrap_or_default();
        match algorithm {
            Algorithm::Lasso => rows.elastic_net(penalty, 1.0),
            Algorithm::ElasticNet => rows.elastic_net(penalty, chosen.l1_share.unwrap_or(0.5)),
            _ => rows.ridge(penalty),
        }
    });
    each.collect()
}

/// Penalties to choose from where none is stated, the largest first: for lasso and elastic net 20 from the smallest that
/// leaves no weight down to a thousandth of it, as glmnet does (Friedman, Hastie & Tibshirani, *J. Stat. Softw.* 33,
/// 2010); for ridge 15 from `100·n` to `n/100,000`, where `n` is the squared length of a standardised column.
pub(crate) fn penalties(
    algorithm: Algorithm,
    l1_share: f64,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    names: &[&str],
) -> Result<Vec<f64>, FitError> {
    let down = |from: f64, steps: i32, decades: f64| {
        (0..steps).map(move |step| from * 10.0_f64.powf(-decades * f64::from(step) / f64::from(steps - 1))).collect()
    };
    let rows = Standardised::new(x, y, names)?;
    Ok(match algorithm {
        Algorithm::Ridge => down(100.0 * x.nrows() as f64, 15, 7.0),
        _ => down(rows.largest_penalty() / l1_share, 20, 3.0),
    })
}
