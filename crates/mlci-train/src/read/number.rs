use super::cell::{Cell, EXACT, Form, parse};

/// Powers of ten that are exact in an `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The finite number that stands in the bytes from `start` to `end`, which are no more than there are, with its form; the
/// same as [`parse`] of them. `None`: they are something else.
///
/// Up to 16 characters are read at once, in whole registers and nearly without branches. Where digits and power of ten
/// are both exact in an `f64`, one division rounds correctly (Clinger, *How to Read Floating Point Numbers Accurately*,
/// PLDI 1990).
pub(super) fn number(bytes: &[u8], start: usize, end: usize) -> Option<(f64, Form)> {
    let is_negative = bytes.get(start) == Some(&b'-');
    let length = end.wrapping_sub(start + usize::from(is_negative));
    let digits = match length {
        1..=8 => before(bytes, end).and_then(|word| Digits::of_short(u64::from_le_bytes(word), length)),
        9..=16 => before(bytes, end).and_then(|word| Digits::of_long(u128::from_le_bytes(word), length)),
        _ => None,
    };
    // Not a branch: of numbers about zero, it would be mispredicted half the time.
    let signed = |value: f64| f64::from_bits(value.to_bits() ^ u64::from(is_negative) << 63);
    match digits {
        // Zero has no sign in integers.
        Some(Digits { value, decimals: None }) if value <= EXACT => {
            Some((if value == 0 { 0.0 } else { signed(exact(value)) }, Form::Whole))
        }
        Some(Digits { value, decimals: Some(decimals) }) if value <= EXACT && length > 1 => {
            Some((signed(exact(value) / POWERS.get(decimals as usize)?), Form::Decimal))
        }
        _ => match parse(bytes.get(start..end)?) {
            Cell::Number(value, form) => Some((value, form)),
            _ => None,
        },
    }
}

/// Of a number up to [`EXACT`]. Without a sign it would take processors of before 2017 several instructions.
fn exact(value: u64) -> f64 {
    value.cast_signed() as f64
}

/// The bytes in front of `end`, where there are as many.
fn before<const N: usize>(bytes: &[u8], end: usize) -> Option<[u8; N]> {
    bytes.get(end.checked_sub(N)?..end)?.try_into().ok()
}

/// Digits, and how many of them stand behind a point, where there is one.
struct Digits {
    value: u64,
    decimals: Option<u32>,
}

/// Of a word whose last `length` bytes, of one at least, are the number: its digits, with zeros in front of them and
/// without the point, and how many of them stand behind it. `None`: there is something else among them.
///
/// The last bytes are the highest.
macro_rules! without_point {
    ($word:ident, $length:ident, $type:ty) => {{
        /// The same byte in all places.
        const fn all(byte: u8) -> $type {
            <$type>::from_ne_bytes([byte; size_of::<$type>()])
        }
        let digits = ($word ^ all(b'0')) & <$type>::MAX << (<$type>::BITS - 8 * $length as u32);
        let from_point = digits ^ all(b'.' ^ b'0');
        // The highest bit of each byte that is a point.
        let points = !(((from_point & all(0x7f)) + all(0x7f)) | from_point | all(0x7f));
        let (digits, decimals) = if points == 0 {
            (digits, None)
        } else {
            // The first counts; others are no digits.
            let point = points & points.wrapping_neg();
            let (in_front, behind) = (digits & (point >> 7) - 1, digits & (point << 1).wrapping_neg());
            (in_front << 8 | behind, Some(point.leading_zeros() / 8))
        };
        // What is above 9 reaches the highest bit of its byte.
        let is_other = (digits.wrapping_add(all(0x76)) | digits) & all(0x80) != 0;
        (!is_other).then_some((digits, decimals))
    }};
}

impl Digits {
    #[inline]
    fn of_short(word: u64, length: usize) -> Option<Self> {
        let (digits, decimals) = without_point!(word, length, u64)?;
        Some(Self { value: value(digits), decimals })
    }

    #[inline]
    fn of_long(word: u128, length: usize) -> Option<Self> {
        let (digits, decimals) = without_point!(word, length, u128)?;
        let (first, last) = (value(digits as u64), value((digits >> 64) as u64));
        Some(Self { value: 100_000_000 * first + last, decimals })
    }
}

/// The number of eight digits, the first of which is the lowest byte (after Lemire, *Number Parsing at a Gigabyte per
/// Second*, Software: Practice and Experience 51, 2021).
fn value(digits: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    // Each pair in its lower byte; what is in the other one is masked.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let first_and_third = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let others = ((pairs >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    first_and_third.wrapping_add(others) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, front: &str) -> Result<(), proptest::test_runner::TestCaseError> {
        let bytes = [front, text, ",7"].concat().into_bytes();
        let expected = match parse(text.as_bytes()) {
            Cell::Number(value, form) => Some((value.to_bits(), form)),
            _ => None,
        };
        let found = number(&bytes, front.len(), front.len() + text.len()).map(|(value, form)| (value.to_bits(), form));
        proptest::prop_assert_eq!(found, expected, "{:?}", text);
        Ok(())
    }

    #[test]
    fn numbers_of_every_length() {
        for text in
            ["", "-", ".", "-.", "+1", "1.", ".5", "-0", "-0.0", "1e5", "1.5e3", "12x", "1.2.3", " 1", "1 ", "NaN"]
        {
            check(text, "").and(check(text, "7.123456789,12345,")).unwrap();
        }
        for whole in 0..22 {
            for decimals in 0..26 {
                let text = format!("{}.{}", "9".repeat(whole), "90817263544536271809123456".get(..decimals).unwrap());
                for front in ["", ",", "1234567.,", "-.-.-.-.-.-.-.-.,"] {
                    check(&text, front).and(check(&format!("-{text}"), front)).unwrap();
                    check(text.trim_end_matches('.'), front).unwrap();
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
        fn the_same_as_cell_by_cell(text in "[-+]?[0-9]{0,20}\\.?[0-9]{0,20}(e-?[0-9]{1,3})?", front in "(|[-0-9.,\n]{0,20},)") {
            check(&text, &front)?;
        }

        #[test]
        fn whatever_it_is(text in "[-+0-9.eNa /:x\u{e9}]{0,12}", front in "(|[-0-9.,\n]{0,20},)") {
            check(&text, &front)?;
        }
    }
}
