//! How numbers, times and texts from outside are written, the same in both formats.

use jiff::Timestamp;

/// The longest name shown in full.
pub(super) const NAME: usize = 120;
/// The longest sentence or note shown in full.
pub(super) const PROSE: usize = 800;

/// Four significant digits, or all digits before the point; powers of ten for the very large and very small.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "not a number".into()
    } else if value.is_infinite() {
        if value > 0.0 { "infinite".into() } else { "-infinite".into() }
    } else if value == 0.0 {
        "0".into()
    } else if !(1e-4..1e9).contains(&size) {
        format!("{value:.3e}")
    } else if value.fract() == 0.0 || size >= 999.95 {
        grouped(&format!("{value:.0}"))
    } else {
        // Rounding first, since 9.9996 has one digit before the point more than its logarithm says.
        let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
        let decimals = 3 - rounded.abs().log10().floor() as i32;
        format!("{value:.*}", decimals.clamp(0, 7) as usize)
    }
}

/// A number that a person chose: `0.7` rather than `0.7000`, where that says the same.
pub(super) fn setting(value: f64) -> String {
    let (exact, rounded) = (value.to_string(), number(value));
    if exact.len() < rounded.len() { exact } else { rounded }
}

/// A difference, always with its sign.
pub(super) fn signed(value: f64) -> String {
    let text = number(value);
    if value > 0.0 { format!("+{text}") } else { text }
}

/// `1599` as `1,599`.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// A count and its noun: `1 row`, `2 rows`.
pub(super) fn counted(value: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// `1599` and `-1599` with a comma after each three digits from the right.
pub(super) fn grouped(integer: &str) -> String {
    let (sign, digits) = integer.strip_prefix('-').map_or(("", integer), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.556 to 0.631`.
pub(super) fn interval((low, high): (f64, f64)) -> String {
    format!("{} to {}", number(low), number(high))
}

/// A duration with the unit that fits its size.
pub(super) fn seconds(value: f64) -> String {
    // The thresholds are where rounding would spill over into the next unit.
    match value {
        v if !v.is_finite() || v < 0.0 => "unknown".into(),
        v if v < 0.0005 => "0 ms".into(),
        v if v < 0.9995 => format!("{:.0} ms", v * 1e3),
        v if v < 59.95 => format!("{v:.1} s"),
        v if v < 3599.5 => format!("{} min {} s", (v + 0.5) as u64 / 60, (v + 0.5) as u64 % 60),
        v => format!("{} h {} min", (v / 60.0 + 0.5) as u64 / 60, (v / 60.0 + 0.5) as u64 % 60),
    }
}

/// `2026-11-03 14:05 UTC`, the same on every machine.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The text in one line of at most `limit` characters, without characters that would garble what stands around it.
pub(super) fn clip(text: &str, limit: usize) -> String {
    let mut clipped: String = text.trim().chars().take(limit).map(visible).collect();
    if text.trim().chars().nth(limit).is_some() {
        clipped.push('…');
    }
    if clipped.is_empty() { "(empty)".into() } else { clipped }
}

/// Line ends become spaces; other control characters and those that turn the direction of text become visible.
fn visible(char: char) -> char {
    match char {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => '\u{fffd}',
        char if char.is_control() => '\u{fffd}',
        char => char,
    }
}

/// A message with a capital letter and an end. Messages of errors have neither.
pub(super) fn sentence(message: &str) -> String {
    let mut chars = message.trim().chars();
    let mut sentence: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    sentence += chars.as_str();
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?', ':']) {
        sentence.push('.');
    }
    sentence
}

/// A piece of a message: the project's messages put names in backticks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Code(String),
}

/// Splits a message at its pairs of backticks. A single one stays what it is.
pub(super) fn pieces(message: &str) -> Vec<Piece> {
    let message = clip(message, PROSE);
    let mut pieces = Vec::new();
    let mut rest = message.as_str();
    while let Some((before, code, after)) = rest.split_once('`').and_then(|(before, inner)| {
        let (code, after) = inner.split_once('`')?;
        Some((before, code, after))
    }) {
        if !before.is_empty() {
            pieces.push(Piece::Text(before.into()));
        }
        pieces.push(if code.is_empty() { Piece::Text("``".into()) } else { Piece::Code(code.into()) });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.into()));
    }
    pieces
}

/// The first 12 digits of a digest or commit; `None` for anything else.
pub(super) fn short(value: &str) -> Option<&str> {
    let hex = value.strip_prefix("sha256:").unwrap_or(value);
    let long = hex.len() >= 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if long { hex.get(..12) } else { None }
}

/// A name with its unit in at most `limit` characters: a long name is shortened, since an axis without unit says nothing.
pub(super) fn with_unit(name: &str, unit: Option<&str>, limit: usize) -> String {
    match unit {
        Some(unit) if !unit.trim().is_empty() => {
            let unit = clip(unit, limit / 2);
            let room = limit.saturating_sub(unit.chars().count() + 3);
            // One less where the name is shortened, for the mark that says so.
            let room = if name.trim().chars().count() > room { room.saturating_sub(1) } else { room };
            format!("{} ({unit})", clip(name, room))
        }
        _ => clip(name, limit.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.65432, "0.6543"),
            (-12.3456, "-12.35"),
            (9.99996, "10.00"),
            (999.97, "1,000"),
            (1599.0, "1,599"),
            (123_456.7, "123,457"),
            (1e9, "1.000e9"),
            (0.000_012_34, "1.234e-5"),
            (f64::MAX, "1.798e308"),
            (f64::NAN, "not a number"),
            (f64::NEG_INFINITY, "-infinite"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!((signed(0.5), signed(-0.5), signed(0.0)), ("+0.5000".into(), "-0.5000".into(), "0".into()));
    }

    #[test]
    fn durations_take_the_unit_that_fits() {
        for (value, text) in [
            (0.0, "0 ms"),
            (0.1234, "123 ms"),
            (0.9999, "1.0 s"),
            (59.96, "1 min 0 s"),
            (3599.7, "1 h 0 min"),
            (7262.0, "2 h 1 min"),
            (f64::NAN, "unknown"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn texts_become_one_visible_line() {
        assert_eq!(clip(" a\r\nb\u{0}\u{202e}c ", 9), "a  b\u{fffd}\u{fffd}c");
        assert_eq!(clip("abcdef", 3), "abc…");
        assert_eq!(clip(" \n ", 3), "(empty)");
    }

    #[test]
    fn a_long_name_leaves_room_for_its_unit() {
        assert_eq!(with_unit("residual sugar", Some("g/L"), 16), "residual … (g/L)");
        assert_eq!((with_unit("a", Some(" "), 9), with_unit("a", None, 9)), ("a".into(), "a".into()));
    }

    #[test]
    fn messages_become_sentences() {
        for (message, text) in [("cannot read", "Cannot read."), ("`x` is gone!", "`x` is gone!"), ("", "")] {
            assert_eq!(sentence(message), text);
        }
    }

    #[test]
    fn backticks_pair_up() {
        let text = |text: &str| Piece::Text(text.into());
        assert_eq!(pieces("no `x` in `y"), [text("no "), Piece::Code("x".into()), text(" in `y")]);
    }

    #[test]
    fn digests_and_commits_are_shortened() {
        let digest = mlci_core::Digest::of(b"abc").to_string();
        assert_eq!(short(&digest), Some("ba7816bf8f01"));
        assert_eq!(short(&"a".repeat(40)), Some("aaaaaaaaaaaa"));
        assert_eq!((short("none"), short("ä"), short(&"ä".repeat(40))), (None, None, None));
    }
}
