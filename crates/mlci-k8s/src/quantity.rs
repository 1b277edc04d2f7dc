use std::{fmt, str::FromStr};

use crate::name::NameError;

/// An amount of a resource as Kubernetes writes it: `100m` of a processor, `256Mi` of memory.
///
/// The form is checked (Kubernetes API reference, "Quantity"): a positive decimal number and a suffix out of `m`, `k`,
/// `M`, `G`, `T`, `Ki`, `Mi`, `Gi`, `Ti` or none.
#[derive(Clone, PartialEq, Eq)]
pub struct Quantity(String);

impl Quantity {
    /// The amount as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn known(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Quantity {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let number = ["Ki", "Mi", "Gi", "Ti", "m", "k", "M", "G", "T"]
            .into_iter()
            .find_map(|suffix| text.strip_suffix(suffix))
            .unwrap_or(text);
        let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        // The number parses without sign, exponent or `inf`, since only digits and points are let through.
        if digits && number.parse::<f64>().is_ok_and(|number| number > 0.0) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "write a positive number with a suffix, such as `100m` of a processor or `256Mi` of memory";
        Err(NameError { kind: "amount of a resource", text: text.to_owned(), rule })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for text in ["1", "0.5", "100m", "64Mi", "1.5G", "2k"] {
            assert_eq!(text.parse::<Quantity>().unwrap().as_str(), text);
        }
        for text in ["", "0", "-1", "1 Mi", "Mi", "1MB", "1e3", "inf", "1..2", "0Mi"] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
    }
}
