use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// The id of a run: 64 random bits, written as 16 lower-case hexadecimal digits.
///
/// It says nothing about order; the number in the name of the run's file does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u64);

impl RunId {
    const DIGITS: usize = 16;

    pub(crate) fn random() -> Result<Self, Error> {
        getrandom::u64().map(Self).map_err(Error::Random)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:016x}", self.0))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id: expected 16 lower-case hexadecimal digits")]
pub struct ParseRunIdError(String);

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // from_str_radix alone would also take a sign, capitals and fewer digits.
        let well_formed =
            text.len() == Self::DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u64::from_str_radix(text, 16).ok().filter(|_| well_formed);
        number.map(Self).ok_or_else(|| ParseRunIdError(text.to_owned()))
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        for text in ["0000000000000000", "00000000000000a1", "ffffffffffffffff"] {
            let id: RunId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(serde_json::from_str::<RunId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }
        assert_ne!(RunId::random().unwrap(), RunId::random().unwrap());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "a1",
            "+00000000000000a",
            "00000000000000A1",
            "00000000000000g1",
            "00000000000000000",
            "../../../../etc/",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
