//! What goes into one request.

use std::collections::HashMap;

use serde::Serialize;

use crate::{Event, Result, RunId, RunLog};

/// A body that MLflow and what stands before it take: its documented limit is 1 MB.
const BODY: usize = 900_000;

/// The points of a run in the order in which they were logged: the log only grows, so a count of points is a position.
///
/// A value that repeats the one before it at the same step of its metric is left out, as in
/// [`RunRecord::metrics`](crate::RunRecord::metrics).
#[derive(Debug, Default)]
pub(crate) struct Points {
    pub(crate) keys: Vec<String>,
    pub(crate) points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// Its place in the keys.
    pub(crate) key: usize,
    pub(crate) value: f64,
    pub(crate) step: u64,
    pub(crate) millisecond: i64,
}

impl Points {
    pub(crate) fn read(log: &RunLog, id: &RunId) -> Result<Self> {
        let mut points = Self::default();
        let mut places = HashMap::new();
        let mut latest = HashMap::new();
        for entry in log.entries(id)? {
            let entry = entry?;
            let Event::Metric { key, value, step } = entry.event else { continue };
            let key = *places.entry(key).or_insert_with_key(|key| {
                points.keys.push(key.clone());
                points.keys.len() - 1
            });
            let before: Option<f64> = latest.insert((key, step), value);
            if before.is_none_or(|before| before != value && !(before.is_nan() && value.is_nan())) {
                points.points.push(Point { key, value, step, millisecond: entry.time.as_millisecond() });
            }
        }
        Ok(points)
    }
}

/// Cuts a list into pieces of at most so many items that fit into a body.
pub(crate) fn pieces<T: Serialize>(mut items: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let mut room = BODY;
        let fitting = items.iter().take(most).take_while(|item| {
            // What cannot be written fails when it is sent.
            let length = serde_json::to_vec(item).map_or(0, |json| json.len() + 1);
            let fits = length <= room;
            room = room.saturating_sub(length);
            fits
        });
        // One that is too long alone is for the server to judge.
        let (piece, rest) = items.split_at_checked(fitting.count().max(1))?;
        items = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(items: &[String], most: usize, expected: &[usize]) {
        let pieces: Vec<_> = pieces(items, most).collect();
        assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), expected);
        assert_eq!(pieces.concat(), items);
    }

    #[test]
    fn pieces_are_bounded_in_number_and_size() {
        let short = |count| vec!["a".to_owned(); count];
        check(&[], 3, &[]);
        check(&short(3), 3, &[3]);
        check(&short(7), 3, &[3, 3, 1]);
        // Two halves with their quotes and commas are more than a body; so is each item twice its size.
        check(&vec!["a".repeat(BODY / 2); 2], 3, &[1, 1]);
        check(&vec!["a".repeat(BODY * 2); 2], 3, &[1, 1]);
        // Control characters take six bytes each.
        check(&vec!["\u{1}".repeat(BODY / 18 - 1); 4], 4, &[3, 1]);
    }
}
