//! What MLflow takes, so that a log can be replayed there: `mlflow/utils/validation.py` of MLflow 2 and 3. Where they
//! differ, the stricter limit holds, but for the colon, which MLflow 3 allows.

use crate::{Error, Result};

const KEY: usize = 250;
const PARAM_VALUE: usize = 6000;
const TAG_VALUE: usize = 5000;

/// Whether a metric may have this key, as [`Run::metric`](crate::Run::metric) checks it: for who wants to know before
/// there is a run.
///
/// # Errors
/// [`Error::Key`] with the rule that it breaks.
pub fn check_metric_key(key: &str) -> Result<()> {
    self::key("metric key", key)
}

pub(crate) fn key(kind: &'static str, key: &str) -> Result<()> {
    let part_is_odd = |part: &str| matches!(part, "" | "." | "..");
    let rule = if key.is_empty() {
        "it is empty"
    } else if key.chars().nth(KEY).is_some() {
        "it is longer than 250 characters"
    } else if !key.chars().all(|char| char.is_alphanumeric() || "_-. :/".contains(char)) {
        "use letters, digits, `_`, `-`, `.`, `:`, `/` and spaces"
    } else if key.starts_with("..") || key.split('/').any(part_is_odd) {
        "between slashes there must be something other than `.` and `..`, and `..` cannot stand first"
    } else {
        return Ok(());
    };
    Err(Error::Key { kind, key: key.to_owned(), rule })
}

pub(crate) fn name(name: &str) -> Result<()> {
    let rule = if name.trim().is_empty() {
        "it is empty"
    } else if name.chars().nth(KEY).is_some() {
        "it is longer than 250 characters"
    } else if name.chars().any(char::is_control) {
        "it has a control character, such as a line end"
    } else {
        return Ok(());
    };
    Err(Error::Key { kind: "name", key: name.to_owned(), rule })
}

pub(crate) fn param(key: &str, value: &str) -> Result<()> {
    self::key("param key", key)?;
    length("param", key, value, PARAM_VALUE)
}

pub(crate) fn tag(key: &str, value: &str) -> Result<()> {
    self::key("tag key", key)?;
    length("tag", key, value, TAG_VALUE)
}

/// A reason is never refused, since it often comes with an error already: it is cut.
pub(crate) fn cut(reason: &str) -> String {
    let mut cut: String = reason.chars().take(TAG_VALUE - 1).collect();
    if cut.len() < reason.len() {
        cut.push('…');
    }
    cut
}

fn length(kind: &'static str, key: &str, value: &str, limit: usize) -> Result<()> {
    // A text has at most as many characters as bytes.
    if value.len() <= limit {
        return Ok(());
    }
    match value.chars().count() {
        length if length > limit => Err(Error::TooLong { kind, key: key.to_owned(), length, limit }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_keys() {
        let longest = "ä".repeat(250);
        for legal in ["a", "loss", "val/loss", "Größe", "a b", "a:b-c_d.e", "a..b", "a/..b", &longest] {
            assert!(key("metric key", legal).is_ok(), "{legal}");
        }
    }

    #[track_caller]
    fn refused(illegal: &str, rule: &str) {
        let text = key("metric key", illegal).unwrap_err().to_string();
        assert!(text.contains(rule) && text.contains("metric key"), "{text}");
    }

    #[test]
    fn illegal_keys_are_named_with_the_rule() {
        refused("", "empty");
        refused(&"a".repeat(251), "250");
        for illegal in ["a\n", "a,b", "a\\b", "a=b", "loss%", "\u{1b}[31m"] {
            refused(illegal, "use letters");
        }
        for illegal in [".", "..", "..a", "/a", "a/", "a//b", "./a", "a/../b", "/"] {
            refused(illegal, "between slashes");
        }
        // Nothing in a message meddles with the terminal or fills it.
        let text = key("metric key", &"\u{1b}".repeat(300)).unwrap_err().to_string();
        assert!(!text.contains('\u{1b}') && text.chars().count() < 600, "{text}");
    }

    #[test]
    fn values_are_counted_in_characters() {
        assert!(param("a", &"ä".repeat(6000)).is_ok());
        let text = param("a", &"ä".repeat(6001)).unwrap_err().to_string();
        assert!(text.contains("param `a`") && text.contains("6001") && text.contains("6000"), "{text}");
        assert!(tag("a", &"ä".repeat(5000)).is_ok());
        assert!(tag("a", &"ä".repeat(5001)).is_err());
    }

    #[test]
    fn names_are_free_text_in_one_line() {
        assert!(name("wine, try 2 (ä=1)").is_ok());
        for illegal in ["", " ", "a\nb", &"a".repeat(251)] {
            assert!(name(illegal).is_err(), "{illegal:?}");
        }
    }

    #[test]
    fn long_reasons_are_cut() {
        assert_eq!(cut("a"), "a");
        assert_eq!(cut(&"ä".repeat(9000)).chars().count(), 5000);
    }
}
