use std::collections::HashMap;

/// The levels of a category that were found in the data so far, in the order in which they came.
#[derive(Default, Clone)]
pub(crate) struct Levels {
    names: Vec<String>,
    positions: HashMap<String, usize>,
    /// How many of them stay, whatever becomes of the row that is read.
    settled: usize,
}

impl Levels {
    /// More levels than this are hardly meant: each is a column of the model.
    pub(crate) const LIMIT: usize = 1000;

    /// The position of a level, which is added where it is new. Beyond the limit all new ones share a position.
    pub(super) fn position(&mut self, level: &str) -> usize {
        if let Some(position) = self.positions.get(level) {
            return *position;
        }
        let position = self.names.len();
        // One more than the limit says that there are more.
        if position <= Self::LIMIT {
            self.names.push(level.to_owned());
            self.positions.insert(level.to_owned(), position);
        }
        position
    }

    /// Lets those stay that have been added so far.
    pub(super) fn settle(&mut self) {
        self.settled = self.names.len();
    }

    /// Lets go of those that a row has added that is not kept: there would be nothing to learn of them.
    pub(super) fn take_back(&mut self) {
        for level in self.names.drain(self.settled..) {
            self.positions.remove(&level);
        }
    }

    pub(super) fn are_too_many(&self) -> bool {
        self.names.len() > Self::LIMIT
    }

    /// Takes in the levels of rows that come after these. `None`: positions stay as they are; else each is to be
    /// replaced by what stands at it.
    pub(super) fn unite(&mut self, next: &Self) -> Option<Vec<f64>> {
        let map: Vec<usize> = next.names.iter().map(|level| self.position(level)).collect();
        self.settle();
        replacement(&map)
    }

    /// The levels by the bytes of their names, `base` first, and how positions change thereby, as [`Self::unite`] says
    /// it.
    pub(super) fn sorted(self, base: Option<&str>) -> (Vec<String>, Option<Vec<f64>>) {
        let mut order: Vec<(bool, String, usize)> =
            self.names.into_iter().enumerate().map(|(old, name)| (base != Some(&name), name, old)).collect();
        order.sort_unstable();
        let mut map = vec![0; order.len()];
        for (new, (_, _, old)) in order.iter().enumerate() {
            if let Some(place) = map.get_mut(*old) {
                *place = new;
            }
        }
        (order.into_iter().map(|(_, name, _)| name).collect(), replacement(&map))
    }
}

fn replacement(map: &[usize]) -> Option<Vec<f64>> {
    let changes = map.iter().enumerate().any(|(old, new)| old != *new);
    changes.then(|| map.iter().map(|new| *new as f64).collect())
}

/// Replaces a position by what [`Levels::unite`] or [`Levels::sorted`] says.
pub(crate) fn replace(position: &mut f64, map: &[f64]) {
    if let Some(new) = map.get(*position as usize) {
        *position = *new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(names: &[&str]) -> Levels {
        let mut levels = Levels::default();
        names.iter().for_each(|name| _ = levels.position(name));
        levels
    }

    #[test]
    fn united_as_if_read_at_once() {
        let mut first = levels(&["b", "a"]);
        assert_eq!(first.unite(&levels(&["b"])), None);
        assert_eq!(first.unite(&levels(&["c", "a"])), Some(vec![2.0, 1.0]));
        assert_eq!(first.names, ["b", "a", "c"]);
        let (names, map) = first.sorted(None);
        assert_eq!((names, map), (["a", "b", "c"].map(str::to_owned).to_vec(), Some(vec![1.0, 0.0, 2.0])));
        let (names, _) = levels(&["b", "a", "c", "é"]).sorted(Some("c"));
        assert_eq!(names, ["c", "a", "b", "é"]);
    }

    #[test]
    fn what_a_row_has_added_is_taken_back() {
        let mut found = levels(&["b", "a"]);
        found.settle();
        assert_eq!((found.position("c"), found.position("a"), found.position("d")), (2, 1, 3));
        found.take_back();
        assert_eq!((found.position("d"), found.position("c"), found.position("b")), (2, 3, 0));
        found.settle();
        found.take_back();
        assert_eq!(found.names, ["b", "a", "d", "c"]);
    }

    #[test]
    fn no_more_are_kept_than_the_limit_and_one() {
        let mut many = Levels::default();
        (0..3000).for_each(|level| _ = many.position(&level.to_string()));
        assert_eq!(many.names.len(), Levels::LIMIT + 1);
        assert!(many.are_too_many());
        assert!(!levels(&["a"]).are_too_many());
    }
}
