use std::borrow::Cow;

use ::parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType},
    errors::ParquetError,
    schema::types::ColumnDescriptor,
};

use crate::read::{
    cell::{EXACT, Form},
    field::Field,
    rule::Rule,
};

/// What the values of a column mean, beyond how they are held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning {
    Boolean,
    Signed,
    Unsigned,
    Float,
    /// Bytes that are a text, or may be one.
    Text,
    /// Days since 1970.
    Date,
    /// Points in time, so many units a day.
    Time(i64),
    /// A point in time in 96 bits, as Spark and Impala wrote it.
    Time96,
    /// Whole numbers that stand for a fraction, of so many decimals.
    Decimal(i32),
}

/// A value of a column.
pub(super) enum Value {
    Missing,
    Boolean(bool),
    Number(f64, Form),
    Days(f64),
    Bytes(ByteArray),
    /// Digits that no `f64` keeps.
    Digits(String),
}

impl Value {
    /// What the rules of its column are asked about. A boolean is 0 or 1, and in a category `false` or `true`.
    pub(super) fn field(&self, rule: &Rule) -> Field<'_> {
        match self {
            Self::Missing => Field::Text(Cow::Borrowed(b"")),
            Self::Boolean(value) if rule.is_category() => Field::text(if *value { b"true" } else { b"false" }),
            Self::Boolean(value) => Field::Number(f64::from(u8::from(*value)), Form::Whole),
            Self::Number(value, form) => Field::Number(*value, *form),
            Self::Days(days) => Field::Days(*days),
            Self::Bytes(bytes) => Field::text(bytes.data()),
            Self::Digits(digits) => Field::text(digits.as_bytes()),
        }
    }
}

const SECONDS: i64 = 86_400;

impl Meaning {
    /// What a column's values mean; else what they are that has no value here.
    pub(super) fn of(column: &ColumnDescriptor) -> Result<Self, &'static str> {
        let per_day = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => SECONDS * 1_000,
            TimeUnit::MICROS => SECONDS * 1_000_000,
            TimeUnit::NANOS => SECONDS * 1_000_000_000,
        };
        let meaning = match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Date), _) | (None, ConvertedType::DATE) => Some(Self::Date),
            (Some(LogicalType::Timestamp(time)), _) => Some(Self::Time(per_day(&time.unit))),
            (None, ConvertedType::TIMESTAMP_MILLIS) => Some(Self::Time(SECONDS * 1_000)),
            (None, ConvertedType::TIMESTAMP_MICROS) => Some(Self::Time(SECONDS * 1_000_000)),
            (Some(LogicalType::Decimal(decimal)), _) => Some(Self::Decimal(decimal.scale)),
            (None, ConvertedType::DECIMAL) => Some(Self::Decimal(column.type_scale())),
            (Some(LogicalType::Integer(integer)), _) if !integer.is_signed => Some(Self::Unsigned),
            (
                None,
                ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
            ) => Some(Self::Unsigned),
            (Some(LogicalType::Float16), _) => return Err("of 16-bit floats"),
            (Some(LogicalType::Uuid), _) => return Err("of UUIDs"),
            (None, ConvertedType::INTERVAL) => return Err("of intervals"),
            _ => None,
        };
        let fits = match (meaning, column.physical_type()) {
            (Some(Self::Date), held) => held == Type::INT32,
            (Some(Self::Time(_)), held) => held == Type::INT64,
            (Some(Self::Unsigned), held) => matches!(held, Type::INT32 | Type::INT64),
            (Some(Self::Decimal(_)), held) => {
                matches!(held, Type::INT32 | Type::INT64 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY)
            }
            _ => true,
        };
        match (meaning.filter(|_| fits), column.physical_type()) {
            (Some(meaning), _) => Ok(meaning),
            (None, Type::BOOLEAN) => Ok(Self::Boolean),
            (None, Type::INT32 | Type::INT64) => Ok(Self::Signed),
            (None, Type::FLOAT | Type::DOUBLE) => Ok(Self::Float),
            (None, Type::INT96) => Ok(Self::Time96),
            (None, Type::BYTE_ARRAY) => Ok(Self::Text),
            (None, Type::FIXED_LEN_BYTE_ARRAY) => Err("of bytes"),
        }
    }

    pub(super) fn is_date(self) -> bool {
        matches!(self, Self::Date | Self::Time(_) | Self::Time96)
    }

    /// The next `rows` values; a value is there where its definition level is `most`.
    pub(super) fn read(self, reader: &mut ColumnReader, most: i16, rows: usize) -> Result<Vec<Value>, ParquetError> {
        match reader {
            ColumnReader::BoolColumnReader(reader) => typed(reader, most, rows, |value| Value::Boolean(*value)),
            ColumnReader::Int32ColumnReader(reader) => typed(reader, most, rows, |value| match self {
                Self::Unsigned => whole(i128::from(value.cast_unsigned())),
                other => other.of_integer(i64::from(*value)),
            }),
            ColumnReader::Int64ColumnReader(reader) => typed(reader, most, rows, |value| match self {
                Self::Unsigned => whole(i128::from(value.cast_unsigned())),
                other => other.of_integer(*value),
            }),
            ColumnReader::Int96ColumnReader(reader) => {
                typed(reader, most, rows, |value| Self::Time(SECONDS * 1_000_000_000).of_integer(value.to_nanos()))
            }
            ColumnReader::FloatColumnReader(reader) => {
                typed(reader, most, rows, |value| Value::Number(f64::from(*value), Form::Decimal))
            }
            ColumnReader::DoubleColumnReader(reader) => {
                typed(reader, most, rows, |value| Value::Number(*value, Form::Decimal))
            }
            ColumnReader::ByteArrayColumnReader(reader) => typed(reader, most, rows, |value| match self {
                Self::Decimal(scale) => of_bytes(value.data(), scale),
                _ => Value::Bytes(value.clone()),
            }),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => typed(reader, most, rows, |value| match self {
                Self::Decimal(scale) => of_bytes(value.data(), scale),
                _ => Value::Missing,
            }),
        }
    }

    fn of_integer(self, value: i64) -> Value {
        match self {
            Self::Date => Value::Days(value as f64),
            Self::Time(per_day) => {
                Value::Days(value.div_euclid(per_day) as f64 + value.rem_euclid(per_day) as f64 / per_day as f64)
            }
            Self::Decimal(scale) => decimal(i128::from(value), scale),
            _ => whole(i128::from(value)),
        }
    }
}

fn typed<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    most: i16,
    rows: usize,
    convert: impl Fn(&T::T) -> Value,
) -> Result<Vec<Value>, ParquetError> {
    let (mut levels, mut values) = (Vec::new(), Vec::with_capacity(rows));
    let mut found = 0;
    while found < rows {
        let levels = (most > 0).then_some(&mut levels);
        let (records, _, _) = reader.read_records(rows - found, levels, None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!("a column ends {} rows before its row group", rows - found)));
        }
        found += records;
    }
    if most == 0 {
        return Ok(values.iter().map(convert).collect());
    }
    let mut values = values.iter();
    let there = levels.iter().map(|level| if *level == most { values.next() } else { None });
    Ok(there.map(|value| value.map_or(Value::Missing, &convert)).collect())
}

/// A whole number, which stays digits where an `f64` would lose some.
fn whole(value: i128) -> Value {
    if value.unsigned_abs() <= u128::from(EXACT) {
        Value::Number(value as f64, Form::Whole)
    } else {
        Value::Digits(value.to_string())
    }
}

/// A number of `scale` decimals, written so that it is rounded once.
fn decimal(unscaled: i128, scale: i32) -> Value {
    let Some(decimals) = usize::try_from(scale).ok().filter(|decimals| *decimals > 0) else { return whole(unscaled) };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = decimals.min(100) + 1);
    let (integer, fraction) = digits.split_at_checked(digits.len().saturating_sub(decimals)).unwrap_or(("0", &digits));
    let sign = if unscaled < 0 { "-" } else { "" };
    Value::Digits(format!("{sign}{integer}.{fraction}"))
}

/// A decimal in bytes: two's complement, the largest byte first.
fn of_bytes(bytes: &[u8], scale: i32) -> Value {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    match wide.len().checked_sub(bytes.len()).and_then(|start| wide.get_mut(start..)) {
        Some(end) => end.copy_from_slice(bytes),
        // More than 38 digits; as text it is refused where it is used.
        None => return Value::Digits("a number of more than 128 bits".to_owned()),
    }
    decimal(i128::from_be_bytes(wide), scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_out() {
        let text = |value| match value {
            Value::Digits(digits) => digits,
            Value::Number(number, _) => number.to_string(),
            _ => String::new(),
        };
        for (unscaled, scale, expected) in [(12345, 2, "123.45"), (-5, 3, "-0.005"), (7, 0, "7"), (0, 1, "0.0")] {
            assert_eq!(text(decimal(unscaled, scale)), expected);
        }
        assert_eq!(text(of_bytes(&[0xff, 0x38], 1)), "-20.0");
        assert_eq!(text(of_bytes(&[0x01, 0x00], 2)), "2.56");
        assert_eq!(text(of_bytes(&[], 2)), "0.00");
        assert_eq!(text(of_bytes(&[1; 17], 2)), "a number of more than 128 bits");
        assert_eq!(text(whole(-9_007_199_254_740_993)), "-9007199254740993");
    }
}
