use super::cell::{Cell, EXACT, Form, parse};

/// Powers of ten that are exact in an `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// So many digits do not leave a `u64`.
const DIGITS: usize = 18;

const TENS: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The finite number that begins at `start` and ends before a delimiter or a line end, with its form and where it ends;
/// the same as [`parse`] of that cell. `None`: the cell is something else.
///
/// Digits are read as the end is looked for. Where digits and power of ten are both exact in an `f64`, one division
/// rounds correctly (Clinger, *How to Read Floating Point Numbers Accurately*, PLDI 1990).
pub(super) fn number(bytes: &[u8], start: usize, delimiter: u8) -> Option<(f64, Form, usize)> {
    let ends = |at: usize| bytes.get(at).is_none_or(|byte| *byte == delimiter || *byte == b'\n');
    let is_negative = bytes.get(start) == Some(&b'-');
    let first = start + usize::from(is_negative);
    let (mut mantissa, mut at) = (0, first);
    while let Some(digit) = digit(bytes, at) {
        mantissa = u64::wrapping_add(u64::wrapping_mul(mantissa, 10), digit);
        at += 1;
    }
    let whole = at - first;
    // Not a branch: of numbers about zero, it would be mispredicted half the time.
    let signed = |value: f64| f64::from_bits(value.to_bits() ^ u64::from(is_negative) << 63);
    if ends(at) {
        if (1..=DIGITS).contains(&whole) && mantissa <= EXACT {
            // Zero has no sign in integers.
            let value = if mantissa == 0 { 0.0 } else { signed(mantissa as f64) };
            return Some((value, Form::Whole, at));
        }
    } else if bytes.get(at) == Some(&b'.') {
        at += 1;
        let point = at;
        while let Some(word) = bytes.get(at..at + 8).and_then(|word| word.try_into().ok()) {
            let (value, count) = digits(u64::from_le_bytes(word));
            mantissa = mantissa.wrapping_mul(TENS[count]).wrapping_add(value);
            at += count;
            if count < 8 {
                break;
            }
        }
        // Near the end of the bytes, where there are no eight.
        while let Some(digit) = digit(bytes, at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        let decimals = at - point;
        if ends(at)
            && (1..=DIGITS).contains(&(whole + decimals))
            && mantissa <= EXACT
            && let Some(power) = POWERS.get(decimals)
        {
            return Some((signed(mantissa as f64 / power), Form::Decimal, at));
        }
    }
    let rest = bytes.get(start..)?;
    let end = memchr::memchr2(delimiter, b'\n', rest).unwrap_or(rest.len());
    match parse(rest.get(..end)?) {
        Cell::Number(value, form) => Some((value, form, start + end)),
        _ => None,
    }
}

fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    let digit = bytes.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// The digits that eight bytes begin with, the first of which is the lowest: their value and how many they are (after
/// Lemire, *Number Parsing at a Gigabyte per Second*, Software: Practice and Experience 51, 2021).
fn digits(word: u64) -> (u64, usize) {
    let word = word ^ 0x3030_3030_3030_3030;
    // What is above 9 reaches the highest bit of its byte. What that carries reaches only bytes behind it.
    let others = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // Zeros move in front of them.
    let word = word << (64 - 8 * count);
    let word = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00ff_00ff_00ff_00ff;
    let word = word.wrapping_mul(100).wrapping_add(word >> 16) & 0x0000_ffff_0000_ffff;
    (word.wrapping_mul(10_000).wrapping_add(word >> 32) & 0xffff_ffff, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, behind: &str) -> Result<(), proptest::test_runner::TestCaseError> {
        let bytes = [b"1,", text.as_bytes(), behind.as_bytes()].concat();
        let expected = match parse(text.as_bytes()) {
            Cell::Number(value, form) => Some((value.to_bits(), form, 2 + text.len())),
            _ => None,
        };
        let found = number(&bytes, 2, b',').map(|(value, form, end)| (value.to_bits(), form, end));
        proptest::prop_assert_eq!(found, expected, "{:?}", text);
        Ok(())
    }

    #[test]
    fn numbers_of_every_length() {
        for text in
            ["", "-", ".", "-.", "+1", "1.", ".5", "-0", "-0.0", "1e5", "1.5e3", "12x", "1.2.3", " 1", "1 ", "NaN"]
        {
            check(text, "").and(check(text, ",7.123456789\n")).unwrap();
        }
        for whole in 0..22 {
            for decimals in 0..26 {
                let text = format!("{}.{}", "9".repeat(whole), "90817263544536271809123456".get(..decimals).unwrap());
                for behind in ["", "\n", ",", ",12345678", "\n12345678"] {
                    check(&text, behind).and(check(&format!("-{text}"), behind)).unwrap();
                    check(text.trim_end_matches('.'), behind).unwrap();
                }
            }
        }
        for edge in
            ["9007199254740992", "9007199254740993", "900719925474099.2", "0.9007199254740993", "00000000000000000001"]
        {
            check(edge, ",").unwrap();
        }
    }

    proptest::proptest! {
        #[test]
        fn the_same_as_cell_by_cell(text in "[-+]?[0-9]{0,20}\\.?[0-9]{0,20}(e-?[0-9]{1,3})?", behind in "(|[,\n][-0-9.,\n]{0,12})") {
            check(&text, &behind)?;
        }

        #[test]
        fn whatever_it_is(text in "[-+0-9.eNa /:x\u{e9}]{0,12}", behind in "(|[,\n][-0-9.,\n]{0,12})") {
            check(&text, &behind)?;
        }
    }
}
