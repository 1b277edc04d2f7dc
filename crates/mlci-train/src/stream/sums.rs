use std::collections::BTreeMap;

use crate::{
    BlockError, BlockQr, FitError, LinearFit, LinearOptions, Moments, Statistic,
    stream::{
        Marginal,
        lanes::{Side, Summed},
    },
};

/// What is kept of the training rows, fold by fold.
pub(crate) enum Sums {
    Moments(Folds<Moments>),
    Qr(Folds<BlockQr>),
}

/// The statistic of each fold that has rows, with its number, ascending.
pub(crate) struct Folds<S>(pub(crate) Vec<(u64, S)>);

impl<S: Statistic + Clone> Folds<S> {
    /// All folds, or all but one, put together in their order.
    pub(crate) fn merged(&self, without: Option<u64>) -> Result<S, BlockError> {
        let mut folds = self.0.iter().filter(|(number, _)| Some(*number) != without).map(|(_, fold)| fold);
        let mut all = folds.next().ok_or(BlockError::Empty)?.clone();
        folds.try_for_each(|fold| all.merge(fold))?;
        Ok(all)
    }

    fn solve(&self, without: Option<u64>, names: &[&str], options: &LinearOptions) -> Result<LinearFit, FitError> {
        self.merged(without).map_err(|error| as_fit(error, names))?.solve(names, options)
    }
}

impl Sums {
    /// Of some columns, the target last among them.
    pub(crate) fn select(self, columns: &[usize]) -> Self {
        fn each<S>(Folds(folds): Folds<S>, select: impl Fn(&S) -> S) -> Folds<S> {
            Folds(folds.into_iter().map(|(number, fold)| (number, select(&fold))).collect())
        }
        match self {
            Self::Moments(folds) => Self::Moments(each(folds, |fold| fold.select(columns))),
            Self::Qr(folds) => Self::Qr(each(folds, |fold| fold.select(columns))),
        }
    }

    /// Fits to all folds, or to all but one.
    pub(crate) fn solve(
        &self,
        without: Option<u64>,
        names: &[&str],
        options: &LinearOptions,
    ) -> Result<LinearFit, FitError> {
        match self {
            Self::Moments(folds) => folds.solve(without, names, options),
            Self::Qr(folds) => folds.solve(without, names, options),
        }
    }
}

/// What was summed up of each side.
pub(crate) struct Sides {
    /// The columns of all rows.
    pub(crate) all: Vec<Marginal>,
    /// The columns of the training rows.
    pub(crate) training: Vec<Marginal>,
    pub(crate) sums: Sums,
}

impl Sides {
    /// Of rows of `width` values.
    pub(crate) fn of<S: Statistic>(
        sides: BTreeMap<Side, Summed<S>>,
        width: usize,
        sums: impl FnOnce(Folds<S>) -> Sums,
    ) -> Self {
        let (mut all, mut training) = (vec![Marginal::EMPTY; width], vec![Marginal::EMPTY; width]);
        let mut folds = Vec::new();
        for (side, summed) in sides {
            let columns = summed.columns();
            all.iter_mut().zip(&columns).for_each(|(column, later)| column.merge(later));
            if let Side::Fold(number) = side {
                training.iter_mut().zip(&columns).for_each(|(column, later)| column.merge(later));
                folds.extend(summed.statistic.map(|statistic| (number, statistic)));
            }
        }
        Self { all, training, sums: sums(Folds(folds)) }
    }
}

/// Why blocks could not be summed up, in the words of a fit.
pub(crate) fn as_fit(error: BlockError, names: &[&str]) -> FitError {
    let name = |column: usize| names.get(column).map_or("the target", |name| name).to_owned();
    match error {
        BlockError::TooLarge { column } => FitError::TooLarge { column: name(column) },
        BlockError::NotFinite { row, column, value } => {
            FitError::NotFinite { row: row as usize, column: name(column), value }
        }
        BlockError::Empty => FitError::TooFewRows { rows: 0, features: names.len(), intercept: true },
        other => FitError::Solver(Box::new(other)),
    }
}

/// The columns of a statistic.
pub(crate) fn marginals<S: Statistic>(statistic: &S) -> Vec<Marginal> {
    let ranges = statistic.smallest().iter().zip(statistic.largest());
    let columns = statistic.means().iter().zip(statistic.squares()).zip(ranges);
    let marginal = |((mean, squares), (low, high)): ((&f64, f64), (&f64, &f64))| Marginal {
        count: statistic.rows(),
        mean: *mean,
        squares,
        low: *low,
        high: *high,
    };
    columns.map(marginal).collect()
}

impl<S: Statistic> Summed<S> {
    /// The columns of the rows as they are.
    pub(crate) fn columns(&self) -> Vec<Marginal> {
        match (&self.marginals, &self.statistic) {
            (Some(marginals), _) => marginals.clone(),
            (None, Some(statistic)) => marginals(statistic),
            (None, None) => Vec::new(),
        }
    }
}
