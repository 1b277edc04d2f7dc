//! Dates and points in time as days since 1970-01-01 in UTC.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

const SECONDS: i64 = 86_400;
const NANOSECONDS: f64 = 86_400e9;

/// The days since 1970-01-01 in UTC of a date (ISO 8601, `2024-02-29`) or of a point in time (RFC 3339,
/// `2024-02-29T12:00:00+02:00`; a space may stand for the `T`, and without an offset it is in UTC). `None`: it is
/// neither.
#[must_use]
pub fn parse_date(text: &str) -> Option<f64> {
    // jiff takes more than this, such as weeks and days without hyphens, which could as well be numbers.
    let bytes = text.as_bytes();
    let has_shape = bytes.iter().take(10).enumerate().all(|(index, byte)| match index {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !has_shape || text.contains('[') {
        return None;
    }
    match bytes.get(10) {
        None if bytes.len() == 10 => days(text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight())),
        Some(b'T' | b't' | b' ') => match text.parse::<Timestamp>() {
            Ok(timestamp) => Some(days_of(timestamp)),
            Err(_) => days(text.parse::<DateTime>().ok()?),
        },
        _ => None,
    }
}

fn days(utc: DateTime) -> Option<f64> {
    TimeZone::UTC.to_timestamp(utc).ok().map(days_of)
}

fn days_of(timestamp: Timestamp) -> f64 {
    // Each part is exact in an `f64`; their sum is rounded once more.
    let (seconds, nanoseconds) = (timestamp.as_second(), timestamp.subsec_nanosecond());
    let rest = seconds.rem_euclid(SECONDS) * 1_000_000_000 + i64::from(nanoseconds);
    seconds.div_euclid(SECONDS) as f64 + rest as f64 / NANOSECONDS
}

/// The text of which [`parse_date`] makes this number of days: a date, or a point in time in UTC. `None` beyond the
/// years that have four digits.
#[must_use]
pub fn date_text(days: f64) -> Option<String> {
    let whole = days.floor();
    if whole.is_nan() || whole.abs() >= 4e6 {
        return None;
    }
    let rest = ((days - whole) * NANOSECONDS).round() as i128;
    let nanoseconds = whole as i128 * i128::from(SECONDS) * 1_000_000_000 + rest;
    let timestamp = Timestamp::from_nanosecond(nanoseconds).ok()?;
    let utc = TimeZone::UTC.to_datetime(timestamp);
    if !(0..=9999).contains(&utc.year()) {
        return None;
    }
    let is_date = timestamp.as_second().rem_euclid(SECONDS) == 0 && timestamp.subsec_nanosecond() == 0;
    Some(if is_date { utc.date().to_string() } else { timestamp.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times() {
        for (text, days) in [
            ("1970-01-01", 0.0),
            ("1969-12-31", -1.0),
            ("2000-02-29", 11_016.0),
            ("2024-02-29", 19_782.0),
            ("2024-02-29T12:00:00Z", 19_782.5),
            ("2024-02-29t12:00:00z", 19_782.5),
            ("2024-02-29 12:00:00", 19_782.5),
            ("2024-02-29T06:00", 19_782.25),
            ("2024-02-29T12:00:00+06:00", 19_782.25),
            ("2024-02-29T12:00:00.500Z", 19_782.5 + 0.5 / 86_400.0),
            ("0000-01-01", -719_528.0),
            ("9999-12-30", 2_932_895.0),
        ] {
            assert_eq!(parse_date(text), Some(days), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2024",
            "2024-02",
            "2023-02-29",
            "2024-13-01",
            "2024-2-9",
            "20240229",
            "29.02.2024",
            "02/29/2024",
            "2024-W09-4",
            "2024-060",
            "2024-02-29T",
            "2024-02-29T25:00:00Z",
            "2024-02-29x",
            "+2024-02-29",
            "2024-02-29T12:00:00+01:00[Europe/Berlin]",
            "2024-02-29[u-ca=iso8601]",
            "2024-02-2９",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn texts() {
        for (days, text) in [
            (0.0, "1970-01-01"),
            (-1.0, "1969-12-31"),
            (19_782.5, "2024-02-29T12:00:00Z"),
            (-0.5, "1969-12-31T12:00:00Z"),
        ] {
            assert_eq!(date_text(days).as_deref(), Some(text));
        }
        for beyond in [f64::NAN, f64::INFINITY, 1e300, -1e7, 3e6] {
            assert_eq!(date_text(beyond), None, "{beyond}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "[0-9T:Z.+-]{0,30}|.{0,20}") {
            if let Some(days) = parse_date(&text) {
                proptest::prop_assert_eq!(date_text(days).and_then(|text| parse_date(&text)), Some(days));
            }
        }

        /// Within a nanosecond, and the rounding of the number itself.
        #[test]
        fn a_value_becomes_a_text_and_the_same_value(days in -700_000.0..2_900_000.0_f64) {
            let back = date_text(days).and_then(|text| parse_date(&text)).unwrap_or(f64::NAN);
            proptest::prop_assert!((back - days).abs() <= 2e-14 + days.abs() * f64::EPSILON, "{} {}", days, back);
        }

        #[test]
        fn seconds_are_kept(second in -60_000_000_000_i64..200_000_000_000) {
            let text = Timestamp::from_second(second).map(|timestamp| timestamp.to_string()).unwrap_or_default();
            let days = parse_date(&text).unwrap_or(f64::NAN);
            proptest::prop_assert_eq!(date_text(days).and_then(|text| parse_date(&text)), Some(days));
        }
    }
}
