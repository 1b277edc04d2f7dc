//! From values to places: ranges, ticks and their labels.

use super::super::text::grouped;

/// What is drawn at the edge instead of beyond it: four times this still is an `f64`.
const LARGEST: f64 = 4e307;
/// Below this share of their size, differences cannot be told apart in labels.
const RELATIVE: f64 = 1e-12;
/// Below this, arithmetic on steps loses its digits.
const SMALLEST: f64 = 1e-290;

/// A linear scale whose ends are ticks, with `low < high` and both finite, whatever it was made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    /// A scale that covers the finite ones of `values`, with about `ticks` ticks. None gives 0 to 1, a constant gets
    /// room on both sides.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>, ticks: usize) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            low = low.min(value.clamp(-LARGEST, LARGEST));
            high = high.max(value.clamp(-LARGEST, LARGEST));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let size = low.abs().max(high.abs());
        if high - low <= (size * RELATIVE).max(SMALLEST) {
            let room = if size > SMALLEST { size * 0.1 } else { 1.0 };
            (low, high) = (low - room, high + room);
        }
        let step = nice((high - low) / ticks.max(1) as f64);
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    /// A scale from 0 to at least `highest`, for counts.
    pub(crate) fn counts(highest: u64) -> Self {
        let scale = Self::of([0.0, highest.max(1) as f64], 4);
        let step = scale.step.max(1.0);
        Self { low: 0.0, high: (highest.max(1) as f64 / step).ceil() * step, step }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end, never outside. `None` where it is not finite.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        value.is_finite().then(|| ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0))
    }

    /// The distance between two ticks.
    pub(crate) fn step(&self) -> f64 {
        self.step
    }

    /// The low and the high end.
    pub(crate) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The ticks from low to high, with labels that tell them apart.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step).round();
        let last = (self.high / self.step).round();
        // A bound that never binds, so that no input can make this long.
        let count = (last - first).clamp(0.0, 50.0) as usize;
        (0..=count).map(|index| (first + index as f64) * self.step).map(|value| (value, self.label(value))).collect()
    }

    fn label(&self, value: f64) -> String {
        let size = self.low.abs().max(self.high.abs());
        let exponent = self.step.log10().floor() as i32;
        if value.abs() < self.step / 2.0 {
            "0".into()
        } else if size >= 1e6 || self.step < 1e-4 {
            let digits = (value.abs().log10().floor() as i32 - exponent).clamp(0, 15);
            format!("{value:.*e}", digits as usize)
        } else {
            let decimals = (-exponent).max(0) as usize;
            // Grouped as in the tables; four digits need no help.
            if size >= 1e4 && decimals == 0 { grouped(&format!("{value:.0}")) } else { format!("{value:.decimals$}") }
        }
    }
}

/// The least of 1, 2, 5 and 10 times a power of ten that is not below `step`.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], labels: &[&str]) {
        let found: Vec<String> =
            Scale::of(values.iter().copied(), 5).ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(found, labels);
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        check(&[3.0, 8.0], &["3", "4", "5", "6", "7", "8"]);
        check(&[-0.13, 0.21], &["-0.2", "-0.1", "0", "0.1", "0.2", "0.3"]);
        check(&[0.0, 47_000.0], &["0", "10,000", "20,000", "30,000", "40,000", "50,000"]);
        check(&[0.0, 4.7e6], &["0", "1e6", "2e6", "3e6", "4e6", "5e6"]);
        check(&[], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(|label| if label == "0.0" { "0" } else { label }));
    }

    /// Constant, close, huge, tiny, not finite: ends and places are finite, and labels differ.
    #[test]
    fn no_value_breaks_a_scale() {
        let cases: &[&[f64]] = &[
            &[0.0],
            &[5.0, 5.0],
            &[1e9, 1e9 + 1e-3],
            &[1e15, 1e15 + 0.125],
            &[f64::MAX, f64::MIN],
            &[f64::MIN_POSITIVE, 5e-324],
            &[1e-289, 3e-289],
            &[f64::NAN, f64::INFINITY, 2.0],
        ];
        for values in cases {
            let scale = Scale::of(values.iter().copied(), 5);
            let (low, high) = scale.ends();
            assert!(low < high && (high - low).is_finite(), "{values:?}: {scale:?}");
            for value in values.iter().filter(|value| value.is_finite()) {
                assert!((0.0..=1.0).contains(&scale.place(*value).unwrap()), "{value} on {scale:?}");
            }
            let mut labels: Vec<String> = scale.ticks().into_iter().map(|(_, label)| label).collect();
            let count = labels.len();
            labels.dedup();
            assert!((2..=12).contains(&count) && labels.len() == count, "{values:?}: {labels:?}");
        }
        assert_eq!(Scale::of([1.0, 2.0], 5).place(f64::NAN), None);
    }

    #[test]
    fn counts_start_at_zero_in_whole_steps() {
        for highest in [0, 1, 3, 7, 320, u64::MAX] {
            let scale = Scale::counts(highest);
            assert!(scale.ends().0 == 0.0 && scale.step() >= 1.0 && scale.ends().1 >= highest as f64, "{scale:?}");
        }
    }
}
