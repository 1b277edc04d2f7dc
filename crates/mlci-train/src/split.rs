use std::collections::HashMap;

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
    // 53 bits of the hash: as many as an f64 holds.
    let is_test = |hash: u64| ((hash >> 11) as f64) < test_fraction * (1_u64 << 53) as f64;
    let (test, train) = (0..table.rows()).partition(|row| is_test(key(table, *row, seed, Purpose::Split)));
    Split { train, test }
}

/// Deals `rows` into `k` parts, each by its content: distinct rows in the order of their hash under `seed`, in turn.
///
/// Sizes differ by one, and by equal rows, which stay together. Each part is ascending. With fewer distinct rows than
/// `k`, some parts are empty.
#[must_use]
pub fn folds(table: &Table, rows: &[usize], seed: u64, k: usize) -> Vec<Vec<usize>> {
    let mut keys: Vec<u64> = rows.iter().map(|row| key(table, *row, seed, Purpose::Folds)).collect();
    keys.sort_unstable();
    keys.dedup();
    let ranks: HashMap<u64, usize> = keys.into_iter().enumerate().map(|(rank, key)| (key, rank)).collect();
    let mut folds = vec![Vec::new(); k];
    for &row in rows {
        let rank = ranks.get(&key(table, row, seed, Purpose::Folds)).copied().unwrap_or_default();
        if let Some(fold) = rank.checked_rem(k).and_then(|index| folds.get_mut(index)) {
            fold.push(row);
        }
    }
    folds.iter_mut().for_each(|fold| fold.sort_unstable());
    folds
}

/// Some of `rows`, without equal ones, chosen by their hash under `seed`.
pub(crate) fn sample(table: &Table, rows: &[usize], seed: u64, count: usize) -> Vec<usize> {
    let mut keyed: Vec<(u64, usize)> = rows.iter().map(|row| (key(table, *row, seed, Purpose::Golden), *row)).collect();
    keyed.sort_unstable();
    keyed.dedup_by_key(|(key, _)| *key);
    keyed.into_iter().take(count).map(|(_, row)| row).collect()
}

/// Rows are ordered anew for each purpose: with one order for all, the folds of the training rows would be lopsided.
#[derive(Clone, Copy)]
enum Purpose {
    Split = 0,
    Folds = 1,
    Golden = 2,
}

fn key(table: &Table, row: usize, seed: u64, purpose: Purpose) -> u64 {
    let mut bytes = [purpose as u8; 9];
    let hash = table.row_hash(row).unwrap_or_default().to_le_bytes();
    bytes.iter_mut().zip(hash).for_each(|(byte, hash)| *byte = hash);
    xxh3_64_with_seed(&bytes, seed)
}
