use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::Error;

/// A mapping whose order is that of its making, so that the same pipeline gives the same bytes.
pub(crate) struct Map<V>(pub(crate) Vec<(String, V)>);

impl<V: Serialize> Serialize for Map<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

// Derived, it would ask the same of `V`.
impl<V> Default for Map<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Map<V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> FromIterator<(String, V)> for Map<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// A text over several lines, written as a literal block where every parser reads one back unchanged, else in quotes.
pub(crate) struct Lines(pub(crate) String);

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Other line ends than `\n` are read as one; a first line that begins blank decides the indentation.
        let foreign = |character: char| {
            (character.is_control() && character != '\n')
                || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        };
        let ends_once = self.0.strip_suffix('\n').is_some_and(|rest| !rest.ends_with('\n'));
        let block = ends_once && !self.0.starts_with([' ', '\n']) && !self.0.contains(foreign);
        if block { serde_saphyr::LitStr(&self.0).serialize(serializer) } else { self.0.serialize(serializer) }
    }
}

/// A document below a comment.
pub(crate) fn document<T: Serialize>(path: &'static str, header: &str, value: &T) -> Result<String, Error> {
    // Spellings that only YAML 1.1 takes for something else (`on`, `yes`, `1:30`) stay quoted: GitLab and act read 1.1.
    let options = serde_saphyr::ser_options! { compact_list_indent: false, prefer_block_scalars: false };
    let body = serde_saphyr::to_string_with_options(value, options)
        .map_err(|source| Error::Yaml { path, source: Box::new(source) })?;
    Ok(format!("{header}{body}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY_TEXT: &str =
        "\\PC{0,30}|[ -~\n\t]{0,40}|[#:>|&*!%@`'\"\\-?{}\\[\\],\n ]{0,12}|(on|yes|null|~|1:30|0x1F|1e3|2026-01-01)\n?";

    proptest! {
        /// Whatever a text holds, another YAML parser reads it back: as a value, in a list, as a key, over lines.
        #[test]
        fn any_text_is_read_back(text in ANY_TEXT, more in "[^\0]{0,12}") {
            for text in [text.clone(), format!("{text}\n{more}\n"), more] {
                let value = Map(vec![("key".to_owned(), vec![text.clone()]), (format!("k{text}"), vec![])]);
                let yaml = document("f", "# comment\n", &(value, Lines(text.clone()))).unwrap();
                let read: serde_norway::Value =
                    serde_norway::from_str(&yaml).map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
                prop_assert_eq!(read[0]["key"][0].as_str(), Some(text.as_str()), "{}", yaml);
                prop_assert!(read[0].get(format!("k{text}")).is_some(), "{yaml}");
                prop_assert_eq!(read[1].as_str(), Some(text.as_str()), "{}", yaml);
            }
        }
    }

    #[test]
    fn scripts_stay_readable() {
        let yaml = document("f", "", &Lines("set -eu\necho \"a\"\n".to_owned())).unwrap();
        assert_eq!(yaml, "|\n  set -eu\n  echo \"a\"\n");
    }
}
