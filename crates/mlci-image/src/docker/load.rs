use std::{
    fs::File,
    io::{self, Write},
};

use bollard::{
    body_try_stream,
    errors::Error as ApiError,
    query_parameters::{ImportImageOptionsBuilder, TagImageOptionsBuilder},
};
use futures::StreamExt as _;
use mlci_core::Digest;
use tar::Header;
use tokio::task;

use crate::{
    Error, Layout, Reference,
    docker::{Engine, EngineError, Result, stream::streamed},
    image::Parts,
    lock::Lock,
};

impl Engine {
    /// Puts an image of a layout into the engine, under a tag. Gives its id there, which with Docker's own image store is
    /// the digest of the image's configuration.
    ///
    /// The image is sent as a stream of the form of `docker save`, which every engine reads, with the layers as they are
    /// on the disk; an engine that has the image only gives it the tag. Afterwards the engine is asked whether it has
    /// the layers. What an engine pushes later has a digest of its own, since it packs the layers anew:
    /// `Registry::push` keeps the digest.
    ///
    /// # Errors
    /// [`EngineError::NoTag`]; [`EngineError::Layout`] if the image is not in the layout or is damaged;
    /// [`EngineError::Request`], [`EngineError::Failed`] and [`EngineError::Other`] if the engine did not take it.
    pub async fn load(&self, layout: &Layout, digest: &Digest, tag: &Reference) -> Result<String> {
        let Some(tag_name) = tag.tag() else { return Err(EngineError::NoTag { reference: Box::new(tag.clone()) }) };
        let name = format!("{}:{tag_name}", tag.name());
        let action = format!("load {digest} as `{name}`");
        let (lock, parts) = read(layout, *digest).await?;
        let diff_ids: Vec<_> = parts.config.diff_ids().iter().map(Digest::to_string).collect();

        if let Ok(known) = self.api.inspect_image(&parts.manifest.config.digest.to_string()).await
            && known.root_fs.and_then(|root| root.layers).as_ref() == Some(&diff_ids)
        {
            let options = TagImageOptionsBuilder::default().repo(&tag.name()).tag(tag_name).build();
            let id = known.id.unwrap_or_else(|| parts.manifest.config.digest.to_string());
            self.api.tag_image(&id, Some(options)).await.map_err(self.failed(&action))?;
        } else {
            let (layout, name) = (layout.clone(), name.clone());
            let (body, maker) = streamed(move |output| {
                let _lock = lock;
                archive(&layout, &parts, &name, output)
            });
            let options = ImportImageOptionsBuilder::default().quiet(true).build();
            let mut report = Box::pin(self.api.import_image(options, body_try_stream(body), None));
            let mut outcome = Ok(());
            while let Some(line) = report.next().await {
                if let Err(error) = line {
                    outcome = Err(error);
                    break;
                }
            }
            drop(report);
            self.made(maker.await, outcome, &action)?;
        }
        let loaded = self.api.inspect_image(&name).await.map_err(self.failed(&action))?;
        let found = loaded.root_fs.and_then(|root| root.layers).unwrap_or_default();
        if found != diff_ids {
            return Err(EngineError::Other {
                host: self.host.to_string(),
                action,
                expected: format!("the layers {}", diff_ids.join(", ")),
                found: format!("the layers {}", found.join(", ")),
            });
        }
        loaded.id.ok_or_else(|| EngineError::CutShort {
            host: self.host.to_string(),
            action,
            missing: "the image's id",
            last: String::new(),
        })
    }

    /// Of what was sent and what was answered, the error that tells more.
    pub(super) fn made(
        &self,
        sent: std::result::Result<Result<()>, task::JoinError>,
        answered: std::result::Result<(), ApiError>,
        action: &str,
    ) -> Result<()> {
        match (sent, answered) {
            // The engine's answer is why the pipe broke.
            (Ok(Err(EngineError::Context { source, .. })), Err(error))
                if source.kind() == io::ErrorKind::BrokenPipe =>
            {
                Err(self.failed(action)(error))
            }
            (Ok(Err(error)), _) => Err(error),
            (Err(error), _) => Err(EngineError::from(io::Error::from(error))),
            (Ok(Ok(())), answered) => answered.map_err(self.failed(action)),
        }
    }
}

async fn read(layout: &Layout, digest: Digest) -> Result<(Lock, Parts)> {
    let layout = layout.clone();
    let parts = task::spawn_blocking(move || {
        let lock = layout.lock_for_reading()?;
        let parts = layout.listed_parts(&digest)?;
        Ok::<_, Error>((lock, parts))
    });
    Ok(parts.await.map_err(io::Error::from)??)
}

/// The form of `docker save` (moby, image specification 1.2, "Combined Image JSON + Filesystem Changeset Format").
fn archive(layout: &Layout, parts: &Parts, name: &str, output: &mut impl Write) -> Result<()> {
    let config = parts.manifest.config.digest;
    let layers = &parts.manifest.layers;
    let manifest = serde_json::json!([{
        "Config": format!("{}.json", config.hex()),
        "RepoTags": [name],
        "Layers": layers.iter().map(|layer| format!("{}.tar.gz", layer.digest.hex())).collect::<Vec<_>>(),
    }])
    .to_string();
    let mut archive = tar::Builder::new(output);
    let mut append = |name: String, size: u64, data: &mut dyn io::Read| {
        let mut header = Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, data)
    };
    append("manifest.json".to_owned(), manifest.len() as u64, &mut manifest.as_bytes())?;
    let bytes = layout.document(&config)?;
    append(format!("{}.json", config.hex()), bytes.len() as u64, &mut bytes.as_slice())?;
    for layer in layers {
        layout.check_length(&layer.digest, layer.size)?;
        let path = layout.blob(&layer.digest);
        let mut file = File::open(&path).map_err(Error::storage("open", &path))?;
        append(format!("{}.tar.gz", layer.digest.hex()), layer.size, &mut file)?;
    }
    archive.into_inner()?;
    Ok(())
}
