//! Charts as inline SVG.
//!
//! Written here over maud, since the SVG backend of plotters rounds every place to whole pixels and writes elements
//! without class or content: its points can carry no tooltip, and its colours no meaning that a style sheet could use.

mod fit;
mod history;
mod scale;
mod small;

use maud::{Markup, html};

pub(super) use self::{
    fit::Fit,
    history::history,
    scale::Scale,
    small::{Span, bar, density, diverging, rebin, spans},
};
use super::text::clip;

const TOP: f64 = 10.0;
const RIGHT: f64 = 12.0;
const BOTTOM: f64 = 44.0;
/// About how wide a digit is in the style sheet's 11 px.
const DIGIT: f64 = 6.3;

/// An axis: what it shows, with the unit, and its scale.
struct Axis<'a> {
    label: &'a str,
    scale: Scale,
    /// Labels in place of those of the scale.
    ticks: Option<Vec<(f64, String)>>,
}

impl<'a> Axis<'a> {
    fn new(label: &'a str, scale: Scale) -> Self {
        Self { label, scale, ticks: None }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        self.ticks.clone().unwrap_or_else(|| self.scale.ticks())
    }
}

/// The size of a picture, in pixels of a screen where it takes a third or a quarter of the page.
#[derive(Debug, Clone, Copy)]
struct Size {
    width: f64,
    height: f64,
}

const LARGE: Size = Size { width: 360.0, height: 260.0 };
const SMALL: Size = Size { width: 270.0, height: 210.0 };

/// Where values lie in the picture.
struct Area {
    left: f64,
    right: f64,
    base: f64,
    x: Scale,
    y: Scale,
}

impl Area {
    fn x(&self, value: f64) -> Option<f64> {
        self.x.place(value).map(|place| self.left + place * (self.right - self.left))
    }

    fn y(&self, value: f64) -> Option<f64> {
        self.y.place(value).map(|place| self.base - place * (self.base - TOP))
    }

    fn point(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.x(x)?, self.y(y)?))
    }

    /// A straight line between two points, both inside.
    fn line(&self, class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
        let ends = self.point(from.0, from.1).zip(self.point(to.0, to.1));
        html! {
            @if let Some(((x1, y1), (x2, y2))) = ends {
                line class=(class) x1=(px(x1)) y1=(px(y1)) x2=(px(x2)) y2=(px(y2)) {}
            }
        }
    }
}

/// A place in the picture; a tenth of a pixel is enough.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A figure: its title, its picture, and `caption` below. `description` says in words what the picture shows.
struct Figure<'a> {
    size: Size,
    title: &'a str,
    description: &'a str,
    caption: Markup,
    x: Axis<'a>,
    y: Axis<'a>,
}

impl Figure<'_> {
    fn draw(&self, draw: impl FnOnce(&Area) -> Markup) -> Markup {
        let Self { size, title, description, caption, x, y } = self;
        let (columns, rows) = (x.ticks(), y.ticks());
        let widest =
            |ticks: &[(f64, String)]| ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1) as f64;
        let area = Area {
            left: (30.0 + widest(&rows) * DIGIT).min(size.width * 0.4),
            right: size.width - RIGHT,
            base: size.height - BOTTOM,
            x: x.scale,
            y: y.scale,
        };
        // Every second, third … label where all of them would run into each other.
        let room = (area.right - area.left) / columns.len().max(1) as f64;
        let stride = ((widest(&columns) + 1.5) * DIGIT / room).ceil().max(1.0) as usize;
        let middle = (TOP + area.base) / 2.0;
        html! {
            figure.chart {
                figcaption { (title) }
                svg viewBox=(format!("0 0 {} {}", size.width, size.height)) role="img" aria-label=(format!("{title}. {description}")) {
                    g.grid {
                        @for place in rows.iter().filter_map(|(value, _)| area.y(*value)) {
                            line x1=(px(area.left)) x2=(px(area.right)) y1=(px(place)) y2=(px(place)) {}
                        }
                    }
                    g.ticks {
                        @for (place, label) in rows.iter().filter_map(|(value, label)| Some((area.y(*value)?, label))) {
                            text.end x=(px(area.left - 6.0)) y=(px(place + 4.0)) { (label) }
                        }
                        @for (place, label) in columns.iter().step_by(stride).filter_map(|(value, label)| Some((area.x(*value)?, label))) {
                            line x1=(px(place)) x2=(px(place)) y1=(px(area.base)) y2=(px(area.base + 4.0)) {}
                            text.middle x=(px(place)) y=(px(area.base + 17.0)) { (label) }
                        }
                    }
                    text.axis.middle x=(px((area.left + area.right) / 2.0)) y=(px(size.height - 6.0)) { (clip(x.label, (size.width / 7.8) as usize)) }
                    text.axis.middle x="12" y=(px(middle)) transform=(format!("rotate(-90 12 {})", px(middle))) { (clip(y.label, (size.height / 7.8) as usize)) }
                    (draw(&area))
                }
                p.caption { (caption) }
            }
        }
    }
}

/// A figure without data: its title and why there is no picture.
fn nothing(title: &str, why: &str) -> Markup {
    html! { figure.chart { figcaption { (title) } p.nothing { (why) } } }
}
