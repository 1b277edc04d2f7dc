use std::collections::BTreeMap;

/// Puts what comes in any order back into that of its numbers, from 0.
pub(crate) struct Order<T> {
    waiting: BTreeMap<usize, T>,
    turn: usize,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), turn: 0 }
    }
}

impl<T> Order<T> {
    /// How many wait for one before them, or to be asked for.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_turn_of(&self, number: usize) -> bool {
        self.turn == number
    }

    pub(super) fn insert(&mut self, number: usize, item: T) {
        self.waiting.insert(number, item);
    }

    /// The one whose turn it is, if it is there.
    pub(super) fn next(&mut self) -> Option<T> {
        let item = self.waiting.remove(&self.turn)?;
        self.turn += 1;
        Some(item)
    }

    /// Takes one, and hands everything to `take` whose turn has come.
    pub(crate) fn put<E>(&mut self, number: usize, item: T, take: impl FnMut(T) -> Result<(), E>) -> Result<(), E> {
        self.insert(number, item);
        std::iter::from_fn(|| self.next()).try_for_each(take)
    }
}
