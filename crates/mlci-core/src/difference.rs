use std::fmt;

use similar::TextDiff;

/// How a file that is there differs from the one that would be written: its `Display` is a unified diff, with `-` for
/// lines that are there and `+` for those to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    path: String,
    missing: bool,
    diff: String,
}

impl Difference {
    pub(crate) fn between(path: &str, existing: Option<&str>, wanted: &str) -> Option<Self> {
        let missing = existing.is_none();
        let existing = existing.unwrap_or_default().replace("\r\n", "\n");
        if !missing && existing == wanted {
            return None;
        }
        let diff = TextDiff::from_lines(existing.as_str(), wanted);
        let mut diff = diff.unified_diff();
        let from = if missing { "/dev/null" } else { path };
        let diff = diff.context_radius(3).header(from, path).to_string();
        Some(Self { path: path.to_owned(), missing, diff })
    }

    /// The file, relative to the root of the repository.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the file is not there at all.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.missing
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(existing: Option<&str>, wanted: &str, lines: Option<&[&str]>) {
        let difference = Difference::between("f", existing, wanted).map(|difference| difference.to_string());
        let changed = difference
            .as_ref()
            .map(|text| text.lines().skip(2).filter(|line| line.starts_with(['+', '-'])).collect::<Vec<_>>());
        assert_eq!(changed.as_deref(), lines, "{difference:?}");
    }

    #[test]
    fn changed_lines_and_no_others() {
        check(Some("a\nb\nc\n"), "a\nB\nc\n", Some(&["-b", "+B"]));
        check(Some("a\n"), "a\nb\n", Some(&["+b"]));
        check(None, "a\n", Some(&["+a"]));
        check(Some(""), "a\n", Some(&["+a"]));
    }

    #[test]
    fn line_ends_of_a_checkout_are_no_difference() {
        check(Some("a\r\nb\r\n"), "a\nb\n", None);
        check(Some("a\nb\n"), "a\nb\n", None);
    }
}
