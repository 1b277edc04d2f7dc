use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Column, Kind, Unseen, date_text, parse_date};

/// A value as people and JSON write it: a number, or the text of a level or of a date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number or a text")]
pub enum Value {
    /// A number.
    Number(f64),
    /// A level, or a date.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.pad(text),
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Why a text or a number is no value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoValue {
    /// It is a marker of a missing value, and nothing stands in for one.
    Missing,
    /// It is no number.
    NotANumber,
    /// It is infinite, not a number, or too large for an `f64`.
    NotFinite,
    /// It is not whole, or beyond 2^53.
    NotWhole,
    /// It is none of the levels.
    NoLevel,
    /// It is neither a date nor a point in time.
    NotADate,
}

/// The largest magnitude up to which every whole number is an `f64` (IEEE 754-2019, binary64: 53 digits of precision).
pub const MAX_EXACT_INTEGER: u64 = 1 << 53;

const MARKERS: [&str; 5] = ["NA", "N/A", "NaN", "null", "None"];

/// Whether a cell whose white space is trimmed marks a missing value: it is empty or one of `NA`, `N/A`, `NaN`, `null`
/// and `None`, in any case of letters.
#[must_use]
pub fn is_missing(cell: &[u8]) -> bool {
    cell.is_empty() || MARKERS.iter().any(|marker| cell.eq_ignore_ascii_case(marker.as_bytes()))
}

impl Column {
    /// The value that a cell of CSV, or a text of a request, stands for; white space around it does not count. Training
    /// reads cells by the same rules.
    ///
    /// A level that is written like a marker of a missing value is that level. A missing value is [`Column::fill`].
    ///
    /// # Errors
    /// [`NoValue`] where the column cannot have it.
    pub fn value_of(&self, text: &str) -> Result<f64, NoValue> {
        let text = text.trim_ascii();
        if self.kind == Kind::Category
            && let Some(position) = self.position(text)
        {
            return Ok(position);
        }
        if is_missing(text.as_bytes()) {
            return self.fill.ok_or(NoValue::Missing);
        }
        match self.kind {
            Kind::Category => self.level(text).ok_or(NoValue::NoLevel),
            Kind::Date => parse_date(text).ok_or(NoValue::NotADate),
            Kind::Float | Kind::Integer => self.value_of_number(text.parse().map_err(|_| NoValue::NotANumber)?),
        }
    }

    /// The value that a number of a request stands for: in a column of numbers itself, in a category the level that is
    /// written like it. Dates are texts.
    ///
    /// # Errors
    /// [`NoValue`] where the column cannot have it.
    pub fn value_of_number(&self, number: f64) -> Result<f64, NoValue> {
        match self.kind {
            // Beyond 2^53 digits may be lost, and it would be the level of another number.
            Kind::Category if number.abs() > MAX_EXACT_INTEGER as f64 => Err(NoValue::NoLevel),
            Kind::Category => self.level(&number.to_string()).ok_or(NoValue::NoLevel),
            Kind::Date => Err(NoValue::NotADate),
            _ if !number.is_finite() => Err(NoValue::NotFinite),
            Kind::Integer if number.fract() != 0.0 || number.abs() > MAX_EXACT_INTEGER as f64 => Err(NoValue::NotWhole),
            Kind::Float | Kind::Integer => Ok(number),
        }
    }

    /// What people and JSON write for a value: [`Column::value_of`] and [`Column::value_of_number`] read it back.
    #[must_use]
    pub fn shown(&self, value: f64) -> Value {
        let text = match self.kind {
            Kind::Category if value >= 0.0 && value.fract() == 0.0 => self.levels.get(value as usize).cloned(),
            Kind::Date => date_text(value),
            _ => None,
        };
        text.map_or(Value::Number(value), Value::Text)
    }

    /// The value of a level of this category: its position, or that of the base level where it is none of them and that
    /// is what [`Unseen`] says; `None`: there is no such level.
    ///
    /// Takes time in the number of levels.
    #[must_use]
    pub fn level(&self, name: &str) -> Option<f64> {
        let base = || (self.unseen == Unseen::Base && !self.levels.is_empty()).then_some(0.0);
        self.position(name).or_else(base)
    }

    fn position(&self, level: &str) -> Option<f64> {
        self.levels.iter().position(|other| other == level).map(|position| position as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Range;

    fn column(kind: Kind) -> Column {
        Column::new("x", kind, None, Range { min: 0.0, max: 1.0 })
    }

    fn colours(unseen: Unseen, fill: Option<f64>) -> Column {
        let levels = ["blue", "NA", "7"].map(str::to_owned).to_vec();
        Column { fill, ..Column::category("colour", levels, unseen) }
    }

    #[test]
    fn numbers() {
        let float = column(Kind::Float);
        for (text, value) in [("1.5", 1.5), (" +7 ", 7.0), ("-1e3", -1000.0), (".5", 0.5)] {
            assert_eq!(float.value_of(text), Ok(value), "{text}");
        }
        for (text, why) in [
            ("", NoValue::Missing),
            ("nan", NoValue::Missing),
            ("n/A", NoValue::Missing),
            ("inf", NoValue::NotFinite),
            ("1e999", NoValue::NotFinite),
            ("1,5", NoValue::NotANumber),
            ("0x10", NoValue::NotANumber),
        ] {
            assert_eq!(float.value_of(text), Err(why), "{text}");
        }
        assert_eq!(Column { fill: Some(3.0), ..float }.value_of("NULL"), Ok(3.0));
        let whole = column(Kind::Integer);
        assert_eq!(whole.value_of("7.0"), Ok(7.0));
        assert_eq!(whole.value_of("7.5"), Err(NoValue::NotWhole));
        assert_eq!(whole.value_of("9007199254740994"), Err(NoValue::NotWhole));
        assert_eq!(whole.value_of_number(f64::NAN), Err(NoValue::NotFinite));
        assert_eq!(whole.shown(7.0), Value::Number(7.0));
    }

    #[test]
    fn levels() {
        let strict = colours(Unseen::Refuse, None);
        for (text, value) in [("blue", Ok(0.0)), (" NA ", Ok(1.0)), ("7", Ok(2.0)), ("na", Err(NoValue::Missing))] {
            assert_eq!(strict.value_of(text), value, "{text}");
        }
        assert_eq!(strict.value_of("Blue"), Err(NoValue::NoLevel));
        assert_eq!(strict.value_of_number(7.0), Ok(2.0));
        assert_eq!(strict.value_of_number(7.5), Err(NoValue::NoLevel));
        let lenient = colours(Unseen::Base, Some(2.0));
        assert_eq!(lenient.value_of("Blue"), Ok(0.0));
        assert_eq!(lenient.value_of(""), Ok(2.0));
        assert_eq!(lenient.shown(1.0), Value::from("NA"));
        assert_eq!(lenient.shown(3.0), Value::from(3.0));
    }

    #[test]
    fn dates() {
        let date = column(Kind::Date);
        assert_eq!(date.value_of(" 1970-01-02 "), Ok(1.0));
        assert_eq!(date.value_of("01.02.1970"), Err(NoValue::NotADate));
        assert_eq!(date.value_of_number(1.0), Err(NoValue::NotADate));
        assert_eq!(date.shown(1.0), Value::from("1970-01-02"));
        assert_eq!(date.shown(f64::MAX), Value::from(f64::MAX));
    }

    /// As in JSON and TOML.
    #[test]
    fn values_are_numbers_or_texts() {
        let of = |text| serde_json::from_str::<Value>(text);
        assert_eq!(of("1").unwrap(), Value::from(1.0));
        assert_eq!(of("\"a\"").unwrap(), Value::from("a"));
        assert!(of("true").unwrap_err().to_string().contains("a number or a text"));
    }
}
