/// `value` with `digits` significant digits, without trailing zeros.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let magnitude = value.abs();
    if !value.is_finite() || magnitude == 0.0 {
        return format!("{}", value + 0.0);
    }
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if !(1e-6..1e9).contains(&magnitude) {
        let text = format!("{value:.*e}", digits.saturating_sub(1));
        return text.split_once('e').map_or(text.clone(), |(number, power)| format!("{}e{power}", trimmed(number)));
    }
    let decimals = (digits as i32 - 1 - magnitude.log10().floor() as i32).max(0);
    trimmed(&format!("{value:.*}", decimals as usize))
}

/// For messages: four significant digits.
pub(crate) fn short(value: f64) -> String {
    significant(value, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (2.0, "2"),
            (-0.65, "-0.65"),
            (0.123456, "0.1235"),
            (1234.56, "1235"),
            (123456.0, "123456"),
            (0.00012, "0.00012"),
            (1e-9, "1e-9"),
            (2.5e12, "2.5e12"),
            (9.99999, "10"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(value), text, "{value}");
        }
    }
}
