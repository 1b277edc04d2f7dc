use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Table;

/// Which rows a model is trained on, and which are held out; row numbers from 0, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows held out.
    pub test: Vec<usize>,
}

/// Holds out about `test_fraction` of the rows, each by its content alone.
///
/// A row is held out if the XXH3 hash of its fields under `seed`, as a fraction of the range of hashes, is below
/// `test_fraction`. So a row never changes sides when others come or go, equal rows stay together (one of them in
/// training would give the others away), more rows are held out with a larger fraction and none fewer, and it does not
/// matter which columns are features.
#[must_use]
pub fn split(table: &Table, seed: u64, test_fraction: f64) -> Split {
    let deal = Deal { seed, test_fraction, folds: 1 };
    let (test, train) = (0..table.rows()).partition(|row| deal.is_held_out(hash(table, *row)));
    Split { train, test }
}

/// Deals `rows` into `k` parts, each by its content alone: a row is in part `⌊h·k⌋` where `h` is the XXH3 hash of its
/// fields under `seed`, as a fraction of the range of hashes.
///
/// So a row has its part before any other row is known, and equal rows stay together. Sizes differ as they would by
/// chance; of few rows some parts can be empty. Each part keeps the order of `rows`.
#[must_use]
pub fn folds(table: &Table, rows: &[usize], seed: u64, k: usize) -> Vec<Vec<usize>> {
    let mut folds = vec![Vec::new(); k];
    let deal = Deal { seed, test_fraction: 0.0, folds: k as u64 };
    for &row in rows {
        if let Some(fold) = folds.get_mut(deal.fold(hash(table, row)) as usize) {
            fold.push(row);
        }
    }
    folds
}

fn hash(table: &Table, row: usize) -> u64 {
    table.row_hash(row).unwrap_or_default()
}

/// What rows are chosen for. Rows are ordered anew for each purpose: with one order for all, the folds of the training rows would be lopsided.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Split = 0,
    Folds = 1,
    Golden = 2,
    Sample = 3,
    Test = 4,
}

/// How rows are dealt, by their hashes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deal {
    pub(crate) seed: u64,
    pub(crate) test_fraction: f64,
    /// How many folds there are, at least one.
    pub(crate) folds: u64,
}

impl Deal {
    pub(crate) fn key(self, hash: u64, purpose: Purpose) -> u64 {
        let mut bytes = [purpose as u8; 9];
        bytes.iter_mut().zip(hash.to_le_bytes()).for_each(|(byte, hash)| *byte = hash);
        xxh3_64_with_seed(&bytes, self.seed)
    }

    /// The place of a row among others, where those on either side of some place are a sample of all: by its content and
    /// its line, since equal rows would be all on one side otherwise.
    pub(crate) fn place(self, hash: u64, line: u64, purpose: Purpose) -> u64 {
        xxh3_64_with_seed(&self.key(hash, purpose).to_le_bytes(), line)
    }

    /// Whether the row with this hash is held out.
    pub(crate) fn is_held_out(self, hash: u64) -> bool {
        // 53 bits of the hash: as many as an f64 holds.
        ((self.key(hash, Purpose::Split) >> 11) as f64) < self.test_fraction * (1_u64 << 53) as f64
    }

    /// The fold of the row with this hash, from 0.
    pub(crate) fn fold(self, hash: u64) -> u64 {
        ((u128::from(self.key(hash, Purpose::Folds)) * u128::from(self.folds)) >> 64) as u64
    }
}

/// Some of `rows`, without equal ones, chosen by their hash under `seed`.
pub(crate) fn sample(table: &Table, rows: &[usize], seed: u64, count: usize) -> Vec<usize> {
    let deal = Deal { seed, test_fraction: 0.0, folds: 1 };
    let key = |row: &usize| (deal.key(hash(table, *row), Purpose::Golden), *row);
    let mut keyed: Vec<(u64, usize)> = rows.iter().map(key).collect();
    keyed.sort_unstable();
    keyed.dedup_by_key(|(key, _)| *key);
    keyed.into_iter().take(count).map(|(_, row)| row).collect()
}
