//! One pass over the data, of which sums and some rows are kept.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    io::{self, Read},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use mlci_core::Digest;
use mlci_model::{Column, Schema};

use super::{
    Hashing, ReadError, ReadFileError, ReadOptions, Text,
    assemble::{self, Found},
    begin,
    chunks::{Chunk, Chunks},
    parallel::{self, Order, with_pool},
    plan::Plan,
    rows::Rows,
    rows_of,
};
use crate::{
    BlockError, BlockQr, DataReport, Distinct, Gathered, Moments, Role, Statistic, Table, TrainOptions,
    stream::{
        Batch, Done, Full, Keep, Kept, Lanes, LevelCounts, Marginal, Passed, Plan as Keeping, Recipe, Side, Sides,
        Summed, Sums, recipe,
    },
};

/// Reads CSV as [`read_csv`](crate::read_csv) does, and keeps of it what [`Gathered`] says: in memory that does not grow
/// with the number of rows. The digest of the bytes comes with it.
///
/// `open` gives the data from its beginning. It is called once, or a second time where columns depend on each other so
/// nearly that sums of products do not have the digits (see [`Moments`]).
///
/// # Errors
/// As [`read_csv`](crate::read_csv), or where the second reading gives other bytes than the first. What is wrong with
/// `train` is said by [`Gathered::train`].
pub fn gather<R: Read>(
    open: impl Fn() -> io::Result<R>,
    read: &ReadOptions,
    train: &TrainOptions,
) -> Result<(Gathered, Digest), ReadError> {
    let text = || open().map(|reader| Text::new(Hashing::new(reader))).map_err(ReadError::Io);
    let (mut chunks, header) = begin(text()?, read.delimiter)?;
    let mut plan = Plan::new(&header, read)?;
    let mut seen = None;
    if plan.takes_levels_of_data() {
        // Levels make columns, so that they have to be known before anything is summed up.
        let (levels, digest) = levels_of_data(chunks, &plan, read)?;
        plan.freeze(levels)?;
        seen = Some(digest);
        (chunks, _) = begin(text()?, read.delimiter)?;
    }
    let unused = plan.roles.iter().filter(|role| **role == Role::Unused).count();
    let width = plan.features.len() + 1;
    let keeping = Keeping::new(train, width + unused);
    let recipe = recipe(&plan.known_columns(), &keeping);
    let pass = Pass { plan: &plan, read, keeping: &keeping, recipe: &recipe };

    let mut first = First::new(&pass);
    let bounds = Bounds::default();
    let take = |dealt| first.take(dealt, &bounds);
    let (sides, digest) = if keeping.factors {
        let (sides, digest) = pass.run::<R, BlockQr>(chunks, &bounds, take)?;
        (sides.map(|sides| Sides::of(sides, width, Sums::Qr)), digest)
    } else {
        let (sides, digest) = pass.run::<R, Moments>(chunks, &bounds, take)?;
        (sides.map(|sides| Sides::of(sides, width, Sums::Moments)), digest)
    };
    let changed = || ReadError::Io(io::Error::other("it was read twice, and was not the same the second time"));
    if seen.is_some_and(|seen| seen != digest) {
        return Err(changed());
    }
    let passed = first.finish(sides)?;
    let again = || {
        let (chunks, _) = begin(text()?, read.delimiter)?;
        let (sides, second) = pass.run::<R, BlockQr>(chunks, &Bounds::default(), |_| {})?;
        if second == digest { Ok(sides.map(|sides| Sides::of(sides, width, Sums::Qr))) } else { Err(changed()) }
    };
    Ok((Gathered::conclude(passed, train, again)?, digest))
}

/// Reads a CSV file as [`gather`] does.
///
/// # Errors
/// [`ReadFileError`] naming the path.
pub fn gather_file(path: &Path, read: &ReadOptions, train: &TrainOptions) -> Result<(Gathered, Digest), ReadFileError> {
    let open = || mlci_core::open_file(path).map_err(|error| error.source);
    gather(open, read, train).map_err(|source| ReadFileError { path: path.to_owned(), source })
}

/// The levels of each column that takes them of the data, and the digest of that.
fn levels_of_data<R: Read>(
    mut chunks: Chunks<Text<Hashing<R>>>,
    plan: &Plan,
    read: &ReadOptions,
) -> Result<(Vec<Vec<String>>, Digest), ReadError> {
    let of_chunk = |chunk: Chunk| {
        let mut rows = rows_of(&chunk, plan, read)?;
        rows.forget();
        Ok(rows)
    };
    let mut rows = Rows::new(plan, read.missing);
    parallel::in_order(|| chunks.next().map_err(ReadError::Io), of_chunk, |next| rows.append(next))?;
    let mut tallies = rows.sound()?.tallies;
    let levels = assemble::levels(plan, &mut tallies, &mut [], &mut [])?;
    Ok((levels, chunks.into_inner().into_inner().finish()))
}

/// What every pass over the data is told.
struct Pass<'p> {
    plan: &'p Plan,
    read: &'p ReadOptions,
    keeping: &'p Keeping,
    recipe: &'p Recipe,
}

/// Keys beyond which rows need not be looked at, since enough rows with smaller ones are kept.
struct Bounds {
    held_out: AtomicU64,
    sample: AtomicU64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { held_out: AtomicU64::new(u64::MAX), sample: AtomicU64::new(u64::MAX) }
    }
}

/// The rows of a chunk, dealt.
struct Dealt<'p> {
    rows: Rows<'p>,
    /// The values of the rows held out, and of those of each fold.
    sides: Vec<(Side, Vec<f64>)>,
    held_out: u64,
    /// Rows that may be kept, with their keys.
    to_test: Vec<(usize, u64)>,
    to_sample: Vec<(usize, u64)>,
    /// The training rows, where all are kept.
    to_train: Vec<usize>,
    /// The columns that are not used, as long as they are numeric.
    spare: Vec<Option<Marginal>>,
    levels: LevelCounts,
}

enum Job {
    Read(usize, Chunk),
    Sum(Full),
}

enum Out<'p, S> {
    /// With the chunk's bytes, for their room.
    Read(usize, Result<Dealt<'p>, ReadError>, Vec<u8>),
    Sum(Done<S>),
}

impl<'p> Pass<'p> {
    /// Reads, deals and sums up, with as many threads as there are processors. What comes of it does not depend on them.
    #[expect(clippy::type_complexity, reason = "an error of the data, then one of its numbers")]
    fn run<R: Read, S: Statistic + Send>(
        &self,
        mut chunks: Chunks<Text<Hashing<R>>>,
        bounds: &Bounds,
        mut take: impl FnMut(Dealt<'p>),
    ) -> Result<(Result<BTreeMap<Side, Summed<S>>, BlockError>, Digest), ReadError> {
        chunks.of(super::CHUNK);
        let mut lanes = Lanes::new(self.recipe.width);
        with_pool(
            |job| match job {
                Job::Read(number, chunk) => Out::Read(number, self.deal(&chunk, bounds), chunk.bytes),
                Job::Sum(full) => Out::Sum(full.sum_up(self.recipe)),
            },
            |pool| {
                let mut order = Order::default();
                let (mut sent, mut end) = (0, None);
                loop {
                    while end.is_none() && !pool.is_full(order.waiting()) {
                        match chunks.next() {
                            Ok(Some(chunk)) => {
                                pool.submit(Job::Read(sent, chunk));
                                sent += 1;
                            }
                            Ok(None) => end = Some(Ok(())),
                            Err(error) => end = Some(Err(ReadError::Io(error))),
                        }
                    }
                    match pool.take() {
                        None => break,
                        Some(Out::Sum(done)) => lanes.take(done),
                        Some(Out::Read(number, dealt, bytes)) => {
                            chunks.recycle(bytes);
                            order.put(number, dealt, |dealt| {
                                let dealt = dealt?;
                                for (side, values) in &dealt.sides {
                                    lanes.push(*side, values, |full| pool.submit(Job::Sum(full)));
                                }
                                take(dealt);
                                Ok::<_, ReadError>(())
                            })?;
                        }
                    }
                }
                lanes.flush(|full| pool.submit(Job::Sum(full)));
                while let Some(Out::Sum(done)) = pool.take() {
                    lanes.take(done);
                }
                end.unwrap_or(Ok(()))
            },
        )?;
        Ok((lanes.finish(), chunks.into_inner().into_inner().finish()))
    }

    fn deal(&self, chunk: &Chunk, bounds: &Bounds) -> Result<Dealt<'p>, ReadError> {
        let mut rows = rows_of(chunk, self.plan, self.read)?;
        let width = self.recipe.width;
        let folds = self.keeping.deal.folds as usize;
        let mut sides = vec![Vec::new(); folds + 1];
        let (held_out_bound, sample_bound) =
            (bounds.held_out.load(Ordering::Relaxed), bounds.sample.load(Ordering::Relaxed));
        let (mut to_test, mut to_sample, mut to_train) = (Vec::new(), Vec::new(), Vec::new());
        let mut held_out = 0;
        let mut levels = LevelCounts::of(&self.recipe.levels);
        let all = rows.matrix.chunks_exact(width - 1).zip(&rows.target).zip(&rows.hashes).enumerate();
        for (row, ((features, target), hash)) in all {
            let (side, key) = self.keeping.side(*hash);
            levels.add(side, features, *target);
            let place = match side {
                Side::HeldOut => {
                    held_out += 1;
                    if key <= held_out_bound {
                        to_test.push((row, key));
                    }
                    folds
                }
                Side::Fold(fold) => {
                    if self.keeping.keeps {
                        to_train.push(row);
                    }
                    fold as usize
                }
            };
            if let Some(values) = sides.get_mut(place) {
                values.extend_from_slice(features);
                values.push(*target);
            }
            let key = self.keeping.sample_key(*hash);
            if key <= sample_bound {
                to_sample.push((row, key));
            }
        }
        let unused = rows.tallies.iter_mut().zip(&self.plan.roles).filter(|(_, role)| **role == Role::Unused);
        let of_spare = |values: &Vec<f64>| Marginal::of_rows(values, 1).first().copied().unwrap_or(Marginal::EMPTY);
        let spare = unused.map(|(tally, _)| tally.spare.as_ref().map(of_spare)).collect();
        let side = |place| if place == folds { Side::HeldOut } else { Side::Fold(place as u64) };
        let sides = sides.into_iter().enumerate().filter(|(_, values)| !values.is_empty());
        let sides = sides.map(|(place, values)| (side(place), values)).collect();
        Ok(Dealt { rows, sides, held_out, to_test, to_sample, to_train, spare, levels })
    }
}

/// What the first pass keeps beside the sums.
struct First<'p> {
    plan: &'p Plan,
    rows: Rows<'p>,
    held_out: Keep,
    sample: Keep,
    training: Option<Keep>,
    /// The columns that are not used, as long as they are numeric.
    spare: Vec<Option<Marginal>>,
    /// The different values of each feature and, last, of the target, as long as they are few.
    distinct: Vec<Option<HashSet<u64, BuildHasherDefault<Mixed>>>>,
    levels: LevelCounts,
}

impl<'p> First<'p> {
    fn new(pass: &Pass<'p>) -> Self {
        let (plan, keeping) = (pass.plan, pass.keeping);
        let unused = plan.roles.iter().filter(|role| **role == Role::Unused).count();
        let keep = |capacity| Keep::new(capacity, plan.features.len(), unused, plan.id.is_some());
        Self {
            plan,
            rows: Rows::new(plan, pass.read.missing),
            held_out: keep(keeping.held_out),
            sample: keep(keeping.sample),
            training: keeping.keeps.then(|| keep(usize::MAX)),
            spare: vec![Some(Marginal::EMPTY); unused],
            distinct: vec![Some(HashSet::default()); plan.features.len() + 1],
            levels: LevelCounts::of(&pass.recipe.levels),
        }
    }

    fn take(&mut self, dealt: Dealt<'p>, bounds: &Bounds) {
        let Dealt { mut rows, held_out, to_test, to_sample, to_train, spare, levels, .. } = dealt;
        self.levels.merge(&levels);
        for (all, later) in self.spare.iter_mut().zip(spare) {
            match (all.as_mut(), later) {
                (Some(all), Some(later)) => all.merge(&later),
                _ => *all = None,
            }
        }
        let unused = rows.tallies.iter().zip(&self.plan.roles).filter(|(_, role)| **role == Role::Unused);
        let batch = Batch {
            features: &rows.matrix,
            target: &rows.target,
            spare: unused.map(|(tally, _)| tally.spare.as_deref().unwrap_or_default()).collect(),
            lines: &rows.lines,
            hashes: &rows.hashes,
            ids: self.plan.id.is_some().then_some(&rows.ids),
        };
        let before = self.rows.kept;
        self.held_out.offered += held_out;
        to_test.iter().for_each(|(row, key)| self.held_out.offer(&batch, *row, *key, before + *row as u64));
        to_sample.iter().for_each(|(row, key)| self.sample.offer(&batch, *row, *key, before + *row as u64));
        if let Some(training) = &mut self.training {
            for row in to_train {
                let number = before + row as u64;
                training.offer(&batch, row, number, number);
            }
        }
        bounds.held_out.store(self.held_out.bound(), Ordering::Relaxed);
        bounds.sample.store(self.sample.bound(), Ordering::Relaxed);

        let features = self.plan.features.len();
        for (column, seen) in self.distinct.iter_mut().enumerate() {
            let Some(values) = seen else { continue };
            for (row, target) in batch.target.iter().enumerate() {
                let value = if column == features { Some(target) } else { batch.features_of(row).get(column) };
                values.extend(value.map(|value| value.to_bits()));
                if values.len() > Distinct::LIMIT {
                    *seen = None;
                    break;
                }
            }
        }
        rows.forget();
        self.rows.append(rows);
    }

    fn finish(self, sides: Result<Sides, BlockError>) -> Result<Passed, ReadError> {
        let plan = self.plan;
        let rows = self.rows.sound()?;
        let held_out_of = self.held_out.offered;
        let (held_out, sample, training) =
            (self.held_out.finish(), self.sample.finish(), self.training.map(Keep::finish));
        let used: Vec<Marginal> = match &sides {
            Ok(sides) => sides.all.clone(),
            // Columns that cannot be summed up are described by the sample.
            Err(_) => (0..=plan.features.len()).flat_map(|place| Marginal::of_rows(&sample.column(place), 1)).collect(),
        };
        let mut columns = Vec::with_capacity(plan.names.len());
        let mut schema: Vec<Option<Column>> = vec![None; plan.names.len()];
        let mut spare = Vec::new();
        let mut unused = self.spare.iter().enumerate();
        for (position, tally) in rows.tallies.iter().enumerate() {
            let role = plan.roles.get(position).copied().unwrap_or(Role::Unused);
            let place = match role {
                Role::Target => Some(plan.features.len()),
                Role::Feature => plan.features.iter().position(|feature| *feature == position),
                Role::Id | Role::Unused => None,
            };
            let Some(rule) = plan.rules.get(position) else { continue };
            let found = match place {
                Some(place) => {
                    let marginal = used.get(place).unwrap_or(&Marginal::EMPTY);
                    if let (Some(range), Some(column)) = (marginal.range(), schema.get_mut(position)) {
                        let levels = rule.levels.clone();
                        *column = Some(assemble::column(plan.name(position), rule, levels, tally, range)?);
                    }
                    let distinct = match self.distinct.get(place) {
                        Some(Some(values)) => Distinct::of(values.len()),
                        _ => Distinct::of(Distinct::LIMIT + 1),
                    };
                    let profile = marginal.profile(&sample.column(place), rule.levels.len());
                    Found { distinct, profile, counts: self.levels.of_all(place) }
                }
                None => {
                    let found = if role == Role::Unused { unused.next() } else { None };
                    let marginal = found.and_then(|(place, marginal)| Some((place, marginal.as_ref()?)));
                    if role == Role::Unused {
                        spare.push(marginal.map(|_| plan.name(position).to_owned()));
                    }
                    let profile = marginal.and_then(|(place, marginal)| marginal.profile(sample.spare.get(place)?, 0));
                    Found { distinct: tally.distinct(), profile, counts: Vec::new() }
                }
            };
            columns.push(assemble::report(plan.name(position), role, rule, &rule.levels, tally, found));
        }
        let mut take = |position: usize| schema.get_mut(position).and_then(Option::take).ok_or(ReadError::NoRows);
        let schema = Schema {
            features: plan.features.iter().map(|position| take(*position)).collect::<Result<_, _>>()?,
            target: take(plan.target)?,
        };
        assemble::check_classes(&schema.target)?;
        let report = DataReport { rows_read: rows.read, rows_kept: rows.kept, dropped: rows.dropped, columns };
        let table = |kept: Kept| -> Table { kept.table(schema.clone(), &spare, report.clone()) };
        let (held_out, sample, training) = (table(held_out), table(sample), training.map(table));
        Ok(Passed { held_out, held_out_of, sample, training, sides, schema, report, levels: self.levels })
    }
}

/// Mixes the bits of a number: those of `f64`s differ in the upper ones, and tables look at the lower.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(value) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
