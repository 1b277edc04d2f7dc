use super::{
    Metric, ScoreError, Scored,
    groups::Groups,
    ranked::Ranked,
    statistics::{errors, mape, r2, size, sum_of_squares, weigh, weighted_median},
};
use crate::bootstrap::Units;

/// Rows prepared for the bootstrap: the metrics of a resample, given how often it holds each of [`Units`].
pub(crate) struct Weighed<'a> {
    truth: &'a [f64],
    /// Absolute errors, row by row.
    errors: Vec<f64>,
    by: By,
    /// Half the width of the predictions' interval, if they have one.
    half_width: Option<f64>,
}

enum By {
    /// Row numbers in ascending order of their error.
    Rows(Vec<usize>),
    Groups(Groups),
    Classes(Ranked),
}

impl<'a> Weighed<'a> {
    /// Predictions of numbers, with an interval or without.
    pub(crate) fn new(scored: Scored<'a>, half_width: Option<f64>) -> Result<Self, ScoreError> {
        scored.check()?;
        let (truth, errors) = (scored.truth, errors(scored));
        let by = match Units::of(errors.len()) {
            Units::Rows(rows) => {
                let mut order: Vec<usize> = (0..rows).collect();
                order.sort_by(|a, b| errors[*a].total_cmp(&errors[*b]));
                By::Rows(order)
            }
            units @ Units::Groups { count, .. } => {
                By::Groups(Groups::new(truth, &errors, units.of_rows(), count, half_width))
            }
        };
        Ok(Self { truth, errors, by, half_width })
    }

    /// Probabilities of class 1, which are said to be class 1 from this threshold on.
    pub(crate) fn of_classes(scored: Scored<'a>, threshold: f64) -> Result<Self, ScoreError> {
        let by = By::Classes(Ranked::new(scored, threshold, &Units::of(scored.truth.len()).of_rows())?);
        Ok(Self { truth: scored.truth, errors: Vec::new(), by, half_width: None })
    }

    /// The metric of the units, each taken `counts[unit]` times. `counts` has one entry a unit.
    pub(crate) fn metric(&self, metric: Metric, counts: &[u32]) -> Option<f64> {
        let errors = &self.errors;
        match (&self.by, metric) {
            (By::Classes(ranked), metric) => ranked.metric(metric, counts),
            (By::Rows(_), Metric::Rmse) => Some((sum_of_squares(errors, counts) / size(counts)).sqrt()),
            (By::Rows(_), Metric::Mae) => Some(weigh(errors, counts, |error| error) / size(counts)),
            (By::Rows(order), Metric::MedianAe) => {
                let ordered = order.iter().map(|row| (errors[*row], u64::from(counts[*row])));
                weighted_median(counts.iter().map(|count| u64::from(*count)).sum(), 0, ordered)
            }
            (By::Rows(_), Metric::R2) => r2(self.truth, errors, counts),
            (By::Rows(_), Metric::Mape) => mape(self.truth, errors, counts),
            (By::Rows(_), Metric::Coverage) => self
                .half_width
                .map(|width| weigh(errors, counts, |error| f64::from(u8::from(error <= width))) / size(counts)),
            (By::Groups(groups), Metric::Rmse) => Some(groups.rmse(counts)),
            (By::Groups(groups), Metric::Mae) => Some(groups.mae(counts)),
            (By::Groups(groups), Metric::MedianAe) => groups.median(errors, counts),
            (By::Groups(groups), Metric::R2) => Some(groups.r2(counts)),
            (By::Groups(groups), Metric::Mape) => Some(groups.mape(counts)),
            (By::Groups(groups), Metric::Coverage) => self.half_width.map(|_| groups.coverage(counts)),
            (By::Rows(_) | By::Groups(_), _) => None,
        }
        .filter(|value| value.is_finite())
    }
}
