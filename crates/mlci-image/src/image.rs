use mlci_core::Digest;
use serde::de::DeserializeOwned;

use crate::{
    Architecture, Error, Layout, Result,
    document::{CONFIG, Config, Entry, FORMAT, FORMAT_KEY, LAYER, MANIFEST, Manifest},
    layer::{Content, Packed, tar_bytes},
};

const OTHER_TYPES: &str = "has other media types or another version";

/// An image in a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The digest of the manifest, by which the image is named everywhere.
    pub digest: Digest,
    /// The digest of the configuration, which Docker calls the image's id.
    pub config: Digest,
    /// The digest of the server binary, as a file.
    pub server: Digest,
    /// The digest of the model, as a file.
    pub model: Digest,
    /// The processor that the server is built for.
    pub architecture: Architecture,
    /// Bytes of the layers' blobs: what is stored and transferred.
    pub compressed_bytes: u64,
    /// Bytes of the layers' archives: what the image takes up where it runs, and a few blocks.
    pub uncompressed_bytes: u64,
    /// The server's layer, then the model's.
    pub layers: Vec<Layer>,
    /// The references that the image has in this layout, sorted.
    pub tags: Vec<String>,
    /// From [`Layout::build`]: the image was there and nothing was written. True for an image that was found.
    pub reused: bool,
}

/// A layer of an image: a tar archive compressed with gzip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer {
    /// The digest of the blob.
    pub digest: Digest,
    /// The digest of the archive.
    pub diff_id: Digest,
    /// Bytes of the blob.
    pub compressed_bytes: u64,
    /// Bytes of the archive.
    pub uncompressed_bytes: u64,
}

/// The documents of an image, checked against their digests and found to be of an image that mlci makes.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) config: Config,
    /// By [`Content::ALL`].
    pub(crate) layers: [Packed; 2],
    pub(crate) files: [Digest; 2],
}

impl Packed {
    /// Whether it is made as layers are made today.
    pub(crate) fn is_current(&self) -> bool {
        self.descriptor.annotations.get(FORMAT_KEY).is_some_and(|format| format == FORMAT)
    }
}

impl Parts {
    /// The image in `index.json`, without a tag. The manifest has `size` bytes.
    pub(crate) fn entry(&self, size: u64) -> Entry {
        let labels = Content::ALL.iter().zip(&self.files);
        let labels = labels.map(|(content, file)| (content.key().to_owned(), file.to_string())).collect();
        Entry::new(&self.digest, size, labels, self.config.architecture)
    }

    pub(crate) fn image(&self, tags: Vec<String>) -> Image {
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| Layer {
                digest: layer.descriptor.digest,
                diff_id: layer.diff_id,
                compressed_bytes: layer.descriptor.size,
                // Has been checked to be there.
                uncompressed_bytes: tar_bytes(&layer.descriptor).unwrap_or_default(),
            })
            .collect();
        let [server, model] = self.files;
        Image {
            digest: self.digest,
            config: self.manifest.config.digest,
            server,
            model,
            architecture: self.config.architecture,
            compressed_bytes: layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.compressed_bytes)),
            uncompressed_bytes: layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.uncompressed_bytes)),
            layers,
            tags,
            reused: true,
        }
    }
}

impl Parts {
    /// Checks that these are the documents of an image as mlci makes them; otherwise gives the one that is not and why.
    pub(crate) fn new(
        digest: Digest,
        manifest: Manifest,
        config: Config,
    ) -> std::result::Result<Self, (Digest, &'static str)> {
        const TWO_LAYERS: &str = "does not describe two layers, a server's and a model's";

        if !manifest.is_known() {
            return Err((digest, OTHER_TYPES));
        }
        let ([server, model], &[server_diff_id, model_diff_id]) = (&manifest.layers[..], config.diff_ids()) else {
            return Err((digest, TWO_LAYERS));
        };
        let layers = [
            Packed { descriptor: server.clone(), diff_id: server_diff_id },
            Packed { descriptor: model.clone(), diff_id: model_diff_id },
        ];
        let (Some(server), Some(model)) = (config.label(Content::Server), config.label(Content::Model)) else {
            return Err((manifest.config.digest, "does not label the server and the model"));
        };
        let files = [server, model];
        for ((content, layer), file) in Content::ALL.iter().zip(&layers).zip(&files) {
            let described = layer.descriptor.media_type == LAYER
                && layer.descriptor.annotations.get(content.key()) == Some(&file.to_string())
                && tar_bytes(&layer.descriptor).is_some();
            if !described {
                return Err((digest, TWO_LAYERS));
            }
        }
        Ok(Self { digest, manifest, config, layers, files })
    }
}

impl Manifest {
    /// Whether its own media types are those of an image.
    fn is_known(&self) -> bool {
        self.schema_version == 2 && self.media_type == MANIFEST && self.config.media_type == CONFIG
    }
}

impl Layout {
    /// Reads and checks the manifest with this digest and its configuration.
    pub(crate) fn parts(&self, digest: &Digest) -> Result<Parts> {
        let foreign = |(digest, problem): (Digest, &str)| Error::Foreign {
            path: self.blob(&digest),
            problem: problem.to_owned(),
        };
        let manifest: Manifest = self.parse(digest)?;
        if !manifest.is_known() {
            return Err(foreign((*digest, OTHER_TYPES)));
        }
        let config: Config = self.parse(&manifest.config.digest)?;
        Parts::new(*digest, manifest, config).map_err(foreign)
    }

    fn parse<T: DeserializeOwned>(&self, digest: &Digest) -> Result<T> {
        serde_json::from_slice(&self.document(digest)?).map_err(|error| Error::Foreign {
            path: self.blob(digest),
            problem: format!("is not the JSON that was expected ({error})"),
        })
    }
}
