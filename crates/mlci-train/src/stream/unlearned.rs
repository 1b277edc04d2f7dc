//! Levels of which training tells nothing, in categories that count levels which they do not know as the base level.

use std::fmt;

use mlci_model::{Column, Design, Range, Schema, Unseen};
use serde::{Deserialize, Serialize};

use crate::{
    LevelCount, Table,
    read::some,
    stream::{LevelCounts, Marginal, Sums},
};

/// Levels of a feature that no training row has, so that the model does not know them: it predicts rows with one of them,
/// as rows with any level that it does not know, as if they had the base level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlearnedLevels {
    /// The feature.
    pub column: String,
    /// Its levels, and in how many of all rows each is.
    pub levels: Vec<LevelCount>,
}

impl fmt::Display for UnlearnedLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.levels.iter().map(|level| level.level.clone()).collect();
        let rows: u64 = self.levels.iter().map(|level| level.count).sum();
        let Self { column, .. } = self;
        write!(f, "no training row has {} of `{column}`: such rows ({rows}) count as the base level", some(&names))
    }
}

/// What becomes of the levels of the features that have such levels.
#[derive(Default)]
pub(crate) struct Unlearned {
    features: Vec<Feature>,
    /// The columns of the design that stay, and the target; of no account where nothing changes.
    columns: Vec<usize>,
    pub(crate) levels: Vec<UnlearnedLevels>,
}

struct Feature {
    position: usize,
    /// What each position of a level becomes.
    map: Vec<f64>,
    levels: Vec<String>,
}

impl Unlearned {
    /// Without a training row with the base level there is none to count others as, and with that alone nothing to learn.
    pub(crate) fn of(schema: &Schema, counts: &LevelCounts) -> Self {
        let mut found = Self::default();
        let mut width = 0;
        for (position, column) in schema.features.iter().enumerate() {
            let first = width;
            width += Design::of(std::slice::from_ref(column)).width();
            let training = counts.of_training(position);
            let others = training.get(1..).unwrap_or_default();
            let is_partly_known = others.contains(&0) && others.iter().any(|count| *count > 0);
            if column.unseen == Unseen::Base && is_partly_known && training.first().is_some_and(|base| *base > 0) {
                found.columns.extend((first..width).zip(others).filter(|(_, rows)| **rows > 0).map(|(place, _)| place));
                found.fold(position, column, training, &counts.of_all(position));
            } else {
                found.columns.extend(first..width);
            }
        }
        found.columns.push(width);
        found
    }

    fn fold(&mut self, position: usize, column: &Column, training: &[u64], all: &[u64]) {
        let (mut map, mut levels, mut unlearned) = (Vec::with_capacity(training.len()), Vec::new(), Vec::new());
        for ((level, training), count) in column.levels.iter().zip(training).zip(all) {
            if *training > 0 {
                map.push(levels.len() as f64);
                levels.push(level.clone());
            } else {
                map.push(0.0);
                unlearned.push(LevelCount { level: level.clone(), count: *count });
            }
        }
        self.levels.push(UnlearnedLevels { column: column.name.clone(), levels: unlearned });
        self.features.push(Feature { position, map, levels });
    }

    pub(crate) fn schema(&self, mut schema: Schema) -> Schema {
        for Feature { position, map, levels } in &self.features {
            let Some(column) = schema.features.get_mut(*position) else { continue };
            column.fill = column.fill.and_then(|fill| map.get(fill as usize).copied());
            // Each of them is in a training row.
            column.range = Range { min: 0.0, max: levels.len().saturating_sub(1) as f64 };
            column.levels.clone_from(levels);
        }
        schema
    }

    /// Makes the table one of this schema, which is [`Self::schema`] of its own.
    pub(crate) fn table(&self, table: &mut Table, schema: &Schema) {
        for Feature { position, map, .. } in &self.features {
            if *position < table.features.ncols() {
                let mut values = table.features.column_mut(*position);
                values.iter_mut().for_each(|value| crate::read::replace(value, map));
            }
        }
        table.schema.clone_from(schema);
    }

    /// Counts by the levels that are left, and what these are as columns of the training rows.
    pub(crate) fn counts(&self, counts: &mut LevelCounts, columns: &mut [Marginal]) {
        for Feature { position, map, levels } in &self.features {
            counts.fold(*position, map, levels.len());
            if let Some(column) = columns.get_mut(*position) {
                *column = Marginal::of_counts(counts.of_training(*position));
            }
        }
    }

    /// Sums of the columns of the design that is left.
    pub(crate) fn sums(&self, sums: Sums) -> Sums {
        if self.features.is_empty() { sums } else { sums.select(&self.columns) }
    }
}
