use std::collections::HashSet;

use mlci_core::Digest;

use crate::{
    Error, Layout, Result,
    document::{Index, REF_NAME},
    layer::Content,
};

const REFERENCE_LIMIT: usize = 255;

impl Layout {
    /// Gives an image a reference, as `org.opencontainers.image.ref.name` in `index.json`.
    ///
    /// An image may have several. A reference that another image has moves; that image stays, without it. The index is
    /// replaced in one step.
    ///
    /// # Errors
    /// [`Error::Reference`] if it is not in the specification's form; [`Error::NoImage`] if no such image is here;
    /// [`Error::Layout`] and [`Error::Storage`] as for [`Layout::open`].
    pub fn tag(&self, digest: &Digest, reference: &str) -> Result<()> {
        if reference.len() > REFERENCE_LIMIT || !is_reference(reference) {
            return Err(Error::Reference { reference: reference.to_owned() });
        }
        let _lock = (self.lock_for_adding()?, self.lock_index()?);
        let mut index = self.index()?;
        if !index.images().contains(digest) {
            return Err(Error::NoImage { digest: *digest, folder: self.folder.clone() });
        }
        if set_tag(&mut index, &digest.to_string(), reference) { self.write_index(&index) } else { Ok(()) }
    }
}

/// Says whether the index had to be changed.
fn set_tag(index: &mut Index, digest: &str, reference: &str) -> bool {
    let mut holders = index.manifests.iter().filter(|entry| entry.tag() == Some(reference));
    if holders.next().is_some_and(|entry| entry.digest == digest) && holders.next().is_none() {
        return false;
    }
    let mut touched = vec![digest.to_owned()];
    for entry in index.manifests.iter_mut().filter(|entry| entry.tag() == Some(reference)) {
        entry.annotations.remove(REF_NAME);
        touched.push(entry.digest.clone());
    }
    if let Some(at) = index.manifests.iter().position(|entry| entry.digest == digest && entry.is_ours()) {
        // Annotations of other tools can be names too, which belong to that entry.
        let mut tagged = index.manifests[at].clone();
        tagged.annotations.retain(|key, _| Content::ALL.iter().any(|content| content.key() == key));
        tagged.annotations.insert(REF_NAME.to_owned(), reference.to_owned());
        index.manifests.insert(at, tagged);
    }
    // An entry without a reference is only of use to an image that has no other.
    let mut listed: HashSet<_> =
        index.manifests.iter().filter(|entry| entry.tag().is_some()).map(|entry| entry.digest.clone()).collect();
    index.manifests.retain(|entry| {
        entry.tag().is_some() || !touched.contains(&entry.digest) || listed.insert(entry.digest.clone())
    });
    true
}

/// The grammar of the specification ("Pre-Defined Annotation Keys"): components with `/` between them; in a component,
/// runs of letters and digits with one of `-._:@+`, or `--`, between them.
fn is_reference(text: &str) -> bool {
    text.split('/').all(|component| {
        // A doubled hyphen is one separator; three are not a legal one, and leave one hyphen behind.
        component
            .replace("--", "-")
            .split(['-', '.', '_', ':', '@', '+'])
            .all(|run| !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    })
}

#[cfg(test)]
mod tests {
    use super::is_reference;

    #[test]
    fn the_grammar_of_the_specification() {
        for legal in ["v1", "1", "demo:v1", "localhost:5000/team/wine-quality:3", "a--b", "a@sha256:00", "A.b_c+d"] {
            assert!(is_reference(legal), "{legal}");
        }
        for illegal in ["", "/", "a/", "/a", "a//b", "-a", "a-", "a..b", "a---b", "a b", "ä", "a\n", "a\\b"] {
            assert!(!is_reference(illegal), "{illegal}");
        }
    }
}
