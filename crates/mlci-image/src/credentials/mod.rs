//! Docker's own way of keeping credentials.
//!
//! Not docker_credential 1.4: it asks `auths` before `credsStore`, knows the aliases of Docker Hub for `auths` alone,
//! does not say which helper is missing, puts what a helper printed (which may be the secret) into its error, and keeps
//! secrets in texts that Debug shows.

mod config;
mod helper;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    env, fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use crate::reference::{DOCKER_HUB, hub_or};

/// Under which name helpers and `auths` have Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// What a user proves to a registry with. Debug shows the user's name alone.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credential {
    /// A name and a password, or an access token in its place.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// An OAuth 2.0 refresh token, which the registry's token server takes (user `<token>` of a helper).
    IdentityToken(SecretString),
}

impl Credential {
    /// A name and a password.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Password { user: user.into(), password: SecretString::from(password.into()) }
    }

    /// By the rule of credential helpers: the user `<token>` has an identity token.
    pub(crate) fn new(user: String, secret: String) -> Self {
        match user.as_str() {
            "<token>" => Self::IdentityToken(secret.into()),
            _ => Self::Password { user, password: secret.into() },
        }
    }

    /// Who it is, for a message.
    #[cfg(feature = "registry")]
    pub(crate) fn who(&self) -> String {
        match self {
            Self::Password { user, .. } => format!("user `{user}`"),
            Self::IdentityToken(_) => "an identity token".to_owned(),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => f.debug_struct("Password").field("user", user).finish_non_exhaustive(),
            Self::IdentityToken(_) => f.write_str("IdentityToken(..)"),
        }
    }
}

/// Where credentials are looked for: those that were given, then Docker's configuration.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    given: BTreeMap<String, Credential>,
    config: Option<PathBuf>,
}

impl Credentials {
    /// Only those that are given by [`with`](Self::with); anonymous otherwise.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Those of Docker's command line: `config.json` in the folder `$DOCKER_CONFIG`, else in `~/.docker`. A missing
    /// file is an empty one.
    #[must_use]
    pub fn docker() -> Self {
        let folder = match env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()) {
            Some(folder) => Some(PathBuf::from(folder)),
            None => env::home_dir().map(|home| home.join(".docker")),
        };
        Self { given: BTreeMap::new(), config: folder.map(|folder| folder.join("config.json")) }
    }

    /// Those in this file, in the form of Docker's `config.json`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { given: BTreeMap::new(), config: Some(path.into()) }
    }

    /// This credential for this registry (`docker.io` for Docker Hub), before all others.
    #[must_use]
    pub fn with(mut self, registry: &str, credential: Credential) -> Self {
        self.given.insert(hub_or(registry), credential);
        self
    }

    /// The credential for a registry: the one given, else that of its helper in `credHelpers`, else that of
    /// `credsStore`, else that in `auths`. A helper that says that it has none is passed over. Docker Hub is found by
    /// all its names.
    ///
    /// A helper runs as a program of its own, for at most a minute; it is killed when this is cancelled.
    ///
    /// # Errors
    /// [`CredentialsError`] if the file cannot be read or understood, or if a helper is missing or failed.
    pub async fn find(&self, registry: &str) -> Result<Option<Credential>, CredentialsError> {
        let registry = hub_or(registry);
        if let Some(credential) = self.given.get(&registry) {
            return Ok(Some(credential.clone()));
        }
        let Some(path) = &self.config else { return Ok(None) };
        let Some(config) = config::read(path)? else { return Ok(None) };
        let address = address(&registry);
        for helper in config.helpers(&registry) {
            if let Some(credential) = helper::get(path, helper, address).await? {
                return Ok(Some(credential));
            }
        }
        config.stored(path, &registry)
    }

    /// Where they come from, for a message.
    #[cfg(feature = "registry")]
    pub(crate) fn place(&self) -> String {
        self.config
            .as_deref()
            .map_or_else(|| "none are looked for".to_owned(), |path| format!("looked in `{}`", path.display()))
    }
}

/// What a registry is called when a helper is asked, or the Engine told.
pub(crate) fn address(registry: &str) -> &str {
    if registry == DOCKER_HUB { HUB_KEY } else { registry }
}

/// The registry that a key in `config.json` means: some tools write it as a URL.
fn registry_of(key: &str) -> String {
    let host = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    hub_or(host.split('/').next().unwrap_or(host))
}

/// Why credentials could not be looked up. Never holds one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file is there and cannot be read.
    #[error("cannot read the registry credentials in `{}`: make it readable for this user", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    // The JSON error itself may quote what stands in the file.
    /// The file is not what Docker writes.
    #[error(
        "`{}` is not a Docker configuration (line {line}, column {column}): mend it, or remove it and run `docker login` again",
        path.display()
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// An entry in `auths` is not base64 of user, colon and password.
    #[error("`auths` in `{}` has no `user:password` in base64 for `{registry}`: run `docker login {registry}` again", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The registry.
        registry: String,
    },
    /// A helper's name is no name of a program.
    #[error("`{}` names the credential helper `{helper}`: write what follows `docker-credential-` in the program's name", path.display())]
    HelperName {
        /// The file.
        path: PathBuf,
        /// The name.
        helper: String,
    },
    /// The helper could not be started.
    #[error(
        "cannot run the credential helper `docker-credential-{helper}` that `{}` names: install it on PATH, or remove it \
         from the file and run `docker login` again",
        path.display()
    )]
    HelperMissing {
        /// The file.
        path: PathBuf,
        /// The name, without `docker-credential-`.
        helper: String,
        /// Why.
        source: std::io::Error,
    },
    /// The helper ran and gave no credential.
    #[error("the credential helper `docker-credential-{helper}` gave nothing for `{address}`: {problem}")]
    HelperFailed {
        /// The name, without `docker-credential-`.
        helper: String,
        /// What it was asked for.
        address: String,
        /// What went wrong, and what to do.
        problem: String,
    },
}

impl CredentialsError {
    fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }
}
