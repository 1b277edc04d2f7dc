use std::{fmt, str::FromStr};

use mlci_core::Digest;

/// A name, label or annotation that Kubernetes would not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: {rule}")]
pub struct NameError {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    pub(crate) rule: &'static str,
}

/// The name of a workload and of everything made for it: a DNS label that starts with a letter (RFC 1035 §2.3.1),
/// 1 to 63 of `a-z`, `0-9` and, inside, `-`. This is the rule for Services, the strictest of the objects made here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// The name of a namespace: a DNS label (RFC 1123 §2.1), 1 to 63 of `a-z`, `0-9` and, inside, `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

const LIMIT: usize = 63;

pub(crate) fn is_dns_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LIMIT).contains(&text.len()) && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

impl Name {
    /// A legal name for something that may be called anything. A legal text stays as it is; another one is made legal
    /// and gets 8 hexadecimal digits of its SHA-256 digest, so that different texts have different names.
    ///
    /// ```
    /// use mlci_k8s::Name;
    ///
    /// assert_eq!(Name::legal("wine-quality").as_str(), "wine-quality");
    /// assert!(Name::legal("Wine.Quality").as_str().starts_with("wine-quality-"));
    /// assert_ne!(Name::legal("wine.quality"), Name::legal("wine_quality"));
    /// ```
    #[must_use]
    pub fn legal(text: &str) -> Self {
        if let Ok(name) = text.parse() {
            return name;
        }
        let digest = Digest::of(text.as_bytes()).hex();
        let suffix = digest.get(..8).unwrap_or_default();
        let mut base: String = text
            .chars()
            .map(|char| char.to_ascii_lowercase())
            .map(|char| if char.is_ascii_lowercase() || char.is_ascii_digit() { char } else { '-' })
            .collect();
        // Only ASCII is left, so that a byte is a character.
        base.truncate(LIMIT - 1 - suffix.len());
        let base = base.trim_start_matches(|char: char| !char.is_ascii_lowercase()).trim_end_matches('-');
        Self(if base.is_empty() { format!("m-{suffix}") } else { format!("{base}-{suffix}") })
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_dns_label(text) && text.starts_with(|char: char| char.is_ascii_lowercase()) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "use 1 to 63 lower-case letters, digits and `-`, with a letter first and no `-` last";
        Err(NameError { kind: "name for a workload", text: text.to_owned(), rule })
    }
}

impl FromStr for Namespace {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_dns_label(text) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "use 1 to 63 lower-case letters, digits and, between them, `-`";
        Err(NameError { kind: "name for a namespace", text: text.to_owned(), rule })
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
    };
}
text!(Name);
text!(Namespace);

/// Letters and digits at both ends, those and `-`, `_`, `.` inside, at most 63.
fn is_qualified(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let end = |char: char| char.is_ascii_alphanumeric();
    (1..=LIMIT).contains(&text.len()) && text.bytes().all(inside) && text.starts_with(end) && text.ends_with(end)
}

/// Checks the key of a label or annotation: `NAME` or `PREFIX/NAME`, the prefix a DNS name of at most 253 bytes
/// (Kubernetes documentation, "Labels and Selectors", syntax and character set).
pub(crate) fn check_key(kind: &'static str, key: &str) -> Result<(), NameError> {
    let legal = match key.split_once('/') {
        None => is_qualified(key),
        Some((prefix, name)) => prefix.len() <= 253 && prefix.split('.').all(is_dns_label) && is_qualified(name),
    };
    let rule = "use `NAME` or `PREFIX/NAME`: a name of at most 63 letters, digits, `-`, `_` and `.` with a letter or \
                digit at both ends, and a DNS name as prefix";
    if legal { Ok(()) } else { Err(NameError { kind, text: key.to_owned(), rule }) }
}

/// Checks the value of a label, which may be empty.
pub(crate) fn check_label_value(value: &str) -> Result<(), NameError> {
    if value.is_empty() || is_qualified(value) {
        return Ok(());
    }
    let rule = "use at most 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends; \
                longer values (a digest has 71 characters) belong into an annotation";
    Err(NameError { kind: "label value", text: value.to_owned(), rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_or_refused() {
        let longest = "a".repeat(63);
        for name in ["a", "wine-quality", "a--b", "v2", &longest] {
            assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
        }
        let long = "a".repeat(64);
        for name in ["", "2v", "-a", "a-", "A", "a.b", "a_b", "ä", "a\n", &long] {
            assert!(name.parse::<Name>().is_err(), "{name:?}");
        }
        assert!("2v".parse::<Namespace>().is_ok());
        assert!("-".parse::<Namespace>().is_err());
    }

    #[test]
    fn every_text_gets_a_legal_name_of_its_own() {
        let long = "n".repeat(300);
        let longer = "n".repeat(301);
        let texts = ["", "-", "7", "2nd", "a.b", "a_b", "a-b", "A.B", "Ä", "模型", "a/../b", "\0", &long, &longer];
        let mut names: Vec<_> = texts.iter().map(|text| Name::legal(text)).collect();
        for (text, name) in texts.iter().zip(&names) {
            assert!(name.as_str().parse::<Name>().is_ok(), "{text:?} -> {name}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), texts.len());
    }

    #[test]
    fn keys_and_values() {
        let prefix = format!("{}/a", "p".repeat(254));
        for key in ["a", "app.kubernetes.io/name", "A_b.c-9"] {
            assert!(check_key("label", key).is_ok(), "{key}");
        }
        for key in ["", "/", "a/", "/a", "a/b/c", "-a", "Up.io/a", &prefix, &"k".repeat(64)] {
            assert!(check_key("label", key).is_err(), "{key}");
        }
        assert!(check_label_value("").is_ok());
        assert!(check_label_value("1.0_a-b").is_ok());
        let error = check_label_value(&Digest::of(b"").to_string()).unwrap_err().to_string();
        assert!(error.contains("annotation"), "{error}");
    }
}
