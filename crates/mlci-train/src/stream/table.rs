use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, PoisonError},
};

use mlci_model::{Column, Design};

use crate::{
    BLOCK_ROWS, BlockError, Gathered, Statistic, Table, TrainOptions,
    read::parallel::{in_order_then, lock},
    split::Purpose,
    stream::{Batch, Cuts, Full, Keep, Lanes, LevelCounts, Others, Passed, Plan, Recipe, Side, Sides, Summed, Sums},
    table::{OtherCategory, OtherLevels},
};

impl Gathered {
    /// What a pass over the data of a table leaves of it.
    #[must_use]
    pub fn of(table: &Table, options: &TrainOptions) -> Self {
        let plan = &Plan::new(options, table.schema.features.len() + 1 + others(table));
        let batch = Batch::of(table);
        let (width, spare) = (table.schema.features.len(), others(table));
        let keep = |capacity| Keep::new(capacity, width, spare, table.ids.is_some());
        let (mut held_out, mut sample) = (keep(plan.held_out), keep(plan.sample));
        let mut training = plan.keeps.start(|| Keep::new(usize::MAX, width, 0, false));
        let columns: Vec<_> = table.schema.features.iter().chain([&table.schema.target]).cloned().collect();
        let recipe = recipe(&columns, plan);
        let mut levels = LevelCounts::of(&recipe.levels);
        for (row, ((hash, line), target)) in table.hashes.iter().zip(&table.lines).zip(batch.target).enumerate() {
            let side = plan.side(*hash);
            levels.add(side, batch.features_of(row), *target);
            sample.offer(&batch, row, plan.deal.place(*hash, *line, Purpose::Sample));
            match side {
                Side::HeldOut => {
                    held_out.offered += 1;
                    held_out.offer(&batch, row, plan.deal.place(*hash, *line, Purpose::Test));
                }
                Side::Fold(_) => training.take(&batch, row),
            }
        }
        let category = |OtherCategory { name, levels, .. }: &OtherCategory| {
            Some(OtherLevels { name: name.clone(), levels: levels.clone(), map: None })
        };
        let others = Others {
            numbers: table.spare.iter().map(|(name, _)| Some(name.clone())).collect(),
            categories: table.categories.iter().map(category).collect(),
        };
        let finish = |keep: Keep| keep.finish().table(table.schema.clone(), &others, table.report.clone());
        let factors = || Ok(Sides::of(sums(&batch, plan, &recipe)?, recipe.width, Sums::Qr));
        let products = || Ok(Sides::of(sums(&batch, plan, &recipe)?, recipe.width, Sums::Moments));
        let passed = Passed {
            schema: table.schema.clone(),
            report: table.report.clone(),
            held_out_of: held_out.offered,
            held_out: finish(held_out),
            sample: finish(sample),
            training: training.finish(finish),
            sides: if plan.factors { factors() } else { products() },
            levels,
        };
        let again = || Ok::<_, Infallible>(factors());
        match Self::conclude(passed, options, again) {
            Ok(gathered) => gathered,
            Err(never) => match never {},
        }
    }
}

/// How many columns it has that are no features.
fn others(table: &Table) -> usize {
    table.spare.len() + table.categories.len()
}

/// What becomes of rows with these features and, last, this target.
pub(crate) fn recipe(columns: &[Column], plan: &Plan) -> Recipe {
    let design = Design::of(columns.split_last().map_or(&[], |(_, features)| features));
    Recipe {
        width: columns.len(),
        fits: plan.fits,
        design: (!design.is_plain()).then_some(design),
        levels: columns.iter().map(|column| column.levels.len()).collect(),
    }
}

fn sums<S: Statistic + Send>(
    batch: &Batch<'_>,
    plan: &Plan,
    recipe: &Recipe,
) -> Result<BTreeMap<Side, Summed<S>>, BlockError> {
    let folds = plan.deal.folds;
    let (mut cuts, lanes) = (Cuts::new(recipe.width, folds), Mutex::new(Lanes::new(folds)));
    let sum_up = |full: Full| lock(&lanes).take(full.sum_up(recipe));
    let mut parts = (0..batch.target.len()).step_by(BLOCK_ROWS);
    let Ok(()) = in_order_then(
        || Ok::<_, Infallible>(parts.next()),
        Ok,
        |first, full| {
            let rows = batch.hashes.iter().zip(batch.target).enumerate().skip(first).take(BLOCK_ROWS);
            for (row, (hash, target)) in rows {
                full.extend(cuts.push(plan.side(*hash), batch.features_of(row), *target));
            }
        },
        sum_up,
    );
    cuts.finish().for_each(sum_up);
    lanes.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
}
