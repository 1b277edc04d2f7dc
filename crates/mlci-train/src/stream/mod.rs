//! Training on rows that pass by once, in memory that does not grow with their number.

mod fit;
mod keep;
mod lanes;
mod levels;
mod marginal;
mod sums;
mod table;
mod training;
mod unlearned;

use std::{collections::BTreeMap, convert::Infallible};

use mlci_model::{Design, Schema};

pub use self::unlearned::UnlearnedLevels;
pub(crate) use self::{
    keep::{Batch, Keep, Kept, Others},
    lanes::{Cuts, Full, Lanes, Recipe, Side, Summed},
    levels::LevelCounts,
    marginal::Marginal,
    sums::{Sides, Sums},
    table::recipe,
    training::{KeepTraining, Training},
    unlearned::Unlearned,
};
use crate::{
    Algorithm, BlockError, DataReport, FitError, LinearFit, LinearOptions, NoInference, Table, TrainOptions,
    fit::Standardised, read::parallel::in_order, split::Deal,
};

/// How many values the rows held out may have together, and those of the sample of all rows: 16 and 8 MiB.
const HELD_OUT_CELLS: usize = 1 << 21;
const SAMPLE_CELLS: usize = 1 << 20;
/// So many rows are kept even if they are very long.
const FEWEST_ROWS: usize = 1000;
/// There is a statistic for each fold.
pub(crate) const MOST_FOLDS: u32 = 1000;

/// What one pass over the data leaves of it, for a report and for a model: sums of the training rows, rows to test on,
/// and a sample of all rows.
///
/// Made by [`gather`](crate::gather()) from data that is never held as a whole, or by [`Gathered::of`] from a table; of
/// the same rows both are the same, to the last bit. Memory grows with the number of rows in the last two of these cases
/// alone:
///
/// - Rows held out are kept up to 2^21 values (or 1,000 rows, if that is more). Of more than that at least three quarters
///   as many are kept, by a hash of row and line; the others are neither trained nor tested on, so that no row ever
///   changes sides.
/// - Of all rows as good a sample of up to 2^20 values (or 1,000 rows) is kept. Deciles, the training metrics and
///   cross-validation's metrics are of the sample; counts, means, standard deviations and ranges are of all rows. Where
///   the sample is all rows, so is everything.
/// - For algorithms that cannot do with sums (the generalised linear models, logistic regression among them), all
///   training rows are kept: 8 bytes a value, and 24 a row beside.
/// - For an estimator that is fitted elsewhere ([`TrainOptions::elsewhere`]), the line of each training row: 8 bytes.
pub struct Gathered {
    pub(crate) options: TrainOptions,
    pub(crate) schema: Schema,
    pub(crate) report: DataReport,
    /// With the levels of all rows: another model may know more of them.
    pub(crate) held_out: Table,
    pub(crate) sample: Table,
    pub(crate) training: Training<Table>,
    /// How many rows are trained on, are kept for testing, and are neither.
    pub(crate) rows: RowCounts,
    /// The columns of the training rows, the target last.
    pub(crate) columns: Vec<Marginal>,
    pub(crate) levels: LevelCounts,
    pub(crate) unlearned: Vec<UnlearnedLevels>,
    sums: Option<Result<Sums, BlockError>>,
    /// Fits to all training rows, and to all but those of each fold, as far as there is one.
    fits: BTreeMap<Option<u64>, LinearFit>,
}

/// What becomes of the rows of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows trained on.
    pub train: u64,
    /// Rows held out to test on.
    pub test: u64,
    /// Rows beyond what is kept for testing: held out, but not tested on.
    pub left_out: u64,
}

impl RowCounts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.train + self.test + self.left_out
    }
}

/// What has passed by, before anything is concluded from it.
pub(crate) struct Passed {
    pub(crate) schema: Schema,
    pub(crate) report: DataReport,
    pub(crate) held_out: Table,
    /// How many rows there were to hold out.
    pub(crate) held_out_of: u64,
    pub(crate) sample: Table,
    pub(crate) training: Training<Table>,
    pub(crate) sides: Result<Sides, BlockError>,
    pub(crate) levels: LevelCounts,
}

/// How rows are dealt with these options, and which numbers of rows are kept.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) deal: Deal,
    /// Whether sums of the rows are enough to fit.
    pub(crate) fits: bool,
    /// Whether those have to be factors from the start.
    pub(crate) factors: bool,
    pub(crate) keeps: KeepTraining,
    pub(crate) held_out: usize,
    pub(crate) sample: usize,
}

impl Plan {
    /// For rows of so many values.
    pub(crate) fn new(options: &TrainOptions, cells: usize) -> Self {
        let folds = u64::from(options.folds.unwrap_or(1).clamp(1, MOST_FOLDS));
        let rows = |all: usize| (all / cells.max(1)).max(FEWEST_ROWS);
        let fits = is_summed(options);
        Self {
            deal: Deal { seed: options.seed, test_fraction: options.test_fraction, folds },
            fits,
            factors: fits && options.algorithm.needs_penalty(),
            keeps: match (fits, options.elsewhere) {
                (true, _) => Training::Nothing,
                (false, true) => Training::Lines(Vec::new()),
                (false, false) => Training::Rows(()),
            },
            held_out: rows(HELD_OUT_CELLS),
            sample: rows(SAMPLE_CELLS),
        }
    }

    /// The side of a row with this hash.
    pub(crate) fn side(&self, hash: u64) -> Side {
        if self.deal.is_held_out(hash) { Side::HeldOut } else { Side::Fold(self.deal.fold(hash)) }
    }
}

/// Whether an algorithm fits to sums of the rows, and needs none of them.
pub(crate) fn is_summed(options: &TrainOptions) -> bool {
    let algorithm = options.algorithm;
    !options.elsewhere && (algorithm == Algorithm::Ols || algorithm.needs_penalty())
}

impl Gathered {
    /// Concludes from what has passed by. Where sums of products do not have the digits, `again` is asked for the
    /// factors of the same rows.
    pub(crate) fn conclude<E>(
        passed: Passed,
        options: &TrainOptions,
        again: impl FnOnce() -> Result<Result<Sides, BlockError>, E>,
    ) -> Result<Self, E> {
        let Passed { schema, report, held_out, held_out_of, mut sample, mut training, sides, mut levels } = passed;
        let width = schema.features.len() + 1;
        let kept = held_out.rows() as u64;
        let (mut columns, sums) = match sides {
            Ok(Sides { training, sums, .. }) => (training, Ok(sums)),
            Err(error) => (vec![Marginal::EMPTY; width], Err(error)),
        };
        // A program of one's own is told of all levels.
        let unlearned = if options.elsewhere { Unlearned::default() } else { Unlearned::of(&schema, &levels) };
        let schema = unlearned.schema(schema);
        unlearned.counts(&mut levels, &mut columns);
        std::iter::once(&mut sample).chain(training.rows_mut()).for_each(|table| unlearned.table(table, &schema));
        let rows = RowCounts {
            train: report.rows_kept.saturating_sub(held_out_of),
            test: kept,
            left_out: held_out_of.saturating_sub(kept),
        };
        let mut gathered = Self {
            options: options.clone(),
            schema,
            report,
            held_out,
            sample,
            training,
            rows,
            columns,
            levels,
            unlearned: unlearned.levels.clone(),
            sums: None,
            fits: BTreeMap::new(),
        };
        if !is_summed(options) {
            return Ok(gathered);
        }
        gathered.sums = Some(sums.map(|sums| unlearned.sums(sums)));
        if !options.algorithm.needs_penalty() && gathered.fits_lack_digits() {
            gathered.sums = Some(again()?.map(|sides| unlearned.sums(sides.sums)));
            gathered.fits_lack_digits();
        }
        Ok(gathered)
    }

    /// Fits to all rows, and to all but those of each fold; whether sums of products do not have the digits for one, or for
    /// the errors of that to all rows.
    fn fits_lack_digits(&mut self) -> bool {
        let folds = self.options.folds.map_or(0, u64::from).min(u64::from(MOST_FOLDS));
        let mut parts = std::iter::once(None).chain((0..folds).map(Some));
        let (mut fits, mut lack_digits, mut fails) = (BTreeMap::new(), false, false);
        let solve = |without| Ok((without, self.solve(without, &LinearOptions::default())));
        let Ok(()) = in_order(
            || Ok::<_, Infallible>(parts.next()),
            solve,
            |(without, fit)| match fit {
                Ok(fit) => {
                    lack_digits |= without.is_none() && fit.inference == Err(NoInference::Unresolved);
                    fits.insert(without, fit);
                }
                Err(FitError::IllConditioned { .. }) => lack_digits = true,
                Err(_) => fails |= without.is_none(),
            },
        );
        // What is wrong with all rows is no better by factors.
        self.fits = if fails { BTreeMap::new() } else { fits };
        lack_digits && !fails
    }

    /// Ordinary least squares on all training rows, or on all but those of a fold.
    pub(crate) fn least_squares(&self, without: Option<u64>) -> Result<LinearFit, FitError> {
        match self.fits.get(&without) {
            Some(fit) => Ok(fit.clone()),
            None => self.solve(without, &LinearOptions::default()),
        }
    }

    pub(crate) fn solve(&self, without: Option<u64>, options: &LinearOptions) -> Result<LinearFit, FitError> {
        let design = Design::of(&self.schema.features);
        let names: Vec<&str> = design.names().iter().map(String::as_str).collect();
        match &self.sums {
            None => Err(sums::as_fit(BlockError::Empty, &names)),
            Some(Err(error)) => Err(sums::as_fit(error.clone(), &names)),
            Some(Ok(sums)) => sums.solve(without, &names, options),
        }
    }

    /// What was found in the data.
    #[must_use]
    pub fn report(&self) -> &DataReport {
        &self.report
    }

    /// The features and the target, with their ranges over all rows, as the model will have them: without
    /// [levels that it does not know](crate::UnlearnedLevels).
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The rows held out that are tested on, in the order of the data; possibly none.
    #[must_use]
    pub fn held_out(&self) -> &Table {
        &self.held_out
    }

    /// The lines of the data that the rows to train on begin on, where these are kept: see [`TrainOptions::elsewhere`].
    #[must_use]
    pub fn training_lines(&self) -> Option<&[u64]> {
        self.training.lines()
    }

    /// What becomes of the rows.
    #[must_use]
    pub fn rows(&self) -> RowCounts {
        self.rows
    }

    /// The sums of all training rows, or of all but those of a fold, for fits with a penalty.
    pub(crate) fn standardised<'n>(
        &self,
        without: Option<u64>,
        names: &'n [&'n str],
    ) -> Result<Standardised<'n>, FitError> {
        match &self.sums {
            Some(Ok(Sums::Qr(folds))) => {
                Standardised::of(folds.merged(without).map_err(|error| sums::as_fit(error, names))?, names)
            }
            Some(Err(error)) => Err(sums::as_fit(error.clone(), names)),
            _ => Err(sums::as_fit(BlockError::Empty, names)),
        }
    }

    /// The fold of a training row.
    pub(crate) fn fold(&self, hash: u64) -> u64 {
        Plan::new(&self.options, 1).deal.fold(hash)
    }

    /// The rows of the sample that are trained on, each with its fold.
    pub(crate) fn sampled_training(&self) -> Vec<(usize, u64)> {
        let plan = Plan::new(&self.options, 1);
        let rows = self.sample.hashes.iter().enumerate();
        let fold = |(row, hash): (usize, &u64)| match plan.side(*hash) {
            Side::Fold(fold) => Some((row, fold)),
            Side::HeldOut => None,
        };
        rows.filter_map(fold).collect()
    }
}
