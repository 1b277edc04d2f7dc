use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A name that breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    name: String,
    rule: &'static str,
}

/// The name of a model: 1 to 63 of `a-z`, `0-9` and, between them, single `.`, `_` or `-`.
///
/// The rule is the strictest of what a name has to be elsewhere: a component of an OCI repository name
/// (OCI Distribution Specification 1.1, "Pulling manifests"), a Kubernetes label value, and a key in an object store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(String);

/// The name of an environment or alias: a DNS label (RFC 1123 §2.1), 1 to 63 of `a-z`, `0-9` and, inside, `-`; not a
/// number, since `MODEL@7` is version 7.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

const LIMIT: usize = 63;

fn check(kind: &'static str, name: &str, separators: &[char], rule: &'static str) -> Result<(), NameError> {
    // Splitting at single separators leaves an empty part at either end and between doubled ones.
    let well_formed = name.len() <= LIMIT
        && name.split(separators).all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
    if well_formed { Ok(()) } else { Err(NameError { kind, name: name.to_owned(), rule }) }
}

impl FromStr for ModelName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let rule = "use 1 to 63 lower-case letters and digits, with single `.`, `_` or `-` between them";
        check("model name", name, &['.', '_', '-'], rule)?;
        Ok(Self(name.to_owned()))
    }
}

impl FromStr for Label {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let rule = "use 1 to 63 lower-case letters and digits, with single `-` between them";
        let kind = "name for an environment or alias";
        check(kind, name, &['-'], rule)?;
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            let rule = "a number would be read as a version; add a letter";
            return Err(NameError { kind, name: name.to_owned(), rule });
        }
        Ok(Self(name.to_owned()))
    }
}

macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}
text!(ModelName);
text!(Label);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names() {
        let longest = "a".repeat(63);
        for name in ["a", "7", "wine-quality", "a.b_c-d", &longest] {
            assert_eq!(name.parse::<ModelName>().unwrap().as_str(), name);
        }
        assert!("staging-eu".parse::<Label>().is_ok());
    }

    #[test]
    fn illegal_names() {
        let long = "a".repeat(64);
        for name in ["", "A", "a b", "-a", "a-", "a--b", "a/b", "..", "ä", "a\n", &long] {
            assert!(name.parse::<ModelName>().is_err(), "{name:?}");
            assert!(name.parse::<Label>().is_err(), "{name:?}");
        }
        assert!("a.b".parse::<Label>().is_err());
        assert!("7".parse::<Label>().is_err());
    }

    #[test]
    fn rules_hold_when_deserialised() {
        let error = serde_json::from_str::<ModelName>("\"../x\"").unwrap_err().to_string();
        assert!(error.contains("`../x` is not a model name"), "{error}");
    }
}
