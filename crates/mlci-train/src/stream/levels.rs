use crate::stream::Side;

/// How many rows have each level of the columns that are categories.
#[derive(Debug, Clone, Default)]
pub(crate) struct LevelCounts(Vec<Of>);

#[derive(Debug, Clone)]
struct Of {
    /// The feature, or one beyond the last for the target.
    column: usize,
    training: Vec<u64>,
    held_out: Vec<u64>,
}

impl LevelCounts {
    /// For columns of so many levels, the target last; none, where one is no category.
    pub(crate) fn of(levels: &[usize]) -> Self {
        let of = |(column, count): (usize, &usize)| {
            (*count > 0).then(|| Of { column, training: vec![0; *count], held_out: vec![0; *count] })
        };
        Self(levels.iter().enumerate().filter_map(of).collect())
    }

    pub(crate) fn add(&mut self, side: Side, features: &[f64], target: f64) {
        for of in &mut self.0 {
            let value = features.get(of.column).copied().unwrap_or(target);
            let counts = if side == Side::HeldOut { &mut of.held_out } else { &mut of.training };
            if let Some(count) = counts.get_mut(value as usize) {
                *count += 1;
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (of, other) in self.0.iter_mut().zip(&other.0) {
            of.training.iter_mut().zip(&other.training).for_each(|(count, more)| *count += more);
            of.held_out.iter_mut().zip(&other.held_out).for_each(|(count, more)| *count += more);
        }
    }

    /// Counts by other levels: `count` of them, one for each of those before.
    pub(crate) fn fold(&mut self, column: usize, map: &[f64], count: usize) {
        let folded = |counts: &[u64]| {
            let mut folded = vec![0; count];
            for (rows, level) in counts.iter().zip(map) {
                if let Some(place) = folded.get_mut(*level as usize) {
                    *place += rows;
                }
            }
            folded
        };
        for of in self.0.iter_mut().filter(|of| of.column == column) {
            (of.training, of.held_out) = (folded(&of.training), folded(&of.held_out));
        }
    }

    /// Of all rows; none, where the column is no category.
    pub(crate) fn of_all(&self, column: usize) -> Vec<u64> {
        let of = self.0.iter().find(|of| of.column == column);
        of.map(|of| of.training.iter().zip(&of.held_out).map(|(training, held_out)| training + held_out).collect())
            .unwrap_or_default()
    }

    /// Of the rows to train on.
    pub(crate) fn of_training(&self, column: usize) -> &[u64] {
        self.0.iter().find(|of| of.column == column).map_or(&[], |of| &of.training)
    }
}
