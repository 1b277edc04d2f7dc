//! Features that know the answer.

use std::fmt;

use mlci_model::{Kind, Schema};
use serde::{Deserialize, Serialize};

use crate::{Metric, Metrics, Scored, Table, metrics::rank, split::sample};

/// A feature that alone predicts the target suspiciously well, as what is written down after the fact does.
///
/// Looked for on up to 10,000 of the training rows, chosen by their content; with fewer than 20 rows, or for classes
/// fewer than 10 of either, nothing is said. A feature is suspicious if
/// - of a numeric target: the square of its correlation with it is above 0.99, or that of their ranks above 0.998 (any
///   other function that only rises or falls, such as a number that counts rows which are sorted by the target);
/// - of classes: its order tells them apart with an area under the ROC of more than 0.99 (or less than 0.01);
/// - a category counts as the mean of the target at each of its levels; it is not looked at where that has less than ten
///   rows a level, since it would always predict well.
///
/// There are features of which this is true and that are known in time; so this is a suspicion, and no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    /// The feature.
    pub column: String,
    /// What is suspicious.
    pub suspicion: Suspicion,
    /// The square of the correlation, or the area under the ROC.
    pub value: f64,
    /// Of how many rows.
    pub rows: usize,
}

/// What is suspicious about a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Suspicion {
    /// It is the target, but for its unit and offset.
    Identical,
    /// A line through it goes near all targets.
    Linear,
    /// The target rises, or falls, with it nearly everywhere.
    Monotone,
    /// It tells the classes apart.
    TellsClasses,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, suspicion, value, rows } = self;
        match suspicion {
            Suspicion::Identical => {
                write!(
                    f,
                    "`{column}` is the target itself, but for its unit and offset, in all {rows} rows looked at"
                )?;
            }
            Suspicion::Linear => {
                write!(f, "`{column}` alone explains {:.2} % of the target's variation ({rows} rows)", value * 100.0)?;
            }
            Suspicion::Monotone => write!(
                f,
                "the target rises or falls with `{column}` alone nearly everywhere (squared rank correlation \
                 {value:.4}, {rows} rows)"
            )?,
            Suspicion::TellsClasses => {
                write!(f, "`{column}` alone tells the classes apart (area under the ROC {value:.4}, {rows} rows)")?;
            }
        }
        write!(f, ": is it known when a prediction is asked for? If not: `[data] exclude = [{column:?}]`")
    }
}

const MOST_ROWS: usize = 10_000;
const FEWEST_ROWS: usize = 20;
const FEWEST_OF_CLASS: usize = 10;
const ROWS_A_LEVEL: usize = 10;

const IDENTICAL: f64 = 1.0 - 1e-9;
const LINEAR: f64 = 0.99;
const MONOTONE: f64 = 0.998;
const TELLS_CLASSES: f64 = 0.99;

/// Looks at the rows `train`, whose targets are `truth`.
pub(crate) fn find(table: &Table, schema: &Schema, train: &[usize], truth: &[f64], seed: u64) -> Vec<Leak> {
    // `sample` leaves equal rows out, so that all are looked at where they are few.
    let mut rows = if train.len() > MOST_ROWS { sample(table, train, seed, MOST_ROWS) } else { train.to_vec() };
    rows.sort_unstable();
    let at = |row: &usize| train.binary_search(row).ok().and_then(|at| truth.get(at).copied());
    let target: Vec<f64> = rows.iter().filter_map(at).collect();
    if rows.len() < FEWEST_ROWS || target.len() != rows.len() {
        return Vec::new();
    }
    let is_classes = schema.target.kind == Kind::Category;
    let ones = target.iter().filter(|value| **value == 1.0).count();
    if is_classes && ones.min(target.len() - ones) < FEWEST_OF_CLASS {
        return Vec::new();
    }
    let ranks = rank(&target);
    let features = table.features();
    let leaks = schema.features.iter().zip(features.columns()).filter_map(|(feature, column)| {
        let mut values: Vec<f64> = rows.iter().filter_map(|row| column.get(*row).copied()).collect();
        if feature.kind == Kind::Category {
            values = means(&values, &target, feature.levels.len())?;
        }
        let (suspicion, value) =
            if is_classes { of_classes(&values, &target) } else { of_numbers(&values, &target, &ranks) }?;
        Some(Leak { column: feature.name.clone(), suspicion, value, rows: rows.len() })
    });
    leaks.collect()
}

fn of_numbers(values: &[f64], target: &[f64], ranks: &[f64]) -> Option<(Suspicion, f64)> {
    let linear = squared_correlation(values, target)?;
    if linear >= IDENTICAL {
        return Some((Suspicion::Identical, linear));
    }
    if linear > LINEAR {
        return Some((Suspicion::Linear, linear));
    }
    let monotone = squared_correlation(&rank(values), ranks)?;
    (monotone > MONOTONE).then_some((Suspicion::Monotone, monotone))
}

fn of_classes(values: &[f64], target: &[f64]) -> Option<(Suspicion, f64)> {
    // Ranks as shares, which are as good as probabilities where only their order counts.
    let rows = values.len() as f64;
    let prediction: Vec<f64> = rank(values).into_iter().map(|rank| rank / rows).collect();
    let metrics = Metrics::of_classes(Scored { truth: target, prediction: &prediction }, 0.5).ok()?;
    let area = metrics.get(Metric::RocAuc)?;
    (area.max(1.0 - area) > TELLS_CLASSES).then_some((Suspicion::TellsClasses, area.max(1.0 - area)))
}

/// For each row the mean of the target at its level.
fn means(levels: &[f64], target: &[f64], count: usize) -> Option<Vec<f64>> {
    if levels.len() < ROWS_A_LEVEL * count {
        return None;
    }
    let mut sums = vec![(0.0, 0.0); count];
    for (level, target) in levels.iter().zip(target) {
        let (sum, rows) = sums.get_mut(*level as usize)?;
        *sum += target;
        *rows += 1.0;
    }
    levels.iter().map(|level| sums.get(*level as usize).map(|(sum, rows)| sum / rows)).collect()
}

/// `None` where one of them is constant.
fn squared_correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let mean = |values: &[f64]| values.iter().map(|value| value / count).sum::<f64>();
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        (aa, ab, bb) = (aa + a * a, ab + a * b, bb + b * b);
    }
    let squared = (ab / aa) * (ab / bb);
    squared.is_finite().then_some(squared)
}
