use std::{path::Path, process::Command};

use mlci_core::{Digest, FileError};
use mlci_image::{Architecture, ImageSpec, Settings};
use mlci_model::Model;
use serde::{Deserialize, Serialize};

use super::{
    Stage,
    server::{Runs, Server},
};
use crate::{
    config::canonical,
    error::{Error, Result},
    pipeline::Pipeline,
};

/// Makes the container image of server and model, once per content.
pub(crate) struct ImageStage<'p> {
    pub(crate) pipeline: &'p Pipeline,
    pub(crate) server: Server,
    pub(crate) model: Digest,
    pub(crate) version: u64,
    /// Build the server anew.
    pub(crate) again: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImageOutput {
    pub(crate) digest: Digest,
    pub(crate) server: Digest,
    pub(crate) architecture: Architecture,
    pub(crate) compressed_bytes: u64,
    pub(crate) uncompressed_bytes: u64,
    /// The layout's folder, as the configuration writes it.
    pub(crate) layout: String,
    pub(crate) tag: String,
    /// Where it was pushed to, by digest.
    #[serde(default)]
    pub(crate) pushed: Option<String>,
}

impl ImageOutput {
    fn settings(&self, pipeline: &Pipeline) -> Settings {
        let port = pipeline.config().image.port;
        Settings { architecture: self.architecture, port, ..Settings::default() }
    }

    /// How tools like `skopeo` name it.
    pub(crate) fn reference(&self) -> String {
        format!("oci:{}:{}", self.layout, self.tag)
    }
}

impl<'p> ImageStage<'p> {
    pub(crate) fn new(pipeline: &'p Pipeline, model: Digest, version: u64, again: bool) -> Result<Self> {
        let (loaded, _) = Model::load(&pipeline.workdir().model(&model))?;
        Ok(Self { pipeline, server: Server::find(pipeline, Runs::of(&loaded))?, model, version, again })
    }

    /// The server loads the model and finds its golden predictions, before anything is made of the two. A server for
    /// another machine is not run; it is verified where it is deployed.
    fn smoke_test(&self, server: &Path, model: &Path, architecture: Architecture) -> Result<()> {
        if !cfg!(target_os = "linux") || architecture.target() != std::env::consts::ARCH {
            return Ok(());
        }
        let mut command = Command::new(std::path::absolute(server).map_err(FileError::at("locate", server))?);
        command.arg("--check").arg("--model").arg(model);
        let log = self.pipeline.workdir().log("smoke-test");
        crate::command::run(command, "image", &log, None, self.pipeline)
            .map(drop)
            .map_err(|error| Error::fail("the server cannot serve the model").because(error))
    }

    fn tag(&self) -> String {
        format!("{}-{}", self.pipeline.config().project.name, self.version)
    }
}

impl Stage for ImageStage<'_> {
    type Output = ImageOutput;

    fn name(&self) -> &'static str {
        "image"
    }

    fn inputs(&self) -> Result<Digest> {
        Ok(Digest::builder()
            .part(self.server.key.as_bytes())
            .part(self.model.as_bytes())
            .part(canonical(&self.pipeline.config().image).as_bytes())
            .part(self.tag())
            .finish())
    }

    fn holds(&self, output: &ImageOutput) -> Result<bool> {
        // A layout that cannot be read is a reason to work, and the work then says what is wrong with it.
        let Ok(layout) = self.pipeline.layout() else { return Ok(false) };
        // Looks at the length of every layer; a deployment reads and checks them whole.
        let found = layout.find_content(&output.server, &self.model, &output.settings(self.pipeline));
        let here = found.is_ok_and(|found| {
            found.is_some_and(|image| image.digest == output.digest && image.tags.contains(&output.tag))
        });
        Ok(here && self.pipeline.is_pushed(output.pushed.as_deref())?)
    }

    fn work(&self) -> Result<ImageOutput> {
        let config = self.pipeline.config();
        let layout = self.pipeline.layout()?;
        let server = self.server.binary(self.pipeline, self.again)?;
        let model = self.pipeline.workdir().model(&self.model);
        let architecture = Architecture::of_static(&server)?;
        self.smoke_test(&server, &model, architecture)?;
        let image = {
            let mut spec = ImageSpec::new(&server, model);
            spec.settings.port = config.image.port;
            spec.settings.architecture = mlci_image::Architecture::of_static(&server)?;
            layout.build(&spec)?
        };
        let tag = self.tag();
        layout.tag(&image.digest, &tag)?;
        let pushed = self.pipeline.push_image(&image.digest, &tag)?;
        Ok(ImageOutput {
            digest: image.digest,
            server: image.server,
            architecture,
            compressed_bytes: image.compressed_bytes,
            uncompressed_bytes: image.uncompressed_bytes,
            layout: self.pipeline.resolve(&config.image.layout).display().to_string(),
            tag,
            pushed,
        })
    }

    fn note(&self, output: &ImageOutput) -> String {
        format!(
            "{}, {:.1} MB compressed, {:.1} MB unpacked ({})",
            output.pushed.clone().unwrap_or_else(|| output.reference()),
            output.compressed_bytes as f64 / 1e6,
            output.uncompressed_bytes as f64 / 1e6,
            output.digest.short()
        )
    }
}
