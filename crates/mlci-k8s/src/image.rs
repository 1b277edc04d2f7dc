use std::{fmt, str::FromStr};

use mlci_core::Digest;

/// An image by the digest of its manifest: `REGISTRY/REPOSITORY@sha256:…`, as a pod's specification names it.
///
/// A tag may stand before the digest (`repository:v1@sha256:…`); it is for people, and no cluster looks at it. A
/// reference without a digest is refused: what a tag means can change between two pods of one rollout.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    name: String,
    digest: Digest,
}

/// A text that does not name an image by its digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` does not name an image by its digest: {problem}; write `REGISTRY/REPOSITORY@sha256:…`")]
pub struct ImageReferenceError {
    text: String,
    problem: &'static str,
}

impl ImageReference {
    /// The image with this digest in a repository, such as `127.0.0.1:5000/wine-quality`.
    ///
    /// # Errors
    /// [`ImageReferenceError`] if the repository is not one (OCI Distribution Specification 1.1, "Pulling manifests").
    pub fn new(repository: &str, digest: Digest) -> Result<Self, ImageReferenceError> {
        let fail = |problem| ImageReferenceError { text: format!("{repository}@{digest}"), problem };
        check_repository(repository).map_err(fail)?;
        Ok(Self { name: repository.to_owned(), digest })
    }

    /// The digest of the image's manifest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What stands before the digest: registry, repository and, if there is one, the tag.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        let fail = |problem| ImageReferenceError { text: text.to_owned(), problem };
        let (name, digest) = text.split_once('@').ok_or_else(|| fail("it has no digest"))?;
        let digest = digest.parse().map_err(|_| fail("what follows `@` is no SHA-256 digest"))?;
        check_repository(name).map_err(fail)?;
        Ok(Self { name: name.to_owned(), digest })
    }
}

/// Accepts `[HOST[:PORT]/]PATH[:TAG]`.
fn check_repository(text: &str) -> Result<(), &'static str> {
    let (path, tag) = match text.rsplit_once(':') {
        // A colon before a slash belongs to a port.
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (text, None),
    };
    if let Some(tag) = tag {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if !(1..=128).contains(&tag.len()) || !tag.bytes().all(inside) || tag.starts_with(['.', '-']) {
            return Err("its tag has to be letters, digits, `_`, `.` and `-`, at most 128");
        }
    }
    let (host, path) = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), rest),
        _ => (None, path),
    };
    let host_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    if !host.is_none_or(|host| host.bytes().all(host_character)) {
        return Err("its registry has to be a host name or address, with or without a port");
    }
    let component = |part: &str| {
        let end = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
        let inside =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        part.bytes().all(inside) && part.starts_with(end) && part.ends_with(end)
    };
    if path.len() > 255 || !path.split('/').all(component) {
        return Err("its repository has to be lower-case letters and digits, with `.`, `_`, `-` and `/` between them");
    }
    Ok(())
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.digest)
    }
}

impl fmt::Debug for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_round_trip() {
        let digest = Digest::of(b"image");
        for name in ["a", "library/a", "localhost/a", "127.0.0.1:5000/a/b_c", "reg.example.com/a:v1", "h:1/a:T_1.0"] {
            let text = format!("{name}@{digest}");
            let image: ImageReference = text.parse().unwrap();
            assert_eq!((image.to_string(), image.digest(), image.name()), (text, digest, name));
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let digest = Digest::of(b"image");
        for (text, problem) in [
            ("a:latest".to_owned(), "no digest"),
            ("a@sha256:12".to_owned(), "no SHA-256"),
            (format!("A@{digest}"), "repository"),
            (format!("@{digest}"), "repository"),
            (format!("a//b@{digest}"), "repository"),
            (format!("a/-b@{digest}"), "repository"),
            (format!("a:@{digest}"), "tag"),
            (format!("a:.b@{digest}"), "tag"),
            (format!("h$.io/a@{digest}"), "registry"),
        ] {
            let error = text.parse::<ImageReference>().unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(&text), "{error}");
        }
    }
}
