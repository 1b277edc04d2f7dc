//! One pass over the data, of which sums and some rows are kept.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    io::{self, Read},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use mlci_core::Digest;
use mlci_model::{Column, Profile, Schema};

use super::{
    Hashing, ReadError, ReadFileError, ReadOptions, Text, assemble, begin,
    chunks::{Chunk, Chunks},
    parallel::{Order, with_pool},
    plan::Plan,
    rows::Rows,
    rows_of,
};
use crate::{
    BlockError, BlockQr, ColumnReport, DataReport, Distinct, Gathered, Moments, Role, Statistic, Table, TrainOptions,
    split::Purpose,
    stream::{Batch, Done, Full, Keep, Kept, Lanes, Marginal, Passed, Plan as Keeping, Recipe, Side, Summed},
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
    let (chunks, header) = begin(text()?, read.delimiter)?;
    let plan = Plan::new(&header, read)?;
    let unused = plan.roles.iter().filter(|role| **role == Role::Unused).count();
    let width = plan.features.len() + 1;
    let keeping = Keeping::new(train, width + unused);
    // Columns of numbers are columns of the model as they are.
    let recipe = Recipe { width, fits: keeping.fits, design: None };
    let pass = Pass { plan: &plan, read, keeping: &keeping, recipe: &recipe };

    let mut first = First::new(&pass);
    let bounds = Bounds::default();
    let (sides, digest) = pass.run::<R, Moments>(chunks, &bounds, |dealt| first.take(dealt, &bounds))?;
    let passed = first.finish(sides)?;
    let again = || {
        let (chunks, _) = begin(text()?, read.delimiter)?;
        let (sides, second) = pass.run::<R, BlockQr>(chunks, &Bounds::default(), |_| {})?;
        if second != digest {
            let changed = "it was read twice, and was not the same the second time";
            return Err(ReadError::Io(io::Error::other(changed)));
        }
        Ok(sides)
    };
    Ok((Gathered::conclude(passed, train, again)?, digest))
}

/// Reads a CSV file as [`gather`] does.
///
/// # Errors
/// [`ReadFileError`] naming the path.
pub fn gather_file(
    path: &Path,
    read: &ReadOptions,
    train: &TrainOptions,
) -> Result<(Gathered, Digest), ReadFileError> {
    let open = || mlci_core::open_file(path).map_err(|error| error.source);
    gather(open, read, train).map_err(|source| ReadFileError { path: path.to_owned(), source })
}

/// What every pass over the data is told.
struct Pass<'p> {
    plan: &'p Plan,
    read: &'p ReadOptions,
    keeping: &'p Keeping,
    recipe: &'p Recipe,
}

/// Places beyond which rows are not kept.
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
    /// The side of each.
    sides: Vec<Side>,
    /// Rows that may be kept, with their places.
    to_test: Vec<(usize, u64)>,
    to_sample: Vec<(usize, u64)>,
    /// The columns that are not used, as long as they are numeric.
    spare: Vec<Option<Marginal>>,
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
        let mut lanes = Lanes::new(self.recipe.width, self.keeping.deal.folds);
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
                                let features = dealt.rows.matrix.chunks_exact(self.recipe.width - 1);
                                for ((side, features), target) in dealt.sides.iter().zip(features).zip(&dealt.rows.target) {
                                    lanes.push(*side, features, *target, |full| pool.submit(Job::Sum(full)));
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
        let deal = self.keeping.deal;
        let (held_out_bound, sample_bound) =
            (bounds.held_out.load(Ordering::Relaxed), bounds.sample.load(Ordering::Relaxed));
        let mut sides = Vec::with_capacity(rows.hashes.len());
        let (mut to_test, mut to_sample) = (Vec::new(), Vec::new());
        for (row, (hash, line)) in rows.hashes.iter().zip(&rows.lines).enumerate() {
            let side = self.keeping.side(*hash);
            sides.push(side);
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
        Ok(Dealt { rows, sides, to_test, to_sample, spare })
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
        }
    }

    fn take(&mut self, dealt: Dealt<'p>, bounds: &Bounds) {
        let Dealt { mut rows, sides, to_test, to_sample, spare } = dealt;
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
        self.held_out.offered += sides.iter().filter(|side| **side == Side::HeldOut).count() as u64;
        to_test.iter().for_each(|(row, place)| self.held_out.offer(&batch, *row, *place));
        to_sample.iter().for_each(|(row, place)| self.sample.offer(&batch, *row, *place));
        if let Some(training) = &mut self.training {
            let train = sides.iter().enumerate().filter(|(_, side)| **side != Side::HeldOut);
            train.for_each(|(row, _)| training.offer(&batch, row, 1));
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
        for kept in [&mut rows.matrix, &mut rows.target] {
            kept.clear();
        }
        rows.lines.clear();
        rows.hashes.clear();
        rows.ids.clear();
        rows.tallies.iter_mut().filter_map(|tally| tally.spare.as_mut()).for_each(Vec::clear);
        self.rows.append(rows);
    }

    fn finish(self, sides: Result<BTreeMap<Side, Summed<Moments>>, BlockError>) -> Result<Passed, ReadError> {
        let plan = self.plan;
        let rows = self.rows.sound()?;
        let held_out_of = self.held_out.offered;
        let (held_out, sample, training) =
            (self.held_out.finish(), self.sample.finish(), self.training.map(Keep::finish));
        let used: Vec<Marginal> = match &sides {
            Ok(sides) => {
                let mut all = vec![Marginal::EMPTY; plan.features.len() + 1];
                for summed in sides.values() {
                    all.iter_mut().zip(summed.columns()).for_each(|(column, later)| column.merge(&later));
                }
                all
            }
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
            let (kind, unit) = assemble::kind_and_unit(plan, position, tally);
            let (profile, distinct): (Option<Profile>, _) = match place {
                Some(place) => {
                    let marginal = used.get(place).unwrap_or(&Marginal::EMPTY);
                    if let (Some(range), Some(column)) = (marginal.range(), schema.get_mut(position)) {
                        *column = Some(Column::new(plan.name(position), kind, unit.clone(), range));
                    }
                    let distinct = match self.distinct.get(place) {
                        Some(Some(values)) => Distinct::of(values.len()),
                        _ => Distinct::of(Distinct::LIMIT + 1),
                    };
                    (marginal.profile(&sample.column(place)), distinct)
                }
                None => {
                    let found = if role == Role::Unused { unused.next() } else { None };
                    let marginal = found.and_then(|(place, marginal)| Some((place, marginal.as_ref()?)));
                    if role == Role::Unused {
                        spare.push(marginal.map(|_| plan.name(position).to_owned()));
                    }
                    let profile = marginal.and_then(|(place, marginal)| marginal.profile(sample.spare.get(place)?));
                    (profile, tally.distinct())
                }
            };
            columns.push(ColumnReport {
                name: plan.name(position).to_owned(),
                role,
                kind: profile.is_some().then_some(kind),
                unit,
                missing: tally.missing,
                distinct,
                profile,
            });
        }
        let mut take = |position: usize| schema.get_mut(position).and_then(Option::take).ok_or(ReadError::NoRows);
        let schema = Schema {
            features: plan.features.iter().map(|position| take(*position)).collect::<Result<_, _>>()?,
            target: take(plan.target)?,
        };
        let report = DataReport { rows_read: rows.read, rows_kept: rows.kept, dropped: rows.dropped, columns };
        let table = |kept: Kept| -> Table { kept.table(schema.clone(), &spare, report.clone()) };
        let (held_out, sample, training) = (table(held_out), table(sample), training.map(table));
        Ok(Passed { held_out, held_out_of, sample, training, sides, schema, report })
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
