//! How far the values of the last rows are spread otherwise than those of training.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mlci_model::{Model, Profile};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

/// The rows of half a window: the window holds the last 1,000 to 2,000.
pub(crate) const HALF: u64 = 1000;

/// With fewer rows, or fewer values in training, the index is mostly noise, see
/// [`Profile::population_stability_index`]; there is none then.
pub(crate) const LEAST: u64 = 200;

/// The rows that are counted while others wait.
const AT_ONCE: usize = 256;

/// Counts of the last rows by the bins of training. The memory is that of two counts a bin, whatever comes.
#[derive(Debug)]
pub(crate) struct Drift {
    /// The features in the order of the schema, then the prediction.
    columns: Vec<Column>,
    /// A lock, and not atomic counts: a row costs one of them and not one a value, and the halves change exactly.
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Column {
    /// The feature; none for the prediction.
    feature: Option<String>,
    profile: Profile,
    /// Where its counts begin in those of the window.
    first: usize,
}

#[derive(Debug, Default)]
struct Window {
    /// The half that is being filled, and its rows.
    filling: Vec<u64>,
    rows: u64,
    /// The half before, and its rows: none or [`HALF`].
    full: Vec<u64>,
    full_rows: u64,
}

impl Drift {
    pub(crate) fn of(model: &Model) -> Self {
        let parts = model.parts();
        let names = parts.schema.names().map(|name| Some(name.to_owned())).chain([None]);
        let profiles = parts.profiles.iter().chain([&parts.prediction_profile]);
        let mut bins = 0;
        let columns = names.zip(profiles).map(|(feature, profile)| {
            let column = Column { feature, profile: profile.clone(), first: bins };
            bins += profile.counts.len();
            column
        });
        let columns = columns.collect();
        let window = Window { filling: vec![0; bins], full: vec![0; bins], ..Window::default() };
        Self { columns, window: Mutex::new(window) }
    }

    /// Counts rows: `values` row-major, one value a feature, and one prediction a row.
    pub(crate) fn count(&self, values: &[f64], predictions: &[f64]) {
        let width = self.columns.len().saturating_sub(1).max(1);
        let mut rows = values.chunks_exact(width).zip(predictions).peekable();
        while rows.peek().is_some() {
            let mut window = self.window();
            for (row, prediction) in rows.by_ref().take(AT_ONCE) {
                window.make_room();
                for (column, value) in self.columns.iter().zip(row.iter().chain([prediction])) {
                    if let Some(count) = window.filling.get_mut(column.first + column.profile.bin(*value)) {
                        *count += 1;
                    }
                }
                window.rows += 1;
            }
        }
    }

    /// The rows of the window, and the index of each feature (`None`: of the prediction) if there are enough,
    /// here and in training.
    fn indices(&self) -> (u64, Vec<(Option<&str>, f64)>) {
        let window = self.window();
        let rows = window.rows + window.full_rows;
        let counts: Vec<u64> = window.filling.iter().zip(&window.full).map(|(new, old)| new + old).collect();
        drop(window);
        if rows < LEAST {
            return (rows, Vec::new());
        }
        let index = |column: &Column| column.profile.population_stability_index(column.counts(&counts));
        let columns = self.columns.iter().filter(|column| column.profile.count >= LEAST);
        let indices = columns.filter_map(|column| Some((column.feature.as_deref(), index(column)?)));
        let indices = indices.collect();
        (rows, indices)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Column {
    fn counts<'c>(&self, counts: &'c [u64]) -> &'c [u64] {
        counts.get(self.first..self.first + self.profile.counts.len()).unwrap_or_default()
    }
}

impl Window {
    /// Forgets the older half once the newer one is full.
    fn make_room(&mut self) {
        if self.rows >= HALF {
            std::mem::swap(&mut self.filling, &mut self.full);
            self.full_rows = self.rows;
            self.filling.fill(0);
            self.rows = 0;
        }
    }
}

impl Collector for Drift {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (rows, indices) = self.indices();
        let help = "Rows that the drift metrics are about: the last ones.";
        let gauge = encoder.encode_descriptor("drift_rows", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(rows).unwrap_or(i64::MAX)).encode(gauge)?;

        let help = "Population stability index of the last rows against training; absent below 200 rows of either.";
        let mut gauge = encoder.encode_descriptor("drift_psi", help, None, MetricType::Gauge)?;
        for (feature, index) in &indices {
            if let Some(feature) = feature {
                ConstGauge::new(*index).encode(gauge.encode_family(&[("feature", *feature)])?)?;
            }
        }

        // A metric of its own: no feature can have its name.
        let help =
            "Population stability index of the last predictions against training; absent below 200 rows of either.";
        let mut gauge = encoder.encode_descriptor("prediction_drift_psi", help, None, MetricType::Gauge)?;
        for (_, index) in indices.iter().filter(|(feature, _)| feature.is_none()) {
            let labels: [(&str, &str); 0] = [];
            ConstGauge::new(*index).encode(gauge.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::model;

    /// The model's features have the values 0, 1 and 10 in training: three bins, a third in each.
    fn counted(rows: &[([f64; 3], f64, usize)]) -> Drift {
        let drift = Drift::of(&model("demo"));
        for (row, prediction, times) in rows {
            drift.count(&row.repeat(*times), &vec![*prediction; *times]);
        }
        drift
    }

    fn index_of(drift: &Drift, wanted: Option<&str>) -> Option<f64> {
        drift.indices().1.into_iter().find(|(feature, _)| *feature == wanted).map(|(_, index)| index)
    }

    /// Case: drift on a handful of rows is noise, and so is no answer.
    #[test]
    fn below_the_least_there_is_no_index() {
        let drift = counted(&[([0.0; 3], 0.0, 199)]);
        assert_eq!(drift.indices(), (199, vec![]));
        drift.count(&[0.0; 3], &[0.0]);
        let (rows, indices) = drift.indices();
        let names: Vec<_> = indices.iter().map(|(feature, _)| *feature).collect();
        assert_eq!((rows, names), (200, vec![Some("a"), Some("b acid"), Some("n"), None]));
    }

    /// Case: a model of a few rows, whose shares say little.
    #[test]
    fn with_few_values_in_training_there_is_no_index() {
        let trained = |values: usize| {
            let mut parts = model("demo").parts().clone();
            parts.profiles[1] = Profile::of(&(0..values).map(|value| value as f64).collect::<Vec<_>>()).unwrap();
            let drift = Drift::of(&Model::new(parts).unwrap());
            drift.count(&[0.0; 600], &[0.0; 200]);
            index_of(&drift, Some("b acid"))
        };
        assert_eq!(trained(199), None);
        assert!(trained(200).is_some());
    }

    /// 0 would say that there is no drift.
    #[test]
    fn a_column_with_one_value_in_training_has_no_index() {
        let mut parts = model("demo").parts().clone();
        parts.prediction_profile = Profile::of(&[1.0; 300]).unwrap();
        let drift = Drift::of(&Model::new(parts).unwrap());
        drift.count(&[0.0; 600], &[0.0; 200]);
        let names: Vec<_> = drift.indices().1.iter().map(|(feature, _)| *feature).collect();
        assert_eq!(names, [Some("a"), Some("b acid"), Some("n")]);
    }

    #[test]
    fn each_column_has_its_own_index() {
        // `a` as in training, all of `b acid` in its last bin, all of `n` in its first.
        let third = [0.0, 1.0, 10.0].map(|a| ([a, 99.0, -5.0], a, 100));
        let drift = counted(&third);
        let all_in_one = {
            let (empty, full, third) = (0.5 / 301.5, 300.5 / 301.5, 1.0 / 3.0);
            2.0 * (empty - third) * f64::ln(empty / third) + (full - third) * f64::ln(full / third)
        };
        for (feature, expected) in
            [(Some("a"), 0.0), (Some("b acid"), all_in_one), (Some("n"), all_in_one), (None, 0.0)]
        {
            let found = index_of(&drift, feature).unwrap();
            assert!((found - expected).abs() < 1e-12, "{feature:?}: {found}, not {expected}");
        }
    }

    /// The older half goes when the newer one is full, whatever the size of the batches.
    #[test]
    fn the_window_is_of_the_last_rows() {
        for batch in [1, 7, 1000, 5000] {
            let drift = Drift::of(&model("demo"));
            let count = |value: f64, rows: usize| {
                for start in (0..rows).step_by(batch) {
                    let rows = batch.min(rows - start);
                    drift.count(&vec![value; 3 * rows], &vec![value; rows]);
                }
                let window = drift.window();
                (window.rows + window.full_rows, window.filling.iter().chain(&window.full).sum::<u64>() / 4)
            };
            assert_eq!(count(0.0, 1999), (1999, 1999), "{batch}");
            assert_eq!(count(10.0, 1), (2000, 2000), "{batch}");
            assert_eq!(count(10.0, 1), (1001, 1001), "{batch}: the first thousand is gone");
            count(10.0, 1999);
            let window = drift.window();
            // All of the last 2,000 rows are in the last bin of every column.
            let last = window.filling.iter().zip(&window.full).skip(2).step_by(3).map(|(new, old)| new + old);
            assert!(last.into_iter().all(|count| count == window.rows + window.full_rows), "{window:?}");
        }
    }

    #[test]
    fn rows_that_come_at_once_are_all_counted() {
        let drift = Drift::of(&model("demo"));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..450).for_each(|_| drift.count(&[1.0; 3], &[1.0])));
            }
        });
        assert_eq!(drift.indices().0, 1800);
    }
}
