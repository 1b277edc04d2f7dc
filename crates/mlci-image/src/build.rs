use mlci_core::Digest;

use crate::{
    Error, Image, ImageSpec, Layout, Result, ServerCheck, ServerProblem,
    blob::Temporary,
    document::{Annotations, CONFIG, Config, Descriptor, Entry, Index, MANIFEST, Manifest},
    elf,
    image::Parts,
    layer::{Content, Input, Packed, pack},
};

impl Layout {
    /// Builds an image, or finds it if it was built before.
    ///
    /// Both files are read for their digests. A layer is compressed only if no image here holds the same file, or if its
    /// blob is damaged; each blob that is reused is read and checked. When this returns, the image is complete on the
    /// disk and in `index.json`. The digest depends on the content of the two files, the architecture, the port and the
    /// version of this crate and its compressor alone: not on times, users, modes or folders.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::NotAFile`], [`Error::TooLarge`], [`Error::Changed`] and [`Error::Server`] for the
    /// files; [`Error::Port`]; [`Error::Layout`] and [`Error::Storage`] for the layout. What was complete by then
    /// stays for the next try.
    pub fn build(&self, spec: &ImageSpec) -> Result<Image> {
        let settings = &spec.settings;
        if settings.port == 0 {
            return Err(Error::Port);
        }
        if settings.check == ServerCheck::Static {
            let architecture = elf::static_architecture(&spec.server)?;
            if architecture != settings.architecture {
                let source = ServerProblem::Architecture { server: architecture, image: settings.architecture };
                return Err(Error::Server { path: spec.server.clone(), source });
            }
        }
        let server = Input::read(Content::Server, &spec.server)?;
        let model = Input::read(Content::Model, &spec.model)?;

        let _lock = self.lock_for_adding()?;
        let index = self.index()?;
        let (server_layer, packed_server) = self.layer(&index, &server)?;
        let (model_layer, packed_model) = self.layer(&index, &model)?;

        let contents = [
            (Content::Server, server.digest, server_layer.diff_id),
            (Content::Model, model.digest, model_layer.diff_id),
        ];
        let config = Config::new(settings, contents);
        let (config_descriptor, wrote_config) = self.put_json(CONFIG, &config)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            config: config_descriptor,
            layers: vec![server_layer.descriptor.clone(), model_layer.descriptor.clone()],
        };
        let (manifest_descriptor, wrote_manifest) = self.put_json(MANIFEST, &manifest)?;
        let digest = manifest_descriptor.digest;

        let parts = Parts {
            digest,
            manifest,
            config,
            layers: [server_layer, model_layer],
            files: [server.digest, model.digest],
        };
        let (added, tags) = self.add_to_index(&digest, parts.entry(manifest_descriptor.size))?;

        let mut image = parts.image(tags);
        image.reused = !(packed_server || packed_model || wrote_config || wrote_manifest || added);
        Ok(image)
    }

    /// The layer of a file, from an image that has it or newly made, and whether it was made.
    fn layer(&self, index: &Index, input: &Input<'_>) -> Result<(Packed, bool)> {
        if let Some(layer) = self.known_layer(index, input)
            && self.check(&layer.descriptor.digest, layer.descriptor.size).is_ok()
        {
            return Ok((layer, false));
        }
        let file = Temporary::create(&self.temporary_folder())?;
        let layer = pack(input, file.file(), file.path())?;
        self.put(file, &layer.descriptor.digest)?;
        Ok((layer, true))
    }

    /// The first will do: a file gives the same layer in every image. One that cannot be read is as good as none.
    fn known_layer(&self, index: &Index, input: &Input<'_>) -> Option<Packed> {
        index
            .manifests
            .iter()
            .filter(|entry| entry.holds(input.content, &input.digest))
            .filter_map(|entry| self.parts(&entry.digest.parse().ok()?).ok())
            .flat_map(|parts| parts.layers)
            .find(|layer| {
                layer.is_current()
                    && layer.descriptor.annotations.get(input.content.key()) == Some(&input.digest.to_string())
            })
    }

    fn put_json(&self, media_type: &str, value: &impl serde::Serialize) -> Result<(Descriptor, bool)> {
        let bytes = serde_json::to_vec(value).map_err(|error| Error::storage("write", &self.blobs())(error.into()))?;
        let (digest, wrote) = self.put_document(&bytes)?;
        let size = bytes.len() as u64;
        Ok((Descriptor { media_type: media_type.to_owned(), digest, size, annotations: Annotations::new() }, wrote))
    }

    /// Adds an image to the index unless it is there; says whether it did, and gives the image's tags.
    pub(crate) fn add_to_index(&self, digest: &Digest, new: Entry) -> Result<(bool, Vec<String>)> {
        let _lock = self.lock_index()?;
        let mut index = self.index()?;
        let name = digest.to_string();
        let mut found = false;
        let mut changed = false;
        for entry in index.manifests.iter_mut().filter(|entry| entry.digest == name) {
            found = true;
            // Another tool that copies or tags an image does not keep the annotations by which it is found.
            for (key, value) in &new.annotations {
                if entry.annotations.get(key) != Some(value) {
                    entry.annotations.insert(key.clone(), value.clone());
                    changed = true;
                }
            }
        }
        if !found {
            index.manifests.push(new);
        }
        if changed || !found {
            self.write_index(&index)?;
        }
        Ok((changed || !found, index.tags_of(digest)))
    }
}
