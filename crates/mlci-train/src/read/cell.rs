pub(super) use mlci_model::MAX_EXACT_INTEGER as EXACT;
use mlci_model::is_missing;

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    /// A finite number.
    Number(f64, Form),
    /// A marker of a missing value.
    Missing,
    /// Infinity, or a number too large for an `f64`.
    NotFinite,
    /// Anything else.
    Text,
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Digits only, of a magnitude that keeps them.
    Whole,
    /// Digits only, beyond 2^53.
    Beyond,
    /// With point or exponent.
    Decimal,
}

/// Reads a cell whose white space is trimmed.
pub(super) fn parse(cell: &[u8]) -> Cell {
    let (negative, digits) = match cell {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        return whole(cell, negative, digits);
    }
    if let Some(magnitude) = short_decimal(digits) {
        return Cell::Number(if negative { -magnitude } else { magnitude }, Form::Decimal);
    }
    if is_missing(cell) {
        return Cell::Missing;
    }
    match float(cell) {
        Some(value) if value.is_finite() => Cell::Number(value, Form::Decimal),
        Some(_) => Cell::NotFinite,
        None => Cell::Text,
    }
}

/// What the standard library makes of the text, in two thirds of the time.
fn float(text: &[u8]) -> Option<f64> {
    fast_float2::parse(text).ok()
}

/// Digits with a point among them, where digits and power of ten are both exact in an `f64`, so that one division
/// rounds correctly (Clinger, *How to Read Floating Point Numbers Accurately*, PLDI 1990). None: it is something else.
fn short_decimal(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

    // 15 digits are below 2^53 whatever they are.
    if text.len() > 16 {
        return None;
    }
    let (mut mantissa, mut point) = (0_u64, None);
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(index),
            _ => return None,
        }
    }
    let decimals = text.len() - point? - 1;
    // A point alone is no number.
    if text.len() < 2 {
        return None;
    }
    POWERS.get(decimals).map(|power| mantissa as f64 / power)
}

fn whole(cell: &[u8], negative: bool, digits: &[u8]) -> Cell {
    let magnitude = digits.iter().try_fold(0_u64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|sum| *sum <= EXACT)
    });
    match magnitude {
        // Zero has no sign in integers, so that `-0` and `0` are one value.
        Some(0) => Cell::Number(0.0, Form::Whole),
        Some(magnitude) if negative => Cell::Number(-(magnitude as f64), Form::Whole),
        Some(magnitude) => Cell::Number(magnitude as f64, Form::Whole),
        None => match float(cell) {
            Some(value) if value.is_finite() => Cell::Number(value, Form::Beyond),
            _ => Cell::NotFinite,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell::*, *};

    #[track_caller]
    fn check(texts: &[&str], expected: Cell) {
        for text in texts {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers() {
        check(&["7", "+7", "007"], Number(7.0, Form::Whole));
        check(&["-7"], Number(-7.0, Form::Whole));
        check(&["7.0", "7.", "70e-1", "0.7E1"], Number(7.0, Form::Decimal));
        check(&[".5"], Number(0.5, Form::Decimal));
        assert!(matches!(parse(b"-0"), Number(zero, Form::Whole) if zero.is_sign_positive()));
        check(&["9007199254740992", "0009007199254740992"], Number(9_007_199_254_740_992.0, Form::Whole));
        check(&["9007199254740993"], Number(9_007_199_254_740_992.0, Form::Beyond));
        check(&["-9007199254740993"], Number(-9_007_199_254_740_992.0, Form::Beyond));
        check(&["1582218195625938945"], Number(1_582_218_195_625_938_945_u64 as f64, Form::Beyond));
        check(&["100000000000000000000000"], Number(1e23, Form::Beyond));
    }

    #[test]
    fn markers_of_missing_values() {
        check(&["", "NA", "na", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "none"], Missing);
    }

    #[test]
    fn what_is_not_finite() {
        let long = "9".repeat(400);
        check(&["inf", "-inf", "+Inf", "Infinity", "-INFINITY", "1e999", "-NaN", &long], NotFinite);
    }

    #[test]
    fn what_is_text() {
        check(&["-", "+", ".", "e5", "1,5", "1 000", "1_000", "0x10", "12a", "--1", "N A", "½"], Text);
        assert_eq!(parse(b"\xff"), Text);
    }

    fn prop_assert_same(text: &str) -> Result<(), proptest::test_runner::TestCaseError> {
        let expected = text.parse::<f64>().ok().map(f64::to_bits);
        proptest::prop_assert_eq!(float(text.as_bytes()).map(f64::to_bits), expected, "{:?}", text);
        Ok(())
    }

    proptest::proptest! {
        /// All digits count, and what is no number to the standard library is none here.
        #[test]
        fn floats_are_those_of_the_standard_library(
            text in "[-+]?[0-9]{0,25}\\.?[0-9]{0,25}([eE][-+]?[0-9]{1,4})?|[-+]?(inf|infinity|nan|INF|NaN)|[-+.eE0-9 _x]{0,9}",
        ) {
            prop_assert_same(&text)?;
        }

        #[test]
        fn floats_of_any_bits(bits in proptest::prelude::any::<u64>()) {
            prop_assert_same(&f64::from_bits(bits).to_string())?;
            prop_assert_same(&format!("{:e}", f64::from_bits(bits)))?;
        }

        /// The short way is the same as the standard library's.
        #[test]
        fn short_decimals_are_rounded_correctly(text in "[0-9]{0,9}\\.[0-9]{0,9}") {
            let expected = text.parse::<f64>().ok();
            let found = short_decimal(text.as_bytes());
            if let Some(found) = found {
                proptest::prop_assert_eq!(Some(found.to_bits()), expected.map(f64::to_bits));
            }
            proptest::prop_assert_eq!(found.is_some(), text.len() > 1 && text.len() <= 16);
        }
    }
}
