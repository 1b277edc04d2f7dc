use crate::Difference;

/// A file that mlci writes for a repository to check in: a CI definition, a chart, alert rules, a dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Where it belongs, relative to the root of the repository, with `/` between its parts.
    pub path: String,
    /// Its content, UTF-8 with `\n` at the end of each line.
    pub text: String,
}

impl RenderedFile {
    /// The first words of every rendered file, after the comment sign; where a format has no comments, of the first
    /// text that describes the whole.
    pub const MARK: &str = "Made by mlci";

    /// Compares a file that is there (`None`: it is not) with this one; `None` if they are the same. Line ends count
    /// as equal whether `\n` or `\r\n`, since git may change them at check-out.
    #[must_use]
    pub fn compare(&self, existing: Option<&str>) -> Option<Difference> {
        Difference::between(&self.path, existing, &self.text)
    }

    /// Whether a file that is there was made by mlci, so that it may be overwritten: by the comment that it starts
    /// with (`#`, `//` or a template's `{{/*`), or, in JSON, by a value that starts with it among the first 1,000
    /// characters. Behind the mark stands a `;`.
    #[must_use]
    pub fn is_ours(existing: &str) -> bool {
        let first = existing.trim_start_matches('\u{feff}').trim_start();
        if first.starts_with('{') && !first.starts_with("{{") {
            let head: String = first.chars().take(1000).collect();
            let mark = format!("\"{};", Self::MARK);
            let mut before = head.match_indices(&mark).filter_map(|(at, _)| head.get(..at));
            // A key, or a quote within a text, has another character before it.
            return before.any(|before| before.trim_end().ends_with(':'));
        }
        ["#", "//", "{{- /*", "{{/*"]
            .iter()
            .find_map(|sign| first.strip_prefix(sign))
            .and_then(|line| line.trim_start().strip_prefix(Self::MARK))
            .is_some_and(|rest| rest.starts_with(';'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_and_others() {
        for ours in [
            "# Made by mlci; edits are lost.\na: 1\n",
            "\u{feff}// Made by mlci; edits are lost.\r\n",
            "{{- /* Made by mlci; edits are lost. */ -}}\n",
            "{\n  \"_meta\": {\"description\": \"Made by mlci; edits are lost.\"}\n}\n",
        ] {
            assert!(RenderedFile::is_ours(ours), "{ours}");
        }
        for other in [
            "",
            "a: 1\n# Made by mlci; x\n",
            "# Not Made by mlci; x\n",
            "# Made by mlcix; x\n",
            "# Made by mlci and by hand\n",
            "{\"a\": \"not Made by mlci; x\"}",
            "{\"a\": \"not \\\"Made by mlci; x\\\"\"}",
            "{\"Made by mlci; x\": 1}",
            "{{ .Values }}",
        ] {
            assert!(!RenderedFile::is_ours(other), "{other}");
        }
        let late = format!("{{\"a\": \"{}\", \"b\": \"Made by mlci; x\"}}", "ä".repeat(1000));
        assert!(!RenderedFile::is_ours(&late));
    }
}
