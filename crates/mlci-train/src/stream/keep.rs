use std::collections::BinaryHeap;

use mlci_model::Schema;
use ndarray::{Array1, Array2};

use crate::{DataReport, Table};

/// Some rows as they were read, side by side.
pub(crate) struct Batch<'a> {
    /// Row by row.
    pub(crate) features: &'a [f64],
    pub(crate) target: &'a [f64],
    /// Columns that are no features; empty where one is not wholly numeric.
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
            spare: table.spare.iter().map(|(_, values)| values.as_slice()).collect(),
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

/// Keeps rows, up to a number: then those with the smallest keys.
///
/// Which are kept depends on the rows and their keys alone. Memory: the rows kept, and 24 bytes for each.
pub(crate) struct Keep {
    capacity: usize,
    /// The largest key first, each with the number of its row and its place here.
    heap: BinaryHeap<(u64, u64, usize)>,
    /// How many rows there were.
    pub(crate) offered: u64,
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
            heap: BinaryHeap::new(),
            offered: 0,
            width,
            features: Vec::new(),
            target: Vec::new(),
            spare: vec![Vec::new(); spare],
            lines: Vec::new(),
            hashes: Vec::new(),
            ids: with_ids.then(Vec::new),
        }
    }

    /// Rows with a larger key than this are not kept any more.
    pub(crate) fn bound(&self) -> u64 {
        match self.heap.peek() {
            Some((key, ..)) if self.heap.len() >= self.capacity => *key,
            _ => u64::MAX,
        }
    }

    /// Takes a row of the batch, or not; `number` is its own among all rows.
    pub(crate) fn offer(&mut self, batch: &Batch<'_>, row: usize, key: u64, number: u64) {
        let of = |values: &[f64]| values.get(row).copied().unwrap_or(f64::NAN);
        if self.heap.len() < self.capacity {
            self.heap.push((key, number, self.target.len()));
            self.features.extend_from_slice(batch.features_of(row));
            self.target.push(of(batch.target));
            self.spare.iter_mut().zip(&batch.spare).for_each(|(kept, values)| kept.push(of(values)));
            self.lines.push(batch.lines.get(row).copied().unwrap_or_default());
            self.hashes.push(batch.hashes.get(row).copied().unwrap_or_default());
            if let (Some(kept), Some(ids)) = (&mut self.ids, batch.ids) {
                kept.push(ids.get(row).cloned().unwrap_or_default());
            }
            return;
        }
        let Some(mut largest) = self.heap.peek_mut() else { return };
        if (key, number) >= (largest.0, largest.1) {
            return;
        }
        let place = largest.2;
        *largest = (key, number, place);
        drop(largest);
        if let Some(kept) = self.features.get_mut(place * self.width..(place + 1) * self.width) {
            kept.copy_from_slice(batch.features_of(row));
        }
        set(&mut self.target, place, of(batch.target));
        self.spare.iter_mut().zip(&batch.spare).for_each(|(kept, values)| set(kept, place, of(values)));
        set(&mut self.lines, place, batch.lines.get(row).copied().unwrap_or_default());
        set(&mut self.hashes, place, batch.hashes.get(row).copied().unwrap_or_default());
        if let (Some(kept), Some(ids)) = (&mut self.ids, batch.ids) {
            set(kept, place, ids.get(row).cloned().unwrap_or_default());
        }
    }

    /// The rows, in the order they came.
    pub(crate) fn finish(mut self) -> Kept {
        let mut order: Vec<(u64, usize)> = self.heap.into_iter().map(|(_, number, place)| (number, place)).collect();
        order.sort_unstable();
        let order: Vec<usize> = order.into_iter().map(|(_, place)| place).collect();
        permute(&mut self.features, self.width, &order);
        permute(&mut self.target, 1, &order);
        self.spare.iter_mut().for_each(|values| permute(values, 1, &order));
        permute(&mut self.lines, 1, &order);
        permute(&mut self.hashes, 1, &order);
        let ids = self.ids.map(|ids| order.iter().map(|place| ids.get(*place).cloned().unwrap_or_default()).collect());
        Kept {
            // The shape is that of the values.
            features: Array2::from_shape_vec((self.target.len(), self.width), self.features).unwrap_or_default(),
            target: Array1::from(self.target),
            spare: self.spare,
            lines: self.lines,
            hashes: self.hashes,
            ids,
        }
    }
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

    /// As a table. `spare` has the name of each column that is no feature, `None` for one that is not wholly numeric.
    pub(crate) fn table(self, schema: Schema, spare: &[Option<String>], report: DataReport) -> Table {
        Table {
            schema,
            features: self.features,
            target: self.target,
            spare: spare.iter().cloned().zip(self.spare).filter_map(|(name, values)| Some((name?, values))).collect(),
            lines: self.lines,
            hashes: self.hashes,
            ids: self.ids,
            report,
        }
    }
}

fn set<T>(values: &mut [T], place: usize, value: T) {
    if let Some(old) = values.get_mut(place) {
        *old = value;
    }
}

/// Brings row `order[i]` to place `i`, for all `i`, in place.
fn permute<T: Copy>(values: &mut [T], width: usize, order: &[usize]) {
    let mut done = vec![false; order.len()];
    let mut held = Vec::with_capacity(width);
    for start in 0..order.len() {
        if done[start] {
            continue;
        }
        held.clear();
        held.extend_from_slice(&values[start * width..(start + 1) * width]);
        let mut place = start;
        loop {
            done[place] = true;
            let from = order[place];
            if from == start {
                break;
            }
            values.copy_within(from * width..(from + 1) * width, place * width);
            place = from;
        }
        values[place * width..(place + 1) * width].copy_from_slice(&held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_put_in_order() {
        let mut values = [10, 11, 20, 21, 30, 31, 40, 41];
        permute(&mut values, 2, &[2, 0, 1, 3]);
        assert_eq!(values, [30, 31, 10, 11, 20, 21, 40, 41]);
    }

    #[test]
    fn the_smallest_keys_stay_whatever_the_order() {
        let keys = [50_u64, 20, 90, 20, 70, 10, 60];
        let kept = |order: &[usize]| {
            let mut keep = Keep::new(3, 1, 0, false);
            for &row in order {
                let value = row as f64;
                let batch = Batch {
                    features: &[value],
                    target: &[value],
                    spare: vec![],
                    lines: &[row as u64],
                    hashes: &[0],
                    ids: None,
                };
                keep.offer(&batch, 0, keys[row], row as u64);
            }
            keep.finish().lines
        };
        assert_eq!(kept(&[0, 1, 2, 3, 4, 5, 6]), [1, 3, 5]);
        assert_eq!(kept(&[6, 5, 4, 3, 2, 1, 0]), [1, 3, 5]);
    }
}
