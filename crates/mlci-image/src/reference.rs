use std::{fmt, net::IpAddr, str::FromStr};

use mlci_core::Digest;

/// Docker Hub, as it is written in references.
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// Other names of Docker Hub, which mean the same.
const HUB_ALIASES: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// What `repository:tag` is on Docker Hub when no user is named.
const HUB_USER: &str = "library";
const DEFAULT_TAG: &str = "latest";
const NAME_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;

/// The name of an image in a registry, such as `docker.io/user/name:tag` or `localhost:5000/x@sha256:…`.
///
/// The grammar is that of OCI Distribution Specification 1.1 ("Pulling manifests") for repositories, tags and digests,
/// and that of `docker pull` for the rest: without a registry, Docker Hub is meant; on Docker Hub, a name of one part
/// is in `library`; with neither tag nor digest, the tag is `latest`. A first part is a registry if it has a dot or a
/// colon or is `localhost`. Displayed in full.
///
/// ```
/// use mlci_image::Reference;
///
/// let reference: Reference = "user/name".parse()?;
/// assert_eq!(reference.to_string(), "docker.io/user/name:latest");
/// assert!("Team/name".parse::<Reference>().is_err());
/// # Ok::<(), mlci_image::ReferenceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry's host, with its port if it has one; `docker.io` for Docker Hub.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry, such as `library/debian`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if there is one: it may mean another image tomorrow.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, if there is one: then the reference means this image for ever.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same repository, at this digest and without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same repository, at this tag and without a digest.
    ///
    /// # Errors
    /// [`ReferenceError`] if it is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        check_tag(tag).map_err(|problem| ReferenceError { reference: tag.to_owned(), problem })?;
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// Registry and repository, without tag and digest.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// A text that names no image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{reference}` does not name an image in a registry: {problem}")]
#[non_exhaustive]
pub struct ReferenceError {
    /// The text.
    pub reference: String,
    /// What is wrong with it, and what would be right.
    pub problem: &'static str,
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| ReferenceError { reference: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    if text.contains("://") {
        return Err("leave out the scheme, as in `localhost:5000/team/name:tag`");
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            (rest, Some(digest.parse().map_err(|_| "after `@`, write `sha256:` and 64 lower-case hexadecimal digits")?))
        }
        None => (text, None),
    };
    let (registry, path) = match rest.split_once('/') {
        Some((first, path)) if is_registry(first) => (first, path),
        _ => (DOCKER_HUB, rest),
    };
    check_registry(registry)?;
    let (repository, tag) = match path.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (path, None),
    };
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    if repository.is_empty() {
        return Err("it has no repository, as in `localhost:5000/team/name:tag`");
    }
    if !repository.split('/').all(is_component) {
        return Err(
            "a repository has lower-case letters and digits, with single `.`, `_`, `/`, with `__`, or with hyphens \
                    between them",
        );
    }
    let registry = hub_or(registry);
    let repository = if registry == DOCKER_HUB && !repository.contains('/') {
        format!("{HUB_USER}/{repository}")
    } else {
        repository.to_owned()
    };
    if registry.len() + 1 + repository.len() > NAME_LIMIT {
        return Err("registry and repository have at most 255 bytes together");
    }
    let tag = match (tag, digest) {
        (None, None) => Some(DEFAULT_TAG.to_owned()),
        (tag, _) => tag.map(str::to_owned),
    };
    Ok(Reference { registry, repository, tag, digest })
}

/// The one name for Docker Hub, or the registry itself.
pub(crate) fn hub_or(registry: &str) -> String {
    let name = registry.to_ascii_lowercase();
    if HUB_ALIASES.contains(&name.as_str()) { DOCKER_HUB.to_owned() } else { name }
}

/// Whether a first component is a registry and not a user, by Docker's rule.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let (host, port) = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => {
            if !matches!(host.parse(), Ok(IpAddr::V6(_))) {
                return Err("between `[` and `]` stands an IPv6 address");
            }
            (None, rest.strip_prefix(':').or((!rest.is_empty()).then_some("")))
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.is_some_and(|host| !host.split('.').all(is_label)) {
        return Err("a registry is a host name or an address, with `:` and a port if need be");
    }
    if port.is_some_and(|port| {
        !port.bytes().all(|byte| byte.is_ascii_digit()) || !port.parse().is_ok_and(|port: u16| port > 0)
    }) {
        return Err("a registry's port is a number from 1 to 65535");
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let legal = tag.len() <= TAG_LIMIT
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'));
    if legal {
        Ok(())
    } else {
        Err("a tag has letters, digits, `_`, `.` and `-`, does not begin with `.` or `-`, and has at most 128 bytes")
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edge = |byte: Option<u8>| byte.is_some_and(word);
    edge(component.bytes().next())
        && edge(component.bytes().next_back())
        && component
            .split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit())
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests;
