use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The outcome of a check. A check that does not apply has no verdict: it is left out, not passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The check was made and holds.
    Pass,
    /// The check was made and does not hold.
    Fail,
    /// There was too little to decide on. Never treated as a pass.
    NoData,
}

impl Verdict {
    /// The verdict of several checks: `Fail` if one failed, else `NoData` if one had no data or there was none at all.
    #[must_use]
    pub fn all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts
            .into_iter()
            .reduce(|a, b| match (a, b) {
                (Self::Fail, _) | (_, Self::Fail) => Self::Fail,
                (Self::NoData, _) | (_, Self::NoData) => Self::NoData,
                (Self::Pass, Self::Pass) => Self::Pass,
            })
            .unwrap_or(Self::NoData)
    }

    /// Whether this is [`Verdict::Pass`].
    #[must_use]
    pub const fn is_pass(self) -> bool {
        matches!(self, Self::Pass)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NoData => "no data",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        [Self::Pass, Self::Fail, Self::NoData]
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
            .ok_or_else(|| de::Error::unknown_variant(&text, &["pass", "fail", "no data"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Fail, NoData, Pass};

    #[test]
    fn nothing_checked_is_not_a_pass() {
        assert_eq!(Verdict::all([]), NoData);
    }

    #[test]
    fn the_worst_counts_in_every_order() {
        for (verdicts, expected) in [
            (vec![Pass], Pass),
            (vec![Pass, Pass], Pass),
            (vec![NoData, Pass], NoData),
            (vec![Pass, NoData], NoData),
            (vec![Fail, NoData], Fail),
            (vec![NoData, Fail, Pass], Fail),
        ] {
            assert_eq!(Verdict::all(verdicts.clone()), expected, "{verdicts:?}");
        }
    }

    #[test]
    fn text_round_trip() {
        for verdict in [Pass, Fail, NoData] {
            let json = serde_json::to_string(&verdict).unwrap();
            assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
        }
        assert!(serde_json::from_str::<Verdict>("\"passed\"").is_err());
    }
}
