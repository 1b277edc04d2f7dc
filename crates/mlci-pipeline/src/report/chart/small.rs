//! Pictures small enough for a table cell. What they show also stands in the cell's row as numbers, so they are hidden
//! from screen readers.

use maud::{Markup, html};

use super::{Scale, px};

/// A bar from `start` to `end`, both shares of the whole, as in a time line.
pub(crate) fn bar(class: &str, start: f64, end: f64) -> Markup {
    let share = |value: f64| if value.is_finite() { value.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
    let (start, end) = (share(start), share(end));
    html! {
        svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.track x="0" y="0" width="100" height="8" {}
            rect class=(class) x=(px(start.min(99.0))) y="0" width=(px((end - start).max(1.0))) height="8" {}
        }
    }
}

/// A bar to the left of the middle for negative values, to the right for positive ones.
pub(crate) fn diverging(value: f64, largest: f64) -> Markup {
    let share = (value / largest).clamp(-1.0, 1.0);
    let share = if share.is_finite() { share * 50.0 } else { 0.0 };
    html! {
        svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.track x="0" y="0" width="100" height="8" {}
            rect.fill.less[share < 0.0] x=(px(50.0 + share.min(0.0))) y="0" width=(px(share.abs().max(0.5))) height="8" {}
            line.middle x1="50" x2="50" y1="0" y2="8" {}
        }
    }
}

/// A histogram in [`BARS`] equal bars, from bins of any width.
pub(crate) fn density(edges: &[f64], counts: &[u64]) -> Markup {
    let bars = rebin(edges, counts);
    let tallest = bars.iter().copied().fold(0.0, f64::max);
    let width = 100.0 / BARS as f64;
    let mut path = String::new();
    for (index, bar) in bars.iter().enumerate().filter(|(_, bar)| **bar > 0.0) {
        let (left, height) = (px(index as f64 * width), px((bar / tallest * 22.0).max(0.6)));
        path += &format!("M{left} 23v-{height}h4.5v{height}z");
    }
    html! {
        svg.density viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true" {
            line.base x1="0" x2="100" y1="23.5" y2="23.5" {}
            path d=(path) {}
        }
    }
}

/// As many bars as a histogram in a cell has.
const BARS: usize = 20;

/// The counts in [`BARS`] equal bars from the first edge to the last. A bin's count is spread evenly over its width;
/// that of a bin without width, which holds one value, goes to the bar where that lies.
pub(crate) fn rebin(edges: &[f64], counts: &[u64]) -> [f64; BARS] {
    let mut bars = [0.0; BARS];
    let ends = edges.first().copied().zip(edges.last().copied());
    let Some((low, high)) = ends.filter(|(low, high)| low.is_finite() && high.is_finite() && low <= high) else {
        return bars;
    };
    // Halves, since the difference of two finite values may not be one.
    let place = |value: f64| {
        let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        if share.is_finite() { share.clamp(0.0, 1.0) * BARS as f64 } else { BARS as f64 / 2.0 }
    };
    for (edge, &count) in edges.windows(2).zip(counts) {
        let (left, right) = (place(edge[0]), place(edge[1]));
        for (index, bar) in bars.iter_mut().enumerate() {
            let (start, end) = (index as f64, (index + 1) as f64);
            if right > left {
                *bar += count as f64 * (right.min(end) - left.max(start)).max(0.0) / (right - left);
            } else if (start..end).contains(&left.min(BARS as f64 - 0.5)) {
                *bar += count as f64;
            }
        }
    }
    bars
}

/// A value with its interval, as one row of [`spans`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) class: &'static str,
    pub(crate) value: f64,
    pub(crate) interval: Option<(f64, f64)>,
}

/// Values with their intervals, one below the other on a common scale, and `bounds` across all of them.
pub(crate) fn spans(rows: &[Span], bounds: &[f64]) -> Markup {
    let all = rows
        .iter()
        .flat_map(|span| [Some(span.value), span.interval.map(|(low, _)| low), span.interval.map(|(_, high)| high)]);
    let scale = Scale::of(all.flatten().chain(bounds.iter().copied()), 12);
    let place = |value: f64| scale.place(value).map(|place| 6.0 + place * 148.0);
    html! {
        svg.spans viewBox=(format!("0 0 160 {}", rows.len() * 14)) width="160" height=(rows.len() * 14) aria-hidden="true" {
            @for (index, span) in rows.iter().enumerate() {
                @let middle = px(index as f64 * 14.0 + 7.0);
                g class=(span.class) {
                    @if let Some((low, high)) = span.interval.and_then(|(low, high)| Some((place(low)?, place(high)?))) {
                        line x1=(px(low)) x2=(px(high)) y1=(middle) y2=(middle) {}
                    }
                    @if let Some(x) = place(span.value) { circle cx=(px(x)) cy=(middle) r="4" {} }
                }
            }
            @for x in bounds.iter().filter_map(|bound| place(*bound)) {
                line.bound x1=(px(x)) x2=(px(x)) y1="0" y2=(rows.len() * 14) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No input leaves `NaN` or `inf` in an attribute.
    #[test]
    fn any_number_can_be_drawn() {
        let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 5e-324];
        for a in odd {
            for b in odd {
                let all = html! {
                    (bar("fill", a, b)) (diverging(a, b)) (density(&[a, b], &[3])) (density(&[b, a, a, b], &[0, 1, u64::MAX]))
                    (spans(&[Span { class: "ours", value: a, interval: Some((b, a)) }], &[a]))
                };
                let text = all.into_string();
                assert!(!text.contains("NaN") && !text.contains("inf"), "{a} {b}: {text}");
            }
        }
    }

    /// Four values in the lower half, none in the upper, and six that are all 0.
    #[test]
    fn bars_keep_the_counts() {
        let bars = rebin(&[0.0, 0.0, 5.0, 10.0], &[6, 4, 0]);
        assert!((bars.iter().sum::<f64>() - 10.0).abs() < 1e-9, "{bars:?}");
        assert!((bars[0] - 6.4).abs() < 1e-9 && (bars[9] - 0.4).abs() < 1e-9 && bars[10] == 0.0, "{bars:?}");
    }

    #[test]
    fn a_constant_stands_in_the_middle() {
        assert_eq!(rebin(&[3.0, 3.0], &[7])[BARS / 2], 7.0);
        assert_eq!(rebin(&[], &[]), [0.0; BARS]);
    }
}
