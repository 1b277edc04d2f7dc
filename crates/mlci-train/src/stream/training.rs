use crate::{
    Table,
    stream::{Batch, Keep},
};

/// What is kept of the training rows, one by one: `R` has whole rows.
#[derive(Debug, Clone)]
pub(crate) enum Training<R> {
    /// Sums are enough.
    Nothing,
    /// The lines that they begin on, for whoever reads them elsewhere.
    Lines(Vec<u64>),
    /// Their features and targets.
    Rows(R),
}

/// As [`Training`], before there are rows.
pub(crate) type KeepTraining = Training<()>;

impl KeepTraining {
    /// Nothing yet; whole rows are kept by `keep`.
    pub(crate) fn start(&self, keep: impl FnOnce() -> Keep) -> Training<Keep> {
        match self {
            Self::Nothing => Training::Nothing,
            Self::Lines(_) => Training::Lines(Vec::new()),
            Self::Rows(()) => Training::Rows(keep()),
        }
    }
}

impl Training<Keep> {
    /// Takes a training row of the batch that comes behind those before it.
    pub(crate) fn take(&mut self, batch: &Batch<'_>, row: usize) {
        match self {
            Self::Nothing => {}
            Self::Lines(lines) => lines.extend(batch.lines.get(row)),
            // There is room for all, whatever their keys.
            Self::Rows(rows) => rows.offer(batch, row, 1),
        }
    }

    pub(crate) fn finish(self, table: impl FnOnce(Keep) -> Table) -> Training<Table> {
        match self {
            Self::Nothing => Training::Nothing,
            Self::Lines(lines) => Training::Lines(lines),
            Self::Rows(rows) => Training::Rows(table(rows)),
        }
    }
}

impl Training<Table> {
    pub(crate) fn rows_mut(&mut self) -> Option<&mut Table> {
        match self {
            Self::Rows(table) => Some(table),
            Self::Nothing | Self::Lines(_) => None,
        }
    }

    pub(crate) fn lines(&self) -> Option<&[u64]> {
        match self {
            Self::Nothing => None,
            Self::Lines(lines) => Some(lines),
            Self::Rows(table) => Some(&table.lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Digest, Gathered, ReadOptions, TrainError, TrainOptions, gather, read_csv, split};

    #[test]
    fn no_more_is_kept_than_needed() {
        let csv: String = (0..200).map(|row| format!("{row},{}\n", row * row % 7 + 1)).collect();
        let csv = format!("a,y\n{csv}");
        let read = ReadOptions::new("y");
        let table = read_csv(csv.as_bytes(), &read).unwrap();
        let lines: Vec<u64> = split(&table, 0, 0.2).train.iter().filter_map(|row| table.line(*row)).collect();
        let of = |options: &TrainOptions| {
            let (gathered, _) = gather(|| Ok(csv.as_bytes()), &read, options).unwrap();
            [gathered, Gathered::of(&table, options)]
        };
        for gathered in of(&TrainOptions { elsewhere: true, ..TrainOptions::default() }) {
            assert!(matches!(&gathered.training, Training::Lines(kept) if *kept == lines));
            assert_eq!(gathered.training_lines(), Some(&lines[..]));
            let digest = Digest::of(b"");
            let error = gathered.train(&"demo".parse().unwrap(), digest, digest).unwrap_err();
            assert!(matches!(error, TrainError::Elsewhere), "{error}");
        }
        for gathered in of(&TrainOptions { algorithm: Algorithm::Poisson, ..TrainOptions::default() }) {
            assert!(matches!(&gathered.training, Training::Rows(rows) if rows.rows() == lines.len()));
            assert_eq!(gathered.training_lines(), Some(&lines[..]));
        }
        for gathered in of(&TrainOptions::default()) {
            assert!(matches!(gathered.training, Training::Nothing));
        }
    }
}
