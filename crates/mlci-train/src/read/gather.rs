//! One pass over the data, of which sums and some rows are kept.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use mlci_core::Digest;

use super::{
    Hashing, Plain, ReadError, ReadFileError, ReadOptions, RowUnit, assemble, begin,
    chunks::{Chunk, Chunks},
    first::First,
    parallel::{self, lock},
    plan::{self, Plan},
    rows::Rows,
    rows_of,
};
use crate::{
    BlockError, BlockQr, Gathered, Moments, Role, Statistic, TrainOptions,
    split::Purpose,
    stream::{Cuts, Full, Lanes, LevelCounts, Marginal, Plan as Keeping, Recipe, Side, Sides, Summed, Sums, recipe},
};

/// Reads CSV as [`read_csv`](crate::read_csv) does, and keeps of it what [`Gathered`] says: in memory that grows with
/// the number of rows only where that says so, and by 32 bytes for each value of a column that has to be unique. The
/// digest of the bytes comes with it.
///
/// `open` gives the data from its beginning. It is called once; once more where levels of a category are not declared;
/// and once more where columns depend on each other so nearly, or residuals are so small, that sums of products do not
/// have the digits (see [`Moments`]).
///
/// # Errors
/// As [`read_csv`](crate::read_csv), or where the second reading gives other bytes than the first. What is wrong with
/// `train` is said by [`Gathered::train`].
pub fn gather<R: Read + Send>(
    open: impl Fn() -> io::Result<R>,
    read: &ReadOptions,
    train: &TrainOptions,
) -> Result<(Gathered, Digest), ReadError> {
    let bytes = || open().map(Hashing::new).map_err(ReadError::Io);
    let mut first_bytes = bytes()?;
    let (chunks, header) = begin(&mut first_bytes, read)?;
    let mut plan = Plan::new(plan::header(&header, read.delimiter)?, RowUnit::Line, read)?;
    let mut later_bytes = None;
    let chunks = if plan.takes_levels_of_data() {
        // Levels make columns, so that they have to be known before anything is summed up.
        let levels = levels_of_data(chunks, &plan, read)?;
        plan.freeze(levels)?;
        begin(later_bytes.insert(bytes()?), read)?.0
    } else {
        chunks
    };
    let unused = plan.roles.iter().filter(|role| **role == Role::Unused).count() + plan.unused_categories().count();
    let width = plan.features.len() + 1;
    let keeping = Keeping::new(train, width + unused);
    let recipe = recipe(&plan.known_columns(), &keeping);
    let pass = Pass { plan: &plan, read, keeping: &keeping, recipe: &recipe };

    let mut first = First::new(&pass);
    let bounds = Bounds::default();
    let take = |dealt| first.take(dealt, &bounds);
    let sides = if keeping.factors {
        pass.run::<BlockQr>(chunks, &bounds, take)?.map(|sides| Sides::of(sides, width, Sums::Qr))
    } else {
        pass.run::<Moments>(chunks, &bounds, take)?.map(|sides| Sides::of(sides, width, Sums::Moments))
    };
    let changed = || ReadError::Io(io::Error::other("it was read twice, and was not the same the second time"));
    let digest = first_bytes.finish();
    if later_bytes.is_some_and(|later| later.finish() != digest) {
        return Err(changed());
    }
    let passed = first.finish(sides)?;
    let again = || {
        let mut bytes = bytes()?;
        let (chunks, _) = begin(&mut bytes, read)?;
        let sides = pass.run::<BlockQr>(chunks, &Bounds::default(), |_| {})?;
        if bytes.finish() == digest { Ok(sides.map(|sides| Sides::of(sides, width, Sums::Qr))) } else { Err(changed()) }
    };
    Ok((Gathered::conclude(passed, train, again)?, digest))
}

/// Reads a file as [`gather`] does, or, with the feature `parquet`, Parquet as [`read_file`](crate::read_file) does: of
/// that all rows are in memory.
///
/// # Errors
/// [`ReadFileError`] naming the path.
pub fn gather_file(path: &Path, read: &ReadOptions, train: &TrainOptions) -> Result<(Gathered, Digest), ReadFileError> {
    #[cfg(feature = "parquet")]
    if super::is_parquet(path)? {
        let (table, digest) = super::read_file(path, read)?;
        return Ok((Gathered::of(&table, train), digest));
    }
    let open = || mlci_core::open_file(path).map_err(|error| error.source);
    gather(open, read, train).map_err(|source| ReadFileError { path: path.to_owned(), source })
}

/// The levels of each column that takes them of the data.
fn levels_of_data(
    mut chunks: Chunks<Plain<'_>>,
    plan: &Plan,
    read: &ReadOptions,
) -> Result<Vec<Vec<String>>, ReadError> {
    chunks.of(super::CHUNK);
    let of_chunk = |chunk: Chunk| {
        let mut rows = rows_of(&chunk, plan, read)?;
        rows.forget();
        Ok(rows)
    };
    let mut rows = Rows::new(plan, read.missing);
    parallel::in_order(|| chunks.next().map_err(ReadError::of), of_chunk, |next| rows.append(next))?;
    let mut tallies = rows.sound()?.tallies;
    assemble::levels(plan, &mut tallies, &mut [], &mut [])
}

/// What every pass over the data is told.
pub(super) struct Pass<'p> {
    pub(super) plan: &'p Plan,
    pub(super) read: &'p ReadOptions,
    pub(super) keeping: &'p Keeping,
    pub(super) recipe: &'p Recipe,
}

/// Places beyond which rows are not kept.
pub(super) struct Bounds {
    pub(super) held_out: AtomicU64,
    pub(super) sample: AtomicU64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { held_out: AtomicU64::new(u64::MAX), sample: AtomicU64::new(u64::MAX) }
    }
}

/// The rows of a chunk, dealt.
pub(super) struct Dealt<'p> {
    pub(super) rows: Rows<'p>,
    /// The side of each.
    pub(super) sides: Vec<Side>,
    /// Rows that may be kept, with their places.
    pub(super) to_test: Vec<(usize, u64)>,
    pub(super) to_sample: Vec<(usize, u64)>,
    /// The columns that are not used, as long as they are numeric.
    pub(super) spare: Vec<Option<Marginal>>,
    pub(super) levels: LevelCounts,
}

impl<'p> Pass<'p> {
    /// Reads, deals and sums up, with as many threads as there are processors. What comes of it does not depend on them.
    fn run<S: Statistic + Send>(
        &self,
        mut chunks: Chunks<Plain<'_>>,
        bounds: &Bounds,
        mut take: impl FnMut(Dealt<'p>) + Send,
    ) -> Result<Result<BTreeMap<Side, Summed<S>>, BlockError>, ReadError> {
        chunks.of(super::CHUNK);
        let folds = self.keeping.deal.folds;
        // Not behind the lock of the source, which another thread reads from meanwhile.
        let spare = Mutex::new(Vec::new());
        let (mut cuts, lanes) = (Cuts::new(self.recipe.width, folds), Mutex::new(Lanes::new(folds)));
        let sum_up = |full: Full| lock(&lanes).take(full.sum_up(self.recipe));
        parallel::in_order_then(
            || {
                lock(&spare).drain(..).for_each(|bytes| chunks.recycle(bytes));
                chunks.next().map_err(ReadError::of)
            },
            |chunk| {
                let dealt = self.deal(&chunk, bounds);
                lock(&spare).push(chunk.bytes);
                dealt
            },
            |dealt, full| {
                let features = dealt.rows.matrix.chunks_exact(self.recipe.width - 1);
                for ((side, features), target) in dealt.sides.iter().zip(features).zip(&dealt.rows.target) {
                    full.extend(cuts.push(*side, features, *target));
                }
                take(dealt);
            },
            sum_up,
        )?;
        cuts.finish().for_each(sum_up);
        Ok(lanes.into_inner().unwrap_or_else(PoisonError::into_inner).finish())
    }

    fn deal(&self, chunk: &Chunk, bounds: &Bounds) -> Result<Dealt<'p>, ReadError> {
        let mut rows = rows_of(chunk, self.plan, self.read)?;
        let deal = self.keeping.deal;
        let (held_out_bound, sample_bound) =
            (bounds.held_out.load(Ordering::Relaxed), bounds.sample.load(Ordering::Relaxed));
        let mut sides = Vec::with_capacity(rows.hashes.len());
        let mut levels = LevelCounts::of(&self.recipe.levels);
        let (mut to_test, mut to_sample) = (Vec::new(), Vec::new());
        for (row, (hash, line)) in rows.hashes.iter().zip(&rows.lines).enumerate() {
            let side = self.keeping.side(*hash);
            sides.push(side);
            if let Some(target) = rows.target.get(row) {
                let width = self.recipe.width - 1;
                levels.add(side, rows.matrix.get(row * width..(row + 1) * width).unwrap_or_default(), *target);
            }
            let choose = |to: &mut Vec<_>, purpose, bound| {
                let place = deal.place(*hash, *line, purpose);
                if place <= bound {
                    to.push((row, place));
                }
            };
            choose(&mut to_sample, Purpose::Sample, sample_bound);
            if side == Side::HeldOut {
                choose(&mut to_test, Purpose::Test, held_out_bound);
            }
        }
        let unused = rows.tallies.iter_mut().zip(&self.plan.roles).filter(|(_, role)| **role == Role::Unused);
        let of_spare = |values: &Vec<f64>| Marginal::of_rows(values, 1).first().copied().unwrap_or(Marginal::EMPTY);
        let spare = unused.map(|(tally, _)| tally.spare.as_ref().map(of_spare)).collect();
        Ok(Dealt { rows, sides, to_test, to_sample, spare, levels })
    }
}
