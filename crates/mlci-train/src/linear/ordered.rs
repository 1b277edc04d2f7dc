use std::collections::BTreeMap;

use crate::linear::{BLOCK_ROWS, Block, BlockError, Statistic};

/// Puts the statistics of blocks together in the order of their numbers, whatever the order in which they come.
///
/// Each is merged into all those before it, from block 0 on: a fixed tree, so that the result has the same bits for any
/// number of threads. What comes before its turn waits; see [`OrderedMerge::waiting`].
#[derive(Debug, Clone)]
pub struct OrderedMerge<S> {
    merged: Option<S>,
    next: u64,
    waiting: BTreeMap<u64, S>,
}

impl<S> Default for OrderedMerge<S> {
    fn default() -> Self {
        Self { merged: None, next: 0, waiting: BTreeMap::new() }
    }
}

impl<S: Statistic> OrderedMerge<S> {
    /// With no blocks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the statistic of block `number`, from 0. Every block has to have [`BLOCK_ROWS`] rows, save the last.
    ///
    /// # Errors
    /// [`BlockError::Twice`], or [`BlockError::Features`] where it does not go with the others.
    pub fn insert(&mut self, number: u64, statistic: S) -> Result<(), BlockError> {
        if number < self.next || self.waiting.contains_key(&number) {
            return Err(BlockError::Twice { number });
        }
        self.waiting.insert(number, statistic);
        while let Some(statistic) = self.waiting.remove(&self.next) {
            match &mut self.merged {
                None => self.merged = Some(statistic),
                Some(merged) => merged.merge(&statistic)?,
            }
            self.next += 1;
        }
        Ok(())
    }

    /// How many blocks wait for one before them: a reader that hands out blocks stops at some number of these, so that
    /// memory does not grow.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The statistic of all of `blocks` blocks.
    ///
    /// # Errors
    /// [`BlockError::Missing`] where one has not come, [`BlockError::Empty`] where there is none.
    pub fn finish(self, blocks: u64) -> Result<S, BlockError> {
        if self.next < blocks {
            return Err(BlockError::Missing { number: self.next, blocks });
        }
        self.merged.ok_or(BlockError::Empty)
    }
}

/// Takes rows as they come, cuts them into blocks, and sums these up, on one thread.
///
/// The result has the same bits however the rows were cut when they came, and the bits of [`OrderedMerge`].
#[derive(Debug, Clone)]
pub struct Accumulator<S> {
    features: usize,
    values: Vec<f64>,
    weights: Option<Vec<f64>>,
    blocks: OrderedMerge<S>,
}

impl<S: Statistic> Accumulator<S> {
    /// For rows of so many features, and the target.
    #[must_use]
    pub fn new(features: usize) -> Self {
        Self { features, values: Vec::new(), weights: None, blocks: OrderedMerge::new() }
    }

    /// Takes rows. Those without weights have the weight 1.
    ///
    /// # Errors
    /// [`BlockError`] where the rows have another width, or hold what is not finite: nothing more can be added then.
    pub fn push(&mut self, block: Block<'_>) -> Result<(), BlockError> {
        if block.features() != self.features {
            return Err(BlockError::Features { found: block.features(), expected: self.features });
        }
        let width = block.width();
        let (mut values, mut weights) = (block.values(), block.weights());
        while !values.is_empty() {
            let held = self.values.len() / width;
            let take = (BLOCK_ROWS - held).min(values.len() / width);
            let (now, later) = values.split_at(take * width);
            let now_weights = weights.and_then(|weights| weights.get(..take));
            if held == 0 && take == BLOCK_ROWS {
                self.add(now, now_weights)?;
            } else {
                if now_weights.is_some() || self.weights.is_some() {
                    let all = self.weights.get_or_insert_with(|| vec![1.0; held]);
                    match now_weights {
                        Some(weights) => all.extend_from_slice(weights),
                        None => all.resize(held + take, 1.0),
                    }
                }
                self.values.extend_from_slice(now);
                if held + take == BLOCK_ROWS {
                    self.flush()?;
                }
            }
            values = later;
            weights = weights.and_then(|weights| weights.get(take..));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let (mut values, weights) = (std::mem::take(&mut self.values), self.weights.take());
        self.add(&values, weights.as_deref())?;
        values.clear();
        self.values = values;
        Ok(())
    }

    fn add(&mut self, values: &[f64], weights: Option<&[f64]>) -> Result<(), BlockError> {
        let number = self.blocks.next;
        let block = Block::new(values, self.features)?;
        let block = weights.map_or(Ok(block), |weights| block.weighted(weights))?;
        let statistic = S::of(block).map_err(|error| error.in_rows_from(number * BLOCK_ROWS as u64))?;
        self.blocks.insert(number, statistic)
    }

    /// The statistic of all rows.
    ///
    /// # Errors
    /// As [`Accumulator::push`], and [`BlockError::Empty`] where there were none.
    pub fn finish(mut self) -> Result<S, BlockError> {
        if !self.values.is_empty() {
            self.flush()?;
        }
        let blocks = self.blocks.next;
        self.blocks.finish(blocks)
    }
}
