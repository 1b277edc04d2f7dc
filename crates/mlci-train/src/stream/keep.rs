use mlci_model::Schema;
use ndarray::{Array1, Array2};

use crate::{DataReport, Table, table::OtherLevels};

/// Some rows as they were read, side by side.
pub(crate) struct Batch<'a> {
    /// Row by row.
    pub(crate) features: &'a [f64],
    pub(crate) target: &'a [f64],
    /// Columns that are no features, empty where one is not wholly numeric; behind them, the positions of levels of those
    /// that are categories.
    pub(crate) spare: Vec<&'a [f64]>,
    pub(crate) lines: &'a [u64],
    pub(crate) hashes: &'a [u64],
    pub(crate) ids: Option<&'a [String]>,
}

impl<'a> Batch<'a> {
    pub(crate) fn of(table: &'a Table) -> Self {
        Self {
            // A table's matrix is made of its rows.
            features: table.features.as_slice().unwrap_or_default(),
            target: table.target.as_slice().unwrap_or_default(),
            spare: {
                let numbers = table.spare.iter().map(|(_, values)| values.as_slice());
                numbers.chain(table.categories.iter().map(|category| category.positions.as_slice())).collect()
            },
            lines: &table.lines,
            hashes: &table.hashes,
            ids: table.ids.as_deref(),
        }
    }

    pub(crate) fn features_of(&self, row: usize) -> &'a [f64] {
        let width = self.features.len() / self.target.len().max(1);
        self.features.get(row * width..(row + 1) * width).unwrap_or_default()
    }
}

/// Keeps rows, up to a number: those whose keys are below a bound, which is lowered by a quarter whenever there are more.
///
/// Keys are hashes, so the rows kept are a sample of them all, of at least three quarters of that number if there are so
/// many. Which they are depends on the rows and their keys alone, not on their order. Memory: the rows, and 8 bytes for
/// each.
pub(crate) struct Keep {
    capacity: usize,
    bound: u64,
    /// How many rows there were.
    pub(crate) offered: u64,
    keys: Vec<u64>,
    width: usize,
    features: Vec<f64>,
    target: Vec<f64>,
    spare: Vec<Vec<f64>>,
    lines: Vec<u64>,
    hashes: Vec<u64>,
    ids: Option<Vec<String>>,
}

impl Keep {
    /// For at most `capacity` rows of `width` features and `spare` other columns.
    pub(crate) fn new(capacity: usize, width: usize, spare: usize, with_ids: bool) -> Self {
        Self {
            capacity,
            bound: u64::MAX,
            offered: 0,
            keys: Vec::new(),
            width,
            features: Vec::new(),
            target: Vec::new(),
            spare: vec![Vec::new(); spare],
            lines: Vec::new(),
            hashes: Vec::new(),
            ids: with_ids.then(Vec::new),
        }
    }

    /// Rows with a larger key than this are not kept.
    pub(crate) fn bound(&self) -> u64 {
        self.bound
    }

    /// Takes a row of the batch that comes behind those before it, or not.
    pub(crate) fn offer(&mut self, batch: &Batch<'_>, row: usize, key: u64) {
        if key > self.bound || self.bound == 0 {
            return;
        }
        if self.keys.len() == self.capacity {
            self.lower();
            return self.offer(batch, row, key);
        }
        let of = |values: &[f64]| values.get(row).copied().unwrap_or(f64::NAN);
        self.keys.push(key);
        self.features.extend_from_slice(batch.features_of(row));
        self.target.push(of(batch.target));
        self.spare.iter_mut().zip(&batch.spare).for_each(|(kept, values)| kept.push(of(values)));
        self.lines.push(batch.lines.get(row).copied().unwrap_or_default());
        self.hashes.push(batch.hashes.get(row).copied().unwrap_or_default());
        if let (Some(kept), Some(ids)) = (&mut self.ids, batch.ids) {
            kept.push(ids.get(row).cloned().unwrap_or_default());
        }
    }

    /// Lowers the bound, and lets go of the rows beyond it.
    fn lower(&mut self) {
        // At a bound of 0 nothing is kept, so this ends.
        self.bound = self.bound / 4 * 3;
        let stays: Vec<bool> = self.keys.iter().map(|key| *key <= self.bound && self.bound > 0).collect();
        retain(&mut self.features, self.width, &stays);
        retain(&mut self.target, 1, &stays);
        self.spare.iter_mut().for_each(|values| retain(values, 1, &stays));
        retain(&mut self.lines, 1, &stays);
        retain(&mut self.hashes, 1, &stays);
        retain(&mut self.keys, 1, &stays);
        if let Some(ids) = &mut self.ids {
            let mut stays = stays.iter();
            ids.retain(|_| stays.next().copied().unwrap_or_default());
        }
    }

    /// The rows, in the order they came.
    pub(crate) fn finish(self) -> Kept {
        Kept {
            // The shape is that of the values.
            features: Array2::from_shape_vec((self.target.len(), self.width), self.features).unwrap_or_default(),
            target: Array1::from(self.target),
            spare: self.spare,
            lines: self.lines,
            hashes: self.hashes,
            ids: self.ids,
        }
    }
}

/// What is known of the columns that are no features, in the order of [`Batch::spare`].
pub(crate) struct Others {
    /// The names of numbers; `None`: not wholly numeric.
    pub(crate) numbers: Vec<Option<String>>,
    /// `None`: with too many levels.
    pub(crate) categories: Vec<Option<OtherLevels>>,
}

/// Rows that were kept, in the order they came.
pub(crate) struct Kept {
    features: Array2<f64>,
    target: Array1<f64>,
    pub(crate) spare: Vec<Vec<f64>>,
    lines: Vec<u64>,
    hashes: Vec<u64>,
    ids: Option<Vec<String>>,
}

impl Kept {
    /// The values of a feature, or of the target, which comes last.
    pub(crate) fn column(&self, place: usize) -> Vec<f64> {
        if place == self.features.ncols() { self.target.to_vec() } else { self.features.column(place).to_vec() }
    }

    /// As a table, with other columns by these names.
    pub(crate) fn table(self, schema: Schema, others: &Others, report: DataReport) -> Table {
        let mut spare = self.spare.into_iter();
        let numbers = others.numbers.iter().cloned().zip(spare.by_ref());
        let numbers = numbers.filter_map(|(name, values)| Some((name?, values))).collect();
        Table {
            schema,
            features: self.features,
            target: self.target,
            spare: numbers,
            categories: {
                let categories = others.categories.iter().zip(spare);
                categories.filter_map(|(category, positions)| Some(category.as_ref()?.column(positions))).collect()
            },
            lines: self.lines,
            hashes: self.hashes,
            ids: self.ids,
            report,
        }
    }
}

/// Keeps the rows of `width` values that stay, in place.
fn retain<T: Copy>(values: &mut Vec<T>, width: usize, stays: &[bool]) {
    let mut end = 0;
    for (row, _) in stays.iter().enumerate().filter(|(_, stays)| **stays) {
        values.copy_within(row * width..(row + 1) * width, end);
        end += width;
    }
    values.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(capacity: usize, keys: &[(u64, u64)]) -> Vec<u64> {
        let mut keep = Keep::new(capacity, 2, 1, true);
        for (row, key) in keys {
            let value = [*row as f64];
            let id = [format!("r{row}")];
            let batch = Batch {
                features: &[value[0], -value[0]],
                target: &value,
                spare: vec![&value],
                lines: &[*row],
                hashes: &[*row],
                ids: Some(&id),
            };
            keep.offer(&batch, 0, *key);
        }
        let kept = keep.finish();
        for (place, line) in kept.lines.iter().enumerate() {
            let value = *line as f64;
            assert_eq!(kept.features.row(place).to_vec(), [value, -value]);
            assert_eq!((kept.target[place], kept.spare[0][place], kept.hashes[place]), (value, value, *line));
            assert_eq!(kept.ids.as_ref().unwrap()[place], format!("r{line}"));
        }
        kept.lines
    }

    #[test]
    fn which_rows_stay_depends_on_their_keys_alone() {
        let keys: Vec<(u64, u64)> =
            (0..1000_u64).map(|row| (row, xxhash_rust::xxh3::xxh3_64(&row.to_le_bytes()))).collect();
        let forward = kept(100, &keys);
        assert!((60..=100).contains(&forward.len()) && forward.is_sorted(), "{}", forward.len());
        let reverse: Vec<(u64, u64)> = keys.iter().rev().copied().collect();
        let mut backward = kept(100, &reverse);
        backward.reverse();
        assert_eq!(forward, backward);
        let largest = forward.iter().map(|row| keys[*row as usize].1).max().unwrap();
        assert_eq!(forward.len(), keys.iter().filter(|(_, key)| *key <= largest).count());
        assert_eq!(kept(1000, &keys).len(), 1000);
    }

    #[test]
    fn keys_that_are_all_the_same_end() {
        assert_eq!(kept(3, &[(0, 7); 10]).len(), 0);
        assert_eq!(kept(3, &[(0, 0); 10]).len(), 0);
    }
}
