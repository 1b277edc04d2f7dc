//! How a metric moved from run to run.

use maud::{Markup, html};

use super::{
    super::{
        HistoryPoint,
        text::{NAME, clip, count, counted, number, time},
    },
    Axis, Figure, SMALL, Scale, nothing, px,
};

/// The newest runs that are drawn.
const RUNS: usize = 100;

/// The line of one metric over the runs, oldest first. A run that published a version is filled, another hollow; the
/// last one is larger.
pub(crate) fn history(metric: &str, label: &str, note: &str, runs: &[HistoryPoint]) -> Markup {
    let first = runs.len().saturating_sub(RUNS);
    let shown = runs.get(first..).unwrap_or_default();
    let value = |run: &HistoryPoint| run.metrics.get(metric).copied().filter(|value| value.is_finite());
    let known: Vec<f64> = shown.iter().filter_map(value).collect();
    let title = clip(metric, NAME);
    let (Some(oldest), Some(newest)) = (known.first(), known.last()) else {
        return nothing(&title, "No run has a value.");
    };
    let numbers = || (0..shown.len()).map(|index| (first + index + 1) as f64);
    let x = Scale::of(numbers().chain([first as f64 + 0.5, runs.len() as f64 + 0.5]), 6);
    let mut axis = Axis::new("run, oldest to newest", x);
    let whole =
        x.ticks().into_iter().filter(|(value, _)| value.fract() == 0.0 && *value >= 1.0 && *value <= runs.len() as f64);
    axis.ticks = Some(whole.map(|(value, _)| (value, count(value as u64))).collect());
    let y = Scale::of(known.iter().copied(), 4);
    let description = format!(
        "Line chart over {}: first {}, last {}, lowest {}, highest {}.",
        counted(known.len() as u64, "run"),
        number(*oldest),
        number(*newest),
        number(known.iter().copied().fold(f64::INFINITY, f64::min)),
        number(known.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
    );
    let caption = html! {
        "Last: " (number(*newest)) ". "
        @if !note.is_empty() { (note) ". " }
        @if first > 0 { "The newest " (RUNS) " of " (counted(runs.len() as u64, "run")) "." }
    };
    Figure { size: SMALL, title: &title, description: &description, caption, x: axis, y: Axis::new(label, y) }.draw(|area| {
        let points: Vec<_> =
            shown.iter().zip(numbers()).map(|(run, number)| value(run).and_then(|value| area.point(number, value))).collect();
        html! {
            // A run without the metric breaks the line.
            @for line in points.split(Option::is_none).filter(|line| line.len() > 1) {
                polyline.trend points=(line.iter().flatten().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect::<Vec<_>>().join(" ")) {}
            }
            g.runs {
                @for (index, (run, point)) in shown.iter().zip(&points).enumerate() {
                    @if let Some((x, y)) = point {
                        circle.open[run.version.is_none()] cx=(px(*x)) cy=(px(*y)) r=(if index + 1 == shown.len() { "4.5" } else { "3" }) {
                            title {
                                "run " (clip(&run.run, NAME)) ", " (time(run.started)) ": "
                                (value(run).map(number).unwrap_or_default()) ", " (clip(&run.status, NAME))
                                @if let Some(version) = run.version { ", version " (version) }
                            }
                        }
                    }
                }
            }
        }
    })
}
