use std::{error::Error as StdError, io, path::PathBuf};

use mlci_core::{Digest, FileError, Label, ModelName};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be stored or read.
///
/// `object` is where the object is: the file's path in a directory store, else the store's name and the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder of a directory store could not be made.
    #[error(transparent)]
    Folder(#[from] FileError),

    /// A directory store was asked for at a path that is no folder.
    #[error("`{}` is no folder, so it cannot be a store: name a folder, or move the file away", path.display())]
    NotAFolder {
        /// The path as given.
        path: PathBuf,
    },

    /// A URL that names no store.
    #[error("`{url}` names no store: {rule}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        rule: &'static str,
    },

    /// The client for a kind of store was left out when this program was built.
    #[error("`{url}` needs the feature `{feature}`, which this program was built without")]
    NotCompiledIn {
        /// The URL.
        url: String,
        /// The feature.
        feature: &'static str,
    },

    /// The store's server refused.
    #[error("cannot {action} `{object}`: the server says {code} ({status}), \"{message}\"{}", advice_for(code))]
    Refused {
        /// What was being done, as a verb.
        action: &'static str,
        /// The object.
        object: String,
        /// The HTTP status, such as `403 Forbidden`.
        status: String,
        /// The server's error code, such as `NoSuchBucket`.
        code: String,
        /// What the server says about it; empty where it says no more.
        message: String,
    },

    /// The object store failed.
    #[error("cannot {action} `{object}`{}", advice(source))]
    Store {
        /// What was being done, as a verb.
        action: &'static str,
        /// The object.
        object: String,
        /// Why it failed.
        source: object_store::Error,
    },

    /// An object of the user's that is not there.
    #[error("there is no object `{object}`: check the bucket and the key")]
    MissingObject {
        /// The object that was asked for.
        object: String,
    },

    /// A blob that is neither among the blobs nor in the trash.
    #[error("there is no blob {digest} (`{object}`): publish the same content again, or restore it from a backup")]
    MissingBlob {
        /// The blob that was asked for.
        digest: Digest,
        /// Where it should be.
        object: String,
    },

    /// The bytes of a blob do not have the digest that it is named by.
    #[error(
        "`{object}` is damaged: expected {expected}, its content is {actual}; \
         restore it from a backup, or delete it and publish the same model again"
    )]
    DamagedBlob {
        /// The object.
        object: String,
        /// The digest in its name.
        expected: Digest,
        /// The digest of its content.
        actual: Digest,
    },

    /// A numbered entry that is empty, cut off, of another shape, or under a wrong number.
    ///
    /// The store never writes a part of an entry, so this is damage from outside. It is reported rather than passed
    /// over also when it is the last entry: it may have been the present state.
    #[error(
        "`{object}` is not a readable entry: restore it from a backup, \
         or delete it if it is the last one and nothing was done by it"
    )]
    DamagedEntry {
        /// The object.
        object: String,
        /// Where the content leaves the expected shape.
        source: serde_json::Error,
    },

    /// An entry in a format that this version of the crate does not know.
    #[error("`{object}` has format {found}, and this version reads format {supported}: use a newer version of mlci")]
    UnknownFormat {
        /// The object.
        object: String,
        /// The format that the entry states.
        found: u64,
        /// The newest format that can be read.
        supported: u64,
    },

    /// A value that JSON cannot hold so that it is read back the same (such as a NaN, which becomes null).
    #[error("the new entry for `{object}` cannot be written as JSON and read back")]
    Encode {
        /// The object that would have been written.
        object: String,
        /// What does not fit.
        source: serde_json::Error,
    },

    /// No such version of a model.
    #[error("model `{name}` has no version {version}: {}", they_are(existing))]
    NotFound {
        /// The model.
        name: ModelName,
        /// The version that was asked for.
        version: u64,
        /// The versions that exist, ascending.
        existing: Vec<u64>,
    },

    /// The principal file is not among the files to publish.
    #[error("none of the files to publish as `{name}` is the model {model} (given: {})", listed(files))]
    NoPrincipal {
        /// The model.
        name: ModelName,
        /// The digest that the draft states.
        model: Digest,
        /// The names of the files given.
        files: Vec<String>,
    },

    /// A file name that could not be written into a folder as it is.
    #[error("`{}` cannot be a file of a version: use a plain file name of 1 to 255 bytes, without `/` or `\\`", file.escape_debug())]
    FileName {
        /// The name as given.
        file: String,
    },

    /// A part of a log's path that breaks the rules.
    #[error(
        "`{}` cannot be part of the path of a log: use 1 to 63 lower-case letters and digits, \
         with single `.`, `_` or `-` between them, and not `.json` at the end",
        segment.escape_debug()
    )]
    LogPath {
        /// The part as given; empty when the path has no parts.
        segment: String,
    },

    /// Somebody else appended meanwhile.
    #[error(
        "`{object}` has moved on: its last entry is {}, not {}; read it again and decide anew",
        number(found),
        number(expected)
    )]
    Conflict {
        /// The log.
        object: String,
        /// The last entry that the caller knew.
        expected: Option<u64>,
        /// The last entry there is.
        found: Option<u64>,
    },

    /// An alias that never pointed to another version before, so there is nothing to go back to.
    #[error(
        "alias `{alias}` of model `{name}` has nothing to go back to: {}",
        match current {
            Some(version) => format!("before version {version} it pointed to none"),
            None => "it was never set".to_owned(),
        }
    )]
    NothingToRollBack {
        /// The model.
        name: ModelName,
        /// The alias.
        alias: Label,
        /// The version that the alias points to.
        current: Option<u64>,
    },
}

fn number(number: &Option<u64>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| number.to_string())
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// "it has 1 to 4, 7": runs are drawn together, so that a thousand versions stay readable.
fn they_are(versions: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &version in versions {
        match runs.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(version) => *end = version,
            _ => runs.push((version, version)),
        }
    }
    let texts: Vec<_> = runs
        .iter()
        .map(|(start, end)| if start == end { start.to_string() } else { format!("{start} to {end}") })
        .collect();
    if texts.is_empty() {
        "nothing was published under this name".to_owned()
    } else {
        format!("it has {}", texts.join(", "))
    }
}

impl Error {
    /// An error of the object store, with a server's own words taken out of the reply that it quotes.
    pub(crate) fn of(action: &'static str, object: String, source: object_store::Error) -> Self {
        let text = source.to_string();
        match element(&text, "Code") {
            Some(code) => Self::Refused {
                action,
                object,
                status: text
                    .split_once("status code: ")
                    .and_then(|(_, rest)| rest.split(':').next())
                    .map_or_else(|| "no status".to_owned(), |status| status.trim().to_owned()),
                code: code.to_owned(),
                message: element(&text, "Message").unwrap_or_default().to_owned(),
            },
            None => Self::Store { action, object, source },
        }
    }
}

/// The text of the first element of this name in the XML of an error reply (Amazon S3 API Reference, "Error
/// Responses"; Cloud Storage's XML API has the same). object_store passes the reply on as part of its message only.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
}

/// What to do about a server's refusal.
fn advice_for(code: &str) -> &'static str {
    match code {
        "NoSuchBucket" => ": make the bucket, or name another",
        "AccessDenied"
        | "AuthenticationRequired"
        | "ExpiredToken"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "SignatureDoesNotMatch" => ": check the credentials and what they may do",
        "RequestTimeTooSkewed" => ": set this machine's clock",
        _ => "",
    }
}

/// What to do about it, where the cause says so. Nothing half written is left in any of these cases.
fn advice(error: &object_store::Error) -> &'static str {
    use object_store::Error as E;
    if matches!(error, E::PermissionDenied { .. } | E::Unauthenticated { .. }) {
        return ": check the credentials and what they may do";
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    ": there is no space left; free some and do the same again"
                }
                io::ErrorKind::PermissionDenied => ": give this user the right to read and write the store's folder",
                io::ErrorKind::ReadOnlyFilesystem => ": the file system is read-only; name a store elsewhere",
                io::ErrorKind::NotADirectory => ": a file stands where the store needs a folder; move it away",
                _ => "",
            };
        }
        cause = error.source();
    }
    ""
}
