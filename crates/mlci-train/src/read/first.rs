//! What a first pass over the data keeps beside the sums.

use std::{
    collections::HashSet,
    convert::Infallible,
    hash::{BuildHasherDefault, Hasher},
    sync::atomic::Ordering,
};

use mlci_model::{Column, Profile, Schema};

use super::{
    ReadError,
    assemble::{self, Found},
    gather::{Bounds, Dealt, Pass},
    parallel,
    plan::Plan,
    rows::Rows,
};
use crate::{
    BlockError, DataReport, Distinct, Role, Table,
    stream::{Batch, Keep, Kept, LevelCounts, Marginal, Others, Passed, Side, Sides, Training},
};

/// The rows that are kept, and what is known of every column.
pub(super) struct First<'p> {
    plan: &'p Plan,
    rows: Rows<'p>,
    held_out: Keep,
    sample: Keep,
    training: Training<Keep>,
    /// The columns that are not used, as long as they are numeric.
    spare: Vec<Option<Marginal>>,
    /// The different values of each feature and, last, of the target, as long as they are few.
    distinct: Vec<Option<HashSet<u64, BuildHasherDefault<Mixed>>>>,
    levels: LevelCounts,
}

impl<'p> First<'p> {
    pub(super) fn new(pass: &Pass<'p>) -> Self {
        let (plan, keeping) = (pass.plan, pass.keeping);
        let unused = plan.roles.iter().filter(|role| **role == Role::Unused).count();
        let others = unused + plan.unused_categories().count();
        let keep = |capacity| Keep::new(capacity, plan.features.len(), others, plan.id.is_some());
        Self {
            plan,
            rows: Rows::new(plan, pass.read.missing),
            held_out: keep(keeping.held_out),
            sample: keep(keeping.sample),
            training: keeping.keeps.start(|| Keep::new(usize::MAX, plan.features.len(), 0, false)),
            spare: vec![Some(Marginal::EMPTY); unused],
            distinct: vec![Some(HashSet::default()); plan.features.len() + 1],
            levels: LevelCounts::of(&pass.recipe.levels),
        }
    }

    pub(super) fn take(&mut self, dealt: Dealt<'p>, bounds: &Bounds) {
        let Dealt { mut rows, sides, to_test, to_sample, spare, levels } = dealt;
        self.levels.merge(&levels);
        for (all, later) in self.spare.iter_mut().zip(spare) {
            match (all.as_mut(), later) {
                (Some(all), Some(later)) => all.merge(&later),
                _ => *all = None,
            }
        }
        // The rows that are kept have the positions of all chunks.
        self.rows.unite_levels(&mut rows);
        let unused = rows.tallies.iter().zip(&self.plan.roles).filter(|(_, role)| **role == Role::Unused);
        let numbers = unused.map(|(tally, _)| tally.spare.as_deref().unwrap_or_default());
        let positions = rows.tallies.iter().filter_map(|tally| tally.positions.as_deref());
        let batch = Batch {
            features: &rows.matrix,
            target: &rows.target,
            spare: numbers.chain(positions).collect(),
            lines: &rows.lines,
            hashes: &rows.hashes,
            ids: self.plan.id.is_some().then_some(&rows.ids),
        };
        self.held_out.offered += sides.iter().filter(|side| **side == Side::HeldOut).count() as u64;
        to_test.iter().for_each(|(row, place)| self.held_out.offer(&batch, *row, *place));
        to_sample.iter().for_each(|(row, place)| self.sample.offer(&batch, *row, *place));
        let train = sides.iter().enumerate().filter(|(_, side)| **side != Side::HeldOut);
        train.for_each(|(row, _)| self.training.take(&batch, row));
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

    pub(super) fn finish(self, sides: Result<Sides, BlockError>) -> Result<Passed, ReadError> {
        let plan = self.plan;
        let rows = self.rows.sound()?;
        let held_out_of = self.held_out.offered;
        let (held_out, sample) = (self.held_out.finish(), self.sample.finish());
        let used: Vec<Marginal> = match &sides {
            Ok(sides) => sides.all.clone(),
            // Columns that cannot be summed up are described by the sample.
            Err(_) => (0..=plan.features.len()).flat_map(|place| Marginal::of_rows(&sample.column(place), 1)).collect(),
        };
        let mut profiles = profiles(plan, &used, &sample);
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
                    let profile = profiles.get_mut(place).and_then(Option::take);
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
        let unit = plan.unit;
        let report = DataReport { unit, rows_read: rows.read, rows_kept: rows.kept, dropped: rows.dropped, columns };
        let category = |position: usize| rows.tallies.get(position)?.other_levels(plan.name(position));
        let others = Others { numbers: spare, categories: plan.unused_categories().map(category).collect() };
        let table = |kept: Kept| -> Table { kept.table(schema.clone(), &others, report.clone()) };
        let training = self.training.finish(|rows| table(rows.finish()));
        let (held_out, sample) = (table(held_out), table(sample));
        Ok(Passed { held_out, held_out_of, sample, training, sides, schema, report, levels: self.levels })
    }
}

/// The profiles of the features and, last, of the target.
fn profiles(plan: &Plan, used: &[Marginal], sample: &Kept) -> Vec<Option<Profile>> {
    let mut columns = plan.features.iter().chain([&plan.target]).zip(used).enumerate();
    let mut profiles = Vec::with_capacity(used.len());
    let Ok(()) = parallel::in_order(
        || Ok::<_, Infallible>(columns.next()),
        |(place, (position, marginal))| {
            let levels = plan.rules.get(*position).map_or(0, |rule| rule.levels.len());
            Ok(marginal.profile(&sample.column(place), levels))
        },
        |profile| profiles.push(profile),
    );
    profiles
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
