//! Texts from outside as Markdown that says just that.
//!
//! Special characters become character references, which GitHub-flavoured Markdown never reads as structure
//! (GFM 0.29 §6.2); a backslash before a pipe would not survive a text that ends in a backslash itself.

use super::super::text::{NAME, Piece, clip, pieces};

/// A name, in a code span where that can hold it.
pub(super) fn code(name: &str) -> String {
    let name = clip(name, NAME);
    // A `<` would be literal there, but not for every reader. References are not read inside a code span, and a table ends a cell at a pipe even there.
    if name.contains(['`', '|', '\\', '<']) { plain(&name) } else { format!("`{name}`") }
}

/// A message whose names stand in backticks.
pub(super) fn prose(message: &str) -> String {
    let parts = pieces(message).into_iter().map(|piece| match piece {
        Piece::Text(text) => plain(&text),
        Piece::Code(name) => code(&name),
    });
    parts.collect()
}

/// Text that is nothing but text wherever it stands: in a cell, after a bullet, at the start of a line.
pub(super) fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut start = true;
    for char in text.chars() {
        let special =
            matches!(char, '&' | '<' | '>' | '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '$' | '#' | '@' | '!');
        // At the start a list could begin, bulleted or numbered.
        let list = start && matches!(char, '-' | '+' | '=' | '.' | ')');
        if special || list {
            escaped += &format!("&#{};", u32::from(char));
        } else {
            escaped.push(char);
        }
        start = start && (char.is_ascii_digit() || char == ' ');
    }
    escaped
}

/// Counts as a row of blocks.
pub(super) fn spark(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let block = |value: f64| {
        // Halves, since the difference of two finite values may not be one.
        let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        let index = if share.is_finite() { (share * 7.0).round() as usize } else { 3 };
        BLOCKS.get(index).copied().unwrap_or('█')
    };
    finite().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_stay_text() {
        for (text, escaped) in [
            ("<script>", "&#60;script&#62;"),
            ("a|b\\", "a&#124;b&#92;"),
            ("a\nb", "a b"),
            ("- x", "&#45; x"),
            ("1. x", "1&#46; x"),
            ("2.5 of 3", "2&#46;5 of 3"),
            ("# x", "&#35; x"),
            ("*a* ~b~ [c](d) $e$", "&#42;a&#42; &#126;b&#126; &#91;c&#93;(d) &#36;e&#36;"),
            ("a-b, c.", "a-b, c."),
        ] {
            assert_eq!(prose(text), escaped);
        }
    }

    #[test]
    fn names_are_code_where_code_can_hold_them() {
        for (name, escaped) in [
            ("rmse", "`rmse`"),
            ("a_b <c>", "a&#95;b &#60;c&#62;"),
            ("a|b", "a&#124;b"),
            ("a`b", "a&#96;b"),
            ("", "`(empty)`"),
        ] {
            assert_eq!(code(name), escaped);
        }
    }

    #[test]
    fn sparks_span_their_values() {
        assert_eq!(spark(&[0.0, 7.0, f64::NAN, 14.0]), "▁▅█");
        assert_eq!(spark(&[2.0, 2.0]), "▄▄");
        assert_eq!(spark(&[f64::MIN, f64::MAX]), "▁█");
        assert_eq!(spark(&[]), "");
    }
}
