//! The JSON documents of the OCI Image Format Specification 1.1, as far as they are used.
//!
//! Fields are written in the order they stand in, and maps are sorted: the bytes follow from the content alone.

use std::collections::BTreeMap;

use mlci_core::Digest;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{layer::Content, spec::Architecture, spec::Settings};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The annotation of the specification for the name of an image in a layout.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Bytes of a layer's tar archive, so that a reader knows where to stop.
pub(crate) const TAR_BYTES: &str = "mlci.layer.tar.bytes";
pub(crate) const FORMAT_KEY: &str = "mlci.layer.format";
/// How layers are made. To be raised whenever the same file would give other layer bytes (another compression level,
/// another tar header), so that old layers are not mixed with new ones and every machine gets one digest.
pub(crate) const FORMAT: &str = "1";

pub(crate) type Annotations = BTreeMap<String, String>;

/// The file `oci-layout`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayoutFile {
    pub(crate) image_layout_version: String,
}

/// The file `index.json`. Other tools may write it too: what is not known here is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    // Some tools write an empty list as null.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) manifests: Vec<Entry>,
    #[serde(flatten)]
    pub(crate) other: serde_json::Map<String, serde_json::Value>,
}

impl Index {
    pub(crate) fn empty() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(INDEX.to_owned()),
            manifests: Vec::new(),
            other: serde_json::Map::new(),
        }
    }

    pub(crate) fn entries_of(&self, digest: &Digest) -> impl Iterator<Item = &Entry> {
        let digest = digest.to_string();
        self.manifests.iter().filter(move |entry| entry.digest == digest)
    }

    /// The images that mlci made, each once, in the order in which they were added.
    pub(crate) fn images(&self) -> Vec<Digest> {
        let mut digests = Vec::new();
        for entry in self.manifests.iter().filter(|entry| entry.is_ours()) {
            if let Ok(digest) = entry.digest.parse()
                && !digests.contains(&digest)
            {
                digests.push(digest);
            }
        }
        digests
    }

    pub(crate) fn tags_of(&self, digest: &Digest) -> Vec<String> {
        let mut tags: Vec<_> = self.entries_of(digest).filter_map(|entry| entry.tag().map(str::to_owned)).collect();
        tags.sort();
        tags.dedup();
        tags
    }
}

/// One manifest in `index.json`; an image with several tags has several.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    // Text, since another tool's entry may use another algorithm.
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Annotations::is_empty")]
    pub(crate) annotations: Annotations,
    #[serde(flatten)]
    pub(crate) other: serde_json::Map<String, serde_json::Value>,
}

impl Entry {
    pub(crate) fn new(digest: &Digest, size: u64, annotations: Annotations, architecture: Architecture) -> Self {
        let platform = serde_json::json!({"architecture": architecture.as_str(), "os": OS});
        Self {
            media_type: Some(MANIFEST.to_owned()),
            digest: digest.to_string(),
            size,
            annotations,
            other: [("platform".to_owned(), platform)].into_iter().collect(),
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        [Content::Server, Content::Model].iter().all(|content| self.annotations.contains_key(content.key()))
    }

    pub(crate) fn holds(&self, content: Content, digest: &Digest) -> bool {
        self.annotations.get(content.key()).is_some_and(|value| *value == digest.to_string())
    }

    pub(crate) fn tag(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).map(String::as_str)
    }
}

/// An image manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// What a manifest says of a blob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Annotations::is_empty")]
    pub(crate) annotations: Annotations,
}

/// An image configuration. `created` is left out, as the specification allows: it would be the one field that changes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) architecture: Architecture,
    os: String,
    config: Execution,
    rootfs: RootFs,
    history: Vec<History>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    user: String,
    exposed_ports: BTreeMap<String, Nothing>,
    env: Vec<String>,
    entrypoint: Vec<String>,
    working_dir: String,
    labels: BTreeMap<String, String>,
    stop_signal: String,
}

/// The empty object that stands for a member of a set.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nothing {}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct RootFs {
    r#type: String,
    diff_ids: Vec<Digest>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct History {
    created_by: String,
}

const OS: &str = "linux";
/// The user `nonroot` of the distroless images, with no rights anywhere.
const USER: &str = "65532:65532";

impl Config {
    /// The configuration of an image whose layers, the server's and the model's, have these file digests and diff ids.
    pub(crate) fn new(settings: &Settings, contents: [(Content, Digest, Digest); 2]) -> Self {
        let port = settings.port;
        Self {
            architecture: settings.architecture,
            os: OS.to_owned(),
            config: Execution {
                user: USER.to_owned(),
                exposed_ports: [(format!("{port}/tcp"), Nothing {})].into(),
                env: vec![format!("MLCI_MODEL=/{}", Content::Model.path()), format!("MLCI_LISTEN=0.0.0.0:{port}")],
                entrypoint: vec![format!("/{}", Content::Server.path())],
                working_dir: "/".to_owned(),
                labels: contents
                    .iter()
                    .map(|(content, file, _)| (content.key().to_owned(), file.to_string()))
                    .collect(),
                stop_signal: "SIGTERM".to_owned(),
            },
            rootfs: RootFs {
                r#type: "layers".to_owned(),
                diff_ids: contents.iter().map(|(.., diff_id)| *diff_id).collect(),
            },
            history: contents
                .iter()
                .map(|(content, ..)| History { created_by: format!("mlci: {}", content.path()) })
                .collect(),
        }
    }

    pub(crate) fn label(&self, content: Content) -> Option<Digest> {
        self.config.labels.get(content.key())?.parse().ok()
    }

    pub(crate) fn diff_ids(&self) -> &[Digest] {
        &self.rootfs.diff_ids
    }
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
