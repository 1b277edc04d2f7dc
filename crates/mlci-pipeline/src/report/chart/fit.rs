//! How well predictions fit: predicted against actual, and residuals.

use maud::{Markup, html};
use mlci_train::RowUnit;

use super::{
    super::{
        Scatter,
        text::{count, counted, number, signed, with_unit},
    },
    Axis, Figure, LARGE, Scale, nothing, px,
};

/// As many points as are drawn in one picture.
const DRAWN: usize = 1_200;
/// As many of them as are drawn for the size of their residual, so that thinning hides no outlier.
const EXTREME: usize = 120;
/// About as many bins as a histogram gets.
const BINS: usize = 24;

/// One held-out row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) line: u64,
    pub(crate) truth: f64,
    pub(crate) prediction: f64,
    /// Actual minus predicted.
    pub(crate) residual: f64,
}

/// The held-out rows with finite values, and which of them are drawn.
pub(crate) struct Fit {
    /// The target and the residual with the unit, as axes name them.
    target: String,
    residual: String,
    /// What the numbers of rows count.
    counted: RowUnit,
    points: Vec<Point>,
    drawn: Vec<Point>,
    left_out: usize,
}

impl Fit {
    /// Missing line numbers are taken as 0 and not shown; a row without its counterpart is left out.
    pub(crate) fn of(scatter: &Scatter) -> Self {
        let rows = scatter.truth.len().max(scatter.prediction.len());
        let points: Vec<Point> = scatter
            .truth
            .iter()
            .zip(&scatter.prediction)
            .enumerate()
            .map(|(index, (&truth, &prediction))| {
                let line = scatter.lines.get(index).copied().unwrap_or_default();
                Point { line, truth, prediction, residual: truth - prediction }
            })
            // A residual may be too large for an f64 though its parts are not.
            .filter(|point| point.truth.is_finite() && point.prediction.is_finite() && point.residual.is_finite())
            .collect();
        let unit = scatter.unit.as_deref();
        let (target, residual) = (with_unit(&scatter.target, unit, 23), with_unit("actual - predicted", unit, 33));
        Self { target, residual, counted: scatter.counted, left_out: rows - points.len(), drawn: thin(&points), points }
    }

    /// Where in the data a row is, if that is known.
    pub(crate) fn place(&self, point: &Point) -> Option<String> {
        (point.line > 0).then(|| format!("{} {}", self.counted, count(point.line)))
    }

    /// The row with the largest residual.
    pub(crate) fn worst(&self) -> Option<Point> {
        self.points.iter().copied().max_by(|a, b| a.residual.abs().total_cmp(&b.residual.abs()))
    }

    /// Mean and standard deviation (divisor n) of the residuals.
    pub(crate) fn moments(&self) -> Option<(f64, f64)> {
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / self.points.len() as f64;
        let centre = mean(&mut self.points.iter().map(|point| point.residual));
        let spread = mean(&mut self.points.iter().map(|point| (point.residual - centre).powi(2))).sqrt();
        (!self.points.is_empty()).then_some((centre, spread))
    }

    /// How many of the finite rows there are.
    pub(crate) fn rows(&self) -> u64 {
        self.points.len() as u64
    }

    /// What the pictures leave out; empty where they show all.
    pub(crate) fn omissions(&self) -> String {
        let mut text = String::new();
        if self.drawn.len() < self.points.len() {
            text = format!(
                "The scatter plots draw {} of {} rows: the {EXTREME} with the largest residuals, and an even sample of \
                 the others. The histogram counts all. ",
                count(self.drawn.len() as u64),
                count(self.rows()),
            );
        }
        if self.left_out > 0 {
            text += &format!("{} without finite values left out.", counted(self.left_out as u64, "row"));
        }
        text.trim_end().to_owned()
    }

    /// Predicted against actual, with the line on which both are equal.
    pub(crate) fn against_actual(&self) -> Markup {
        let title = "Predicted against actual";
        if self.points.is_empty() {
            return nothing(title, "There are no held-out rows to draw.");
        }
        // One scale for both, so that the line of equality is the diagonal.
        let scale = Scale::of(self.points.iter().flat_map(|point| [point.truth, point.prediction]), 6);
        let (low, high) = scale.ends();
        let (actual, predicted) = (format!("actual {}", self.target), format!("predicted {}", self.target));
        let description = format!(
            "Scatter plot of {}: {predicted} from {} against {actual} from {}. On the diagonal both are equal.",
            counted(self.rows(), "held-out row"),
            range(self.points.iter().map(|point| point.prediction)),
            range(self.points.iter().map(|point| point.truth)),
        );
        let caption = html! { "On the dashed line, both are equal." };
        let (x, y) = (Axis::new(&actual, scale), Axis::new(&predicted, scale));
        Figure { size: LARGE, title, description: &description, caption, x, y }.draw(|area| {
            html! {
                (area.line("reference", (low, low), (high, high)))
                (self.points(|point| area.point(point.truth, point.prediction)))
            }
        })
    }

    /// Residuals against predictions: a pattern here is something that the model misses.
    pub(crate) fn residuals(&self) -> Markup {
        let title = "Residuals against predictions";
        let Some(worst) = self.worst() else { return nothing(title, "There are no held-out rows to draw.") };
        let x = Scale::of(self.points.iter().map(|point| point.prediction), 6);
        let y = Scale::of(self.points.iter().map(|point| point.residual).chain([0.0]), 5);
        let predicted = format!("predicted {}", self.target);
        let description = format!(
            "Scatter plot of {}: residual (actual minus predicted) from {} against {predicted} from {}.",
            counted(self.rows(), "held-out row"),
            range(self.points.iter().map(|point| point.residual)),
            range(self.points.iter().map(|point| point.prediction)),
        );
        let caption = html! {
            "Largest residual: " (signed(worst.residual)) @if let Some(place) = self.place(&worst) { " at " (place) } "."
        };
        let (low, high) = x.ends();
        let (x, y) = (Axis::new(&predicted, x), Axis::new(&self.residual, y));
        Figure { size: LARGE, title, description: &description, caption, x, y }.draw(|area| {
            html! {
                (area.line("reference", (low, 0.0), (high, 0.0)))
                (self.points(|point| area.point(point.prediction, point.residual)))
            }
        })
    }

    /// How the residuals are spread.
    pub(crate) fn histogram(&self) -> Markup {
        let title = "Distribution of residuals";
        let Some((mean, deviation)) = self.moments() else {
            return nothing(title, "There are no held-out rows to count.");
        };
        let (edges, counts) = self.bins(BINS);
        let highest = counts.iter().copied().max().unwrap_or_default();
        let x = Scale::of(edges.iter().copied(), 6);
        let y = Scale::counts(highest);
        let caption = html! { "Mean " (signed(mean)) ", standard deviation " (number(deviation)) "." };
        let description = format!(
            "Histogram of {} from {}: mean {}, standard deviation {}; the fullest of {} bins holds {}.",
            counted(self.rows(), "residual"),
            range(self.points.iter().map(|point| point.residual)),
            signed(mean),
            number(deviation),
            counts.len(),
            count(highest),
        );
        let top = y.ends().1;
        let (x, y) = (Axis::new(&self.residual, x), Axis::new("held-out rows", y));
        Figure { size: LARGE, title, description: &description, caption, x, y }.draw(|area| {
            html! {
                g.bars {
                    @for (edge, &count) in edges.windows(2).zip(&counts).filter(|(_, count)| **count > 0) {
                        @let corners = area.point(edge[0], count as f64).zip(area.point(edge[1], 0.0));
                        @if let Some(((left, top), (right, base))) = corners {
                            rect x=(px(left + 0.5)) y=(px(top)) width=(px((right - left - 1.0).max(0.5))) height=(px(base - top)) {
                                title { (number(edge[0])) " to " (number(edge[1])) ": " (counted(count, "row")) }
                            }
                        }
                    }
                }
                (area.line("reference", (0.0, 0.0), (0.0, top)))
            }
        })
    }

    /// Equal bins with round edges, and how many residuals fall into each.
    pub(crate) fn bins(&self, bins: usize) -> (Vec<f64>, Vec<u64>) {
        let scale = Scale::of(self.points.iter().map(|point| point.residual), bins);
        let (low, high) = scale.ends();
        let number = ((high - low) / scale.step()).round().clamp(1.0, 100.0) as usize;
        let edges = (0..=number).map(|index| low + (high - low) * (index as f64 / number as f64)).collect();
        let mut counts = vec![0; number];
        for place in self.points.iter().filter_map(|point| scale.place(point.residual)) {
            let bin = ((place * number as f64) as usize).min(number - 1);
            if let Some(count) = counts.get_mut(bin) {
                *count += 1;
            }
        }
        (edges, counts)
    }

    fn points(&self, place: impl Fn(&Point) -> Option<(f64, f64)>) -> Markup {
        // Few points may be seen one by one, many are seen by their density.
        let class = if self.drawn.len() > 600 { "points many" } else { "points" };
        html! {
            g class=(class) {
                @for (point, (x, y)) in self.drawn.iter().filter_map(|point| Some((point, place(point)?))) {
                    circle cx=(px(x)) cy=(px(y)) r="2.6" {
                        title {
                            @if let Some(place) = self.place(point) { (place) ": " }
                            "actual " (number(point.truth)) ", predicted " (number(point.prediction))
                        }
                    }
                }
            }
        }
    }
}

/// At most [`DRAWN`] of the points: those with the largest residuals, and every so many of the others.
fn thin(points: &[Point]) -> Vec<Point> {
    if points.len() <= DRAWN {
        return points.to_vec();
    }
    let mut order: Vec<usize> = (0..points.len()).collect();
    let size = |index: &usize| points.get(*index).map_or(0.0, |point| point.residual.abs());
    order.select_nth_unstable_by(EXTREME, |a, b| size(b).total_cmp(&size(a)));
    let (extreme, others) = order.split_at_mut(EXTREME);
    others.sort_unstable();
    let wanted = DRAWN - EXTREME;
    let sample = (0..wanted).filter_map(|index| others.get(index * others.len() / wanted));
    sample.chain(extreme.iter()).filter_map(|&index| points.get(index).copied()).collect()
}

/// `3 to 8`, of finite values.
fn range(values: impl Iterator<Item = f64> + Clone) -> String {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    format!("{} to {}", number(low), number(values.fold(f64::NEG_INFINITY, f64::max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scatter(rows: usize) -> Scatter {
        Scatter {
            truth: (0..rows).map(|row| row as f64).collect(),
            prediction: (0..rows).map(|row| row as f64 + if row == 777 { 100.0 } else { 0.5 }).collect(),
            lines: (0..rows).map(|row| row as u64 + 2).collect(),
            counted: RowUnit::Row,
            target: "y".into(),
            unit: None,
        }
    }

    #[test]
    fn thinning_keeps_the_outlier_and_says_so() {
        let fit = Fit::of(&scatter(200_000));
        assert_eq!(fit.drawn.len(), DRAWN);
        assert!(fit.drawn.iter().any(|point| point.line == 779));
        assert_eq!(fit.worst().and_then(|worst| fit.place(&worst)).as_deref(), Some("row 779"));
        assert!(fit.omissions().contains("1,200 of 200,000"), "{}", fit.omissions());
        assert_eq!(fit.bins(BINS).1.iter().sum::<u64>(), 200_000);
        let mut lines: Vec<u64> = fit.drawn.iter().map(|point| point.line).collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), DRAWN, "a row is drawn twice");
    }

    #[test]
    fn few_rows_are_all_drawn() {
        let fit = Fit::of(&scatter(1));
        assert_eq!((fit.drawn.len(), fit.omissions().as_str()), (1, ""));
        assert_eq!(fit.moments(), Some((-0.5, 0.0)));
    }

    /// Truth 1, 2, 3 against a NaN, nothing and infinity: no row is left.
    #[test]
    fn rows_without_finite_values_are_counted() {
        let mut scatter = scatter(3);
        scatter.prediction = vec![f64::NAN, f64::INFINITY];
        let fit = Fit::of(&scatter);
        assert_eq!((fit.rows(), fit.left_out), (0, 3));
        assert!(fit.against_actual().into_string().contains("no held-out rows"));
    }
}
