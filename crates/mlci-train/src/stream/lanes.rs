use std::collections::BTreeMap;

use mlci_model::Design;

use crate::{BLOCK_ROWS, Block, BlockError, Statistic, read::order::Order, stream::Marginal};

/// Which rows a row is summed up with: a fold of the training rows, or those held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Fold(u64),
    HeldOut,
}

/// What is to be made of a block of rows.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// How many values a row has, the target last.
    pub(crate) width: usize,
    /// Whether training rows are summed up for least squares.
    pub(crate) fits: bool,
    /// What makes the columns of the model of a row, unless it is its columns.
    pub(crate) design: Option<Design>,
    /// How many levels each column has, the target last; none, where it is no category.
    pub(crate) levels: Vec<usize>,
}

/// A block that is to be summed up.
pub(crate) struct Full {
    pub(crate) side: Side,
    number: usize,
    values: Vec<f64>,
}

/// Rows that were summed up.
pub(crate) struct Summed<S> {
    /// Of training rows.
    pub(crate) statistic: Option<S>,
    /// Where the statistic does not have them.
    pub(crate) marginals: Option<Vec<Marginal>>,
}

pub(crate) struct Done<S> {
    side: Side,
    number: usize,
    summed: Result<Summed<S>, BlockError>,
}

impl Full {
    pub(crate) fn sum_up<S: Statistic>(self, recipe: &Recipe) -> Done<S> {
        let Self { side, number, values } = self;
        Done { side, number, summed: sum_up(side, &values, recipe) }
    }
}

fn sum_up<S: Statistic>(side: Side, values: &[f64], recipe: &Recipe) -> Result<Summed<S>, BlockError> {
    let fits = recipe.fits && side != Side::HeldOut;
    let statistic = match &recipe.design {
        _ if !fits => None,
        None => Some(S::of(Block::new(values, recipe.width - 1)?)?),
        Some(design) => Some(S::of_design(values, recipe.width - 1, design)?),
    };
    let known = statistic.is_some() && recipe.design.is_none();
    let marginals = (!known).then(|| Marginal::of_rows(values, recipe.width));
    Ok(Summed { statistic, marginals })
}

impl<S: Statistic> Summed<S> {
    fn merge(&mut self, later: &Self) -> Result<(), BlockError> {
        if let (Some(statistic), Some(later)) = (&mut self.statistic, &later.statistic) {
            statistic.merge(later)?;
        }
        if let (Some(marginals), Some(later)) = (&mut self.marginals, &later.marginals) {
            marginals.iter_mut().zip(later).for_each(|(marginal, later)| marginal.merge(later));
        }
        Ok(())
    }
}

/// Cuts the rows of each side into blocks of [`BLOCK_ROWS`].
pub(crate) struct Cuts {
    width: usize,
    /// One a fold, and the last for the rows held out.
    cuts: Vec<Cut>,
}

#[derive(Default)]
struct Cut {
    values: Vec<f64>,
    blocks: usize,
}

impl Cuts {
    pub(crate) fn new(width: usize, folds: u64) -> Self {
        Self { width, cuts: (0..=folds).map(|_| Cut::default()).collect() }
    }

    /// Takes a row of a side, and hands out the block that is full with it.
    pub(crate) fn push(&mut self, side: Side, features: &[f64], target: f64) -> Option<Full> {
        let (size, place) = (BLOCK_ROWS * self.width, side.place(self.cuts.len()));
        let cut = self.cuts.get_mut(place)?;
        if cut.values.is_empty() {
            cut.values.reserve_exact(size);
        }
        cut.values.extend_from_slice(features);
        cut.values.push(target);
        (cut.values.len() == size).then(|| cut.hand_out(side))
    }

    /// What is left, once all rows are there.
    pub(crate) fn finish(self) -> impl Iterator<Item = Full> {
        let sides = self.cuts.len();
        let cuts = self.cuts.into_iter().enumerate().filter(|(_, cut)| !cut.values.is_empty());
        cuts.map(move |(place, mut cut)| cut.hand_out(Side::of(place, sides)))
    }
}

impl Cut {
    fn hand_out(&mut self, side: Side) -> Full {
        self.blocks += 1;
        Full { side, number: self.blocks - 1, values: std::mem::take(&mut self.values) }
    }
}

impl Side {
    /// Its place among so many sides: the rows held out have the last.
    fn place(self, sides: usize) -> usize {
        match self {
            Self::Fold(fold) => fold as usize,
            Self::HeldOut => sides - 1,
        }
    }

    fn of(place: usize, sides: usize) -> Self {
        if place + 1 == sides { Self::HeldOut } else { Self::Fold(place as u64) }
    }
}

/// Puts what is summed up of the blocks of each side together in their order: the bits of
/// [`Accumulator`](crate::Accumulator), however the rows come and whoever sums up.
pub(crate) struct Lanes<S> {
    /// One a side, in their places.
    lanes: Vec<Lane<S>>,
    /// The first block that could not be summed up, by side and number.
    failed: Option<(Side, usize, BlockError)>,
}

struct Lane<S> {
    order: Order<Summed<S>>,
    merged: Option<Summed<S>>,
}

impl<S: Statistic> Lanes<S> {
    pub(crate) fn new(folds: u64) -> Self {
        Self { lanes: (0..=folds).map(|_| Lane { order: Order::default(), merged: None }).collect(), failed: None }
    }

    pub(crate) fn take(&mut self, done: Done<S>) {
        let Done { side, number, summed } = done;
        let place = side.place(self.lanes.len());
        let lane = self.lanes.get_mut(place);
        let has_failed = self.failed.as_ref().is_some_and(|(failed, ..)| *failed == side);
        let taken = summed.and_then(|summed| {
            // Behind a block that failed others would wait for ever.
            let Some(Lane { order, merged }) = lane.filter(|_| !has_failed) else { return Ok(()) };
            order.put(number, summed, |summed| match merged {
                Some(merged) => merged.merge(&summed),
                None => {
                    *merged = Some(summed);
                    Ok(())
                }
            })
        });
        if let Err(error) = taken
            && self.failed.as_ref().is_none_or(|(before, block, _)| (side, number) < (*before, *block))
        {
            self.failed = Some((side, number, error));
        }
    }

    /// What was made of each side that has rows.
    pub(crate) fn finish(self) -> Result<BTreeMap<Side, Summed<S>>, BlockError> {
        match self.failed {
            Some((.., error)) => Err(error),
            None => {
                let sides = self.lanes.len();
                let lanes = self.lanes.into_iter().enumerate();
                Ok(lanes.filter_map(|(place, lane)| Some((Side::of(place, sides), lane.merged?))).collect())
            }
        }
    }
}
