//! The small pieces that the page is made of.

use maud::{Markup, PreEscaped, html};

use super::super::{
    text::{NAME, Piece, clip, count, pieces, short},
    view::{Mark, Tone},
};

/// The shape of a tone: a tick in a disc, a cross in an octagon, a triangle, a dash in a circle.
pub(super) fn icon(tone: Tone) -> Markup {
    let (body, sign) = match tone {
        Tone::Good => ("M8 .5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15z", "M4.6 8.3 7 10.7l4.4-5"),
        Tone::Bad => ("M4.9.5h6.2l4.4 4.4v6.2l-4.4 4.4H4.9L.5 11.1V4.9z", "m5.3 5.3 5.4 5.4m0-5.4-5.4 5.4"),
        Tone::Warn => ("M8 .8 15.6 15H.4z", "M8 5.8v4.4m0 2.2v.2"),
        Tone::Plain => ("M8 1.2a6.8 6.8 0 1 1 0 13.6A6.8 6.8 0 0 1 8 1.2z", "M5 8h6"),
    };
    // The sign takes the colour of the card on a filled shape, that of the shape on an outline.
    let (fill, ink) = if tone == Tone::Plain { ("none", "currentColor") } else { ("currentColor", "var(--card)") };
    html! {
        svg.icon.(tone.class()) viewBox="0 0 16 16" aria-hidden="true" {
            path d=(body) fill=(fill) stroke="currentColor" stroke-width="1" stroke-linejoin="round" {}
            path d=(sign) fill="none" stroke=(ink) stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}

/// A state as shape and word.
pub(super) fn mark((tone, word): Mark) -> Markup {
    html! { span.mark.(tone.class()) { (icon(tone)) (word) } }
}

/// A message whose names stand in backticks.
pub(super) fn prose(message: &str) -> Markup {
    html! {
        @for piece in pieces(message) {
            @match piece {
                Piece::Text(text) => (text),
                Piece::Code(code) => code { (code) },
            }
        }
    }
}

/// A name in one line.
pub(super) fn name(name: &str) -> Markup {
    html! { (clip(name, NAME)) }
}

/// A digest or commit: its first digits, and all of them below, to be selected with one click. Anything else as it is.
pub(super) fn identity(value: &str) -> Markup {
    html! {
        @match short(value) {
            Some(digits) => { code { (digits) } code.full { (clip(value, NAME)) } },
            None => code { (clip(value, NAME)) },
        }
    }
}

/// A table that scrolls inside the page where it is wider; `label` names it for those who do not see it. It lists as
/// many rows as [`listed`] does.
pub(super) fn table(label: &str, head: &[(&str, &str)], rows: impl ExactSizeIterator<Item = Markup>) -> Markup {
    table_of(BYTES, label, head, rows)
}

/// A [`table`] whose rows may take another number of bytes.
pub(super) fn table_of(
    bytes: usize,
    label: &str,
    head: &[(&str, &str)],
    rows: impl ExactSizeIterator<Item = Markup>,
) -> Markup {
    let (rows, cut) = listed(rows, bytes);
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                thead { tr { @for (class, title) in head { th scope="col" class=[(!class.is_empty()).then_some(class)] { (title) } } } }
                tbody { (rows) }
            }
        }
        (cut)
    }
}

/// About as many bytes as one list may take, so that the page stays below 1 MB: a hundred rows of tables.
pub(super) const BYTES: usize = 48_000;

/// As many of `rows` as fit into about `bytes`, and a note about how many are left out.
pub(super) fn listed(rows: impl ExactSizeIterator<Item = Markup>, bytes: usize) -> (Markup, Markup) {
    let total = rows.len();
    let (mut text, mut shown) = (String::new(), 0);
    for row in rows {
        text += &row.0;
        shown += 1;
        if text.len() >= bytes {
            break;
        }
    }
    let cut = html! {
        @if shown < total { p.lead { "The first " (count(shown as u64)) " of " (count(total as u64)) " are listed." } }
    };
    (PreEscaped(text), cut)
}

/// A section with its anchor, which the list of sections at the top leads to.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) body: Markup,
}

impl Section {
    pub(super) fn new(id: &'static str, title: &'static str, body: Markup) -> Self {
        Self { id, title, body }
    }
}
