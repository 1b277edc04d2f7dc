use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;

use crate::credentials::{Credential, CredentialsError, registry_of};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is used of `config.json`. No Debug: it holds secrets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// The configuration in a file, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<Config>, CredentialsError> {
    let text = match fs::read(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(CredentialsError::read(path)(error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| CredentialsError::Json {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    })
}

impl Config {
    /// The helpers to ask, in this order.
    pub(super) fn helpers(&self, registry: &str) -> impl Iterator<Item = &str> {
        let own =
            self.cred_helpers.iter().flatten().find(|(key, _)| registry_of(key) == registry).map(|(_, helper)| helper);
        // Docker asks one of them: the registry's own has the place of the store.
        own.or(self.creds_store.as_ref()).map(String::as_str).filter(|helper| !helper.is_empty()).into_iter()
    }

    /// What stands in `auths`.
    pub(super) fn stored(&self, path: &Path, registry: &str) -> Result<Option<Credential>, CredentialsError> {
        let entries = self.auths.iter().flatten().filter(|(key, _)| registry_of(key) == registry);
        for entry in entries.filter_map(|(_, entry)| entry.as_ref()) {
            let wrong = || CredentialsError::Entry { path: PathBuf::from(path), registry: registry.to_owned() };
            let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
            if let Some(token) = filled(&entry.identitytoken) {
                return Ok(Some(Credential::IdentityToken(token.into())));
            }
            if let Some(auth) = filled(&entry.auth) {
                let bytes = Zeroizing::new(BASE64.decode(auth).map_err(|_| wrong())?);
                let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
                let (user, password) = text.split_once(':').ok_or_else(wrong)?;
                // Docker strips what old versions padded with.
                return Ok(Some(Credential::new(user.to_owned(), password.trim_end_matches('\0').to_owned())));
            }
            if let (Some(user), Some(password)) = (filled(&entry.username), filled(&entry.password)) {
                return Ok(Some(Credential::new(user, password)));
            }
            // An empty entry says only that some helper knows the registry.
        }
        Ok(None)
    }
}
